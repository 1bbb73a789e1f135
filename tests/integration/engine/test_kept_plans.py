"""A plan that the guard has stopped waits for a person, and goes as it was made, or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sync.contact.remote import place_of
from sync.errors import GuardStopped, RunLocked, StopRequested, UsageError
from sync.settings import Settings
from sync.state import kept_plans
from sync.state.kept_plans import KeptPlan
from sync.state.planned import GroupNames, PlannedChange, What, planned
from sync.state.runs import Runs
from sync.state.schema import staged
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop, sentence
from tests.integration.engine.test_run import another_run

STOPPED = 2


@pytest.fixture
def stopped(company_with: CompanyWith, state_url: str) -> Company:
    """One of 40 people, of whom 30 changed at once, and 5 are new, on each kind of database."""
    company = company_with(state_url, api={"batch_contacts": 10})
    return _stop(company)


def _stop(company: Company) -> Company:
    company.has(*people(40), first_name="Ada")
    company.sync()
    company.next_day()
    company.has(*people(30), first_name="Grace")
    company.has(*(f"new{number}@example.com" for number in range(5)), first_name="Edsger")
    with pytest.raises(GuardStopped) as failed:
        company.sync()
    assert f"contact-sync plan approve {STOPPED}," in sentence(failed.value)
    return company


def _waiting(company: Company, *, dry_runs: bool = False) -> KeptPlan | None:
    with company.store.read() as connection:
        return kept_plans.newest(connection, "default", dry_runs=dry_runs)


def _staged(company: Company) -> int:
    with company.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(staged)) or 0


def _planned(company: Company, what: What) -> list[PlannedChange]:
    plan = _waiting(company, dry_runs=True)
    assert plan is not None
    with company.store.read() as connection:
        names = GroupNames({}, {})
        return list(planned(connection, "default", plan.staged_as, what, names, place_of=place_of))


def test_what_was_stopped_goes_as_it_was_planned_whatever_the_source_says_since(
    stopped: Company,
) -> None:
    plan = _waiting(stopped)
    assert plan is not None
    assert plan.run_id == STOPPED
    sent = len(stopped.imports())
    stopped.has("p0@example.com", first_name="Later")
    stopped.has("later@example.com")
    stopped.write()
    recording = stopped.approve(STOPPED)
    assert recording.message.startswith(f"Approved plan of run {STOPPED}: 35 contacts sent")
    assert recording.counts.balanced
    counts = recording.counts
    assert (counts.new, counts.changed, counts.unchanged, counts.confirmed) == (5, 30, 10, 35)
    assert len(stopped.imports()) == sent + 4
    assert stopped.sandbox.people.contact("p0@example.com")["first_name"] == "Grace"
    assert stopped.sandbox.people.contact("new3@example.com")["first_name"] == "Edsger"
    assert stopped.on_a_list() == {
        *people(40),
        *(f"new{number}@example.com" for number in range(5)),
    }
    assert (_waiting(stopped), _staged(stopped)) == (None, 0)
    counts = stopped.sync().counts
    assert (counts.new, counts.changed, counts.unchanged) == (1, 1, 44)


def test_who_ended_it_since_the_plan_is_left_out_and_nobody_is_added(stopped: Company) -> None:
    there = stopped.sandbox.people
    there.unsubscribe("p1@example.com")
    there.user_delete("p2@example.com")
    there.leave_list("p3@example.com", "Customers")
    there.user_edit("p35@example.com", {"first_name": "Changed there"})
    recording = stopped.approve(STOPPED)
    assert recording.counts.balanced
    assert (recording.counts.changed, recording.counts.opted_out) == (27, 3)
    assert {(email, code) for email, code, _ in stopped.rejects(recording)} == {
        ("p1@example.com", "unsubscribed"),
        ("p2@example.com", "deleted"),
        ("p3@example.com", "left_list"),
    }
    sent = {
        contact["email"]
        for entry in stopped.imports()[-4:]
        for contact in entry.body["import_data"]
    }
    assert sent == {f"p{n}@example.com" for n in range(30) if n not in (1, 2, 3)} | {
        f"new{n}@example.com" for n in range(5)
    }


def test_who_came_back_since_the_plan_is_not_added_to_it(company: Company) -> None:
    company.has(*people(40), first_name="Ada")
    company.sync()
    company.sandbox.people.unsubscribe("p35@example.com")
    company.next_day()
    company.has(*people(39), first_name="Grace")
    with pytest.raises(GuardStopped):
        company.sync()
    company.sandbox.people.set_permission("p35@example.com", "explicit")
    counts = company.approve(STOPPED).counts
    assert counts.balanced
    assert (counts.changed, counts.opted_out, counts.unchanged) == (38, 1, 1)
    assert company.sandbox.people.contact("p35@example.com")["first_name"] == "Ada"


def test_who_is_suppressed_since_the_plan_is_withheld(
    company_with: CompanyWith, tmp_path: Path
) -> None:
    never = tmp_path / "never.txt"
    never.write_text("")
    company = _stop(company_with(suppression={"path": never}))
    never.write_text("p4@example.com\n")
    recording = company.approve(STOPPED)
    assert recording.counts.balanced
    assert (recording.counts.withheld, recording.counts.changed) == (1, 29)
    assert [code for _, code, _ in company.rejects(recording)] == ["suppressed"]


def test_a_plan_tells_each_contact_s_fields_old_and_new(stopped: Company) -> None:
    changed = _planned(stopped, What.CHANGED)
    assert [change.email for change in changed] == list(people(30))
    assert [(each.name, each.old, each.new) for each in changed[0].fields] == [
        ("first_name", "Ada", "Grace")
    ]
    new = _planned(stopped, What.NEW)
    assert [change.email for change in new] == [f"new{number}@example.com" for number in range(5)]
    assert new[0].lists_before == ()
    assert len(new[0].lists_after) == 1
    assert _planned(stopped, What.GONE) == _planned(stopped, What.OPTED_OUT) == []


def test_a_plan_waits_until_another_run_has_planned(stopped: Company) -> None:
    for number in range(5, 30):
        stopped.has(f"p{number}@example.com", first_name="Ada")
    assert stopped.sync().counts.confirmed == 10
    assert (_waiting(stopped), _staged(stopped)) == (None, 0)
    _refused(stopped, STOPPED, "is out of date: run 3 has planned since")


def test_a_plan_that_is_stopped_in_its_turn_takes_the_place_of_the_first(stopped: Company) -> None:
    stopped.has("p0@example.com", first_name="Barbara")
    with pytest.raises(GuardStopped):
        stopped.sync()
    _refused(stopped, STOPPED, "is out of date: run 3 has planned since")
    assert stopped.approve(3).counts.confirmed == 35
    assert stopped.sandbox.people.contact("p0@example.com")["first_name"] == "Barbara"
    _refused(stopped, 3, "has been approved already, as run 4")


def test_a_run_that_fails_before_it_has_planned_leaves_a_plan_waiting(stopped: Company) -> None:
    path = stopped.settings.source.path
    assert path is not None
    kept = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(Exception, match="empty"):
        stopped._run(None).sync()
    path.write_bytes(kept)
    assert stopped.approve(STOPPED).counts.confirmed == 35


def test_a_dry_run_s_plan_can_be_looked_at_and_replaces_none_that_waits(stopped: Company) -> None:
    with pytest.raises(GuardStopped, match="Look at the plan with contact-sync plan show 3"):
        stopped.dry_run()
    shown = _waiting(stopped, dry_runs=True)
    assert shown is not None
    assert (shown.run_id, shown.dry_run) == (3, True)
    assert len(_planned(stopped, What.CHANGED)) == 30
    _refused(stopped, 3, "was a dry run")
    assert stopped.approve(STOPPED).counts.confirmed == 35


def test_a_source_without_a_contact_leaves_nothing_to_approve(company: Company) -> None:
    company.has(*people(30))
    company.sync()
    company.rows = {"not an address": {}}
    with pytest.raises(GuardStopped, match="no valid contact"):
        company.sync()
    assert _waiting(company) is None
    _refused(company, STOPPED, "no plan of a run 2")


def test_a_plan_is_refused_when_the_configuration_would_plan_otherwise(
    company_with: CompanyWith, settings_for: Callable[..., Settings]
) -> None:
    company = _stop(company_with(api={"batch_contacts": 10}))
    company.settings = settings_for(company.sandbox, lists={"names": ["News"]})
    _refused(company, STOPPED, "has changed since run 2 planned")
    company.settings = settings_for(company.sandbox, guard={"max_changed_percent": 1})
    assert company.approve(STOPPED).counts.confirmed == 35


def test_a_plan_waits_for_the_end_of_another_run(company_with: CompanyWith) -> None:
    company = _stop(company_with())
    with another_run(company), pytest.raises(RunLocked):
        company.approve(STOPPED)
    assert company.approve(STOPPED).counts.confirmed == 35


def test_what_a_plan_would_make_is_made_when_it_is_approved(company_with: CompanyWith) -> None:
    options = {"names": ["News"], "column": "department", "create_missing": True}
    company = company_with(lists=options)
    company.has(*people(20), department="Friends")
    company.has(*(f"not an address {number}" for number in range(20)))
    with pytest.raises(GuardStopped):
        company.sync()
    assert company.approve(1).counts.confirmed == 20
    assert company.lists_of("p3@example.com") == ["Friends", "News"]


def test_a_plan_whose_list_was_made_by_somebody_else_is_planned_anew(
    company_with: CompanyWith,
) -> None:
    company = company_with(lists={"names": ["Friends"], "create_missing": True})
    company.has(*people(20))
    company.has(*(f"not an address {number}" for number in range(20)))
    with pytest.raises(GuardStopped):
        company.sync()
    company.sandbox.people.add_list("Friends")
    _refused(company, 1, "has been made since (Friends)")
    assert company.imports() == []


@pytest.mark.parametrize("pause", range(1, 11, 3))
def test_an_approval_that_is_stopped_anywhere_can_be_approved_again(
    company_with: CompanyWith, pause: int
) -> None:
    company = company_with(api={"batch_contacts": 10})
    _stop(company)
    # From here on each request is waited for, so that a stop can fall between any two.
    company.settings = company.settings.model_copy(
        update={"api": company.settings.api.model_copy(update={"requests_per_second": 1})}
    )
    stopping = SteppedStop(company.clock)

    def stop_at_this_one() -> None:
        if len(stopping.pauses) == pause:
            stopping.request()

    stopping.during_pause = stop_at_this_one
    with pytest.raises(StopRequested):
        company.approve(STOPPED, stopping)
    assert _waiting(company) is not None
    counts = company.approve(STOPPED).counts
    assert counts.balanced
    assert company.open_batches() == []
    assert (_waiting(company), _staged(company)) == (None, 0)
    names = {company.sandbox.people.contact(email)["first_name"] for email in people(30)}
    assert names == {"Grace"}
    assert company.sync().counts.unchanged == 45


def _refused(company: Company, number: int, why: str) -> None:
    runs = len(Runs(company.store, "default").last(9))
    with pytest.raises(UsageError) as refused:
        company.approve(number)
    assert why in sentence(refused.value)
    if "has been made" not in why:
        assert len(Runs(company.store, "default").last(9)) == runs
