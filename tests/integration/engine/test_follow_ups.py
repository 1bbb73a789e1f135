"""What follows the imports: lists to leave, tags, and contacts that are gone from the source."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.errors import Busy, GuardStopped, ServiceUnavailable
from sync.sandbox import Fault, Plan
from sync.sandbox.activities import End
from sync.state.bulk_changes import BulkChanges
from tests.conftest import QUICK
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop

LEAVE = "/v3/activities/remove_list_memberships"
DELETE = "/v3/activities/contact_delete"
DEPARTMENTS = {"lists": {"names": [], "column": "department"}}
REMOVE = {"gone": {"action": "remove_from_lists", "after_runs": 2}}
GONE = {"gone": {"action": "delete", "after_runs": 2}}
# Small companies, whose every change is large.
UNGUARDED = {"guard": {"minimum_contacts": 2000}}


@pytest.fixture
def departments(company_with: CompanyWith) -> Company:
    """Three people in Customers and one in News."""
    company = company_with(**DEPARTMENTS)
    company.has(*people(3), department="Customers")
    company.has("p3@example.com", department="News")
    company.sync()
    company.next_day()
    return company


def changes_under_way(company: Company) -> int:
    return len(BulkChanges(company.store, company.settings.account.name).open())


def quiet_day(company: Company) -> None:
    """A run after which nothing is left to do."""
    company.next_day()
    before = len(company.imports())
    assert company.sync().counts.changed == 0
    assert len(company.imports()) == before
    assert changes_under_way(company) == 0


def test_who_changes_the_department_changes_the_list(
    company_with: CompanyWith, state_url: str
) -> None:
    company = company_with(state_url, **DEPARTMENTS)
    company.has(*people(4), department="Customers")
    company.sync()
    company.sandbox.people.add_list("Chess club")
    company.sandbox.people.user_add_to_list("p0@example.com", "Chess club")
    company.next_day()
    company.has("p0@example.com", "p1@example.com", department="News")
    recording = company.sync()
    assert (recording.counts.changed, recording.counts.moved) == (2, 2)
    assert company.lists_of("p0@example.com") == ["Chess club", "News"]
    assert company.lists_of("p1@example.com") == ["News"]
    assert company.lists_of("p2@example.com") == ["Customers"]
    assert len(company.sandbox.requests(path=LEAVE)) == 1
    quiet_day(company)
    company.has("p1@example.com", department="Customers")
    company.sync()
    assert company.lists_of("p1@example.com") == ["Customers"]


def test_a_dry_run_tells_who_would_leave_and_does_nothing(departments: Company) -> None:
    departments.has("p0@example.com", department="News")
    assert departments.dry_run().counts.moved == 1
    assert departments.lists_of("p0@example.com") == ["Customers"]


def test_hundreds_leave_in_portions_of_as_many_as_one_request_may_name(
    company_with: CompanyWith,
) -> None:
    company = company_with(**DEPARTMENTS, **UNGUARDED)
    company.has(*people(1203), department="Customers")
    company.sync()
    company.next_day()
    company.has(*people(1201), department="News")
    since = len(company.sandbox.requests())
    company.sync()
    sizes = [
        len(entry.body["source"]["contact_ids"]) for entry in company.sandbox.requests(path=LEAVE)
    ]
    assert sorted(sizes) == [201, 500, 500]
    # The ids are read page by page, not one by one.
    asked = [entry for entry in company.sandbox.requests(since=since) if entry.method == "GET"]
    assert len(asked) < 30
    assert company.lists_of("p1200@example.com") == ["News"]
    assert company.lists_of("p1202@example.com") == ["Customers"]
    quiet_day(company)


def test_who_was_not_taken_by_the_import_stays_on_the_old_list(departments: Company) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.plan_activity(Plan("failed", kind="contacts_import", count=None))
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["Customers"]


def test_who_was_not_put_on_the_new_list_has_not_left_it(departments: Company) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.plan_activity(Plan("cancelled", kind="contacts_import", count=3))
    assert departments.sync().counts.refused == 1
    departments.next_day()
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]


def test_who_an_import_with_errors_has_not_put_on_the_new_list_has_not_left_it(
    departments: Company,
) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.plan_activity(Plan("partial", kind="contacts_import", share=0.0))
    recording = departments.sync()
    assert [code for _, code, _ in departments.rejects(recording)] == ["not_on_list"]
    departments.days_pass(8)
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]


@pytest.mark.parametrize("end", ["failed", "timed_out", "cancelled", "partial"])
def test_a_change_that_failed_is_told_and_tried_again_by_the_next_run(
    departments: Company, end: End
) -> None:
    departments.has("p0@example.com", "p1@example.com", department="News")
    departments.sandbox.plan_activity(Plan(end, kind="remove_list_memberships", share=0.5))
    with pytest.raises(ServiceUnavailable, match="taking contacts off a list") as failed:
        departments.sync()
    assert "the next run tries it again" in str(failed.value)
    departments.next_day()
    departments.sync()
    for email in ("p0@example.com", "p1@example.com"):
        assert departments.lists_of(email) == ["News"]
    quiet_day(departments)
    # Who was taken off by us has not left by themselves.
    departments.has("p0@example.com", "p1@example.com", department="Customers")
    departments.sync()
    for email in ("p0@example.com", "p1@example.com"):
        assert departments.lists_of(email) == ["Customers"]


def test_a_change_whose_end_nobody_knows_is_looked_at(departments: Company) -> None:
    departments.has("p0@example.com", "p1@example.com", department="News")
    departments.sandbox.plan_activity(Plan("vanish", kind="remove_list_memberships"))
    departments.sync()  # it came about
    quiet_day(departments)


def test_a_change_that_takes_long_is_waited_for_by_the_next_run(
    departments: Company, stop: SteppedStop
) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.plan_activity(Plan("never", kind="remove_list_memberships"))
    with pytest.raises(Busy, match="still at work"):
        departments.sync()
    assert changes_under_way(departments) == 1
    departments.next_day()
    departments.next_day()
    departments.sync()  # it never ends, and is given up after a day
    assert departments.lists_of("p0@example.com") == ["News"]
    quiet_day(departments)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_looked_for(departments: Company, when: str) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.add_fault(Fault("drop", LEAVE, after_work=when == "after", count=1))
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]
    made = departments.sandbox.requests(path=LEAVE)
    assert len(made) == (2 if when == "before" else 1)
    quiet_day(departments)


def test_after_a_lost_answer_and_a_death_the_next_run_finds_what_was_asked(
    departments: Company, stop: SteppedStop
) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.add_fault(Fault("drop", LEAVE, after_work=True, count=1))
    departments.sandbox.add_fault(Fault("status", "/v3/activities", method="GET"))
    with pytest.raises(ServiceUnavailable):
        departments.sync()
    assert changes_under_way(departments) == 1
    departments.sandbox.clear_faults()
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]
    assert len(departments.sandbox.requests(path=LEAVE)) == 1
    quiet_day(departments)


def test_a_list_that_was_deleted_there_holds_nobody(departments: Company) -> None:
    departments.sandbox.people.delete_list("Customers")
    departments.has(*people(3), department="News")
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]
    assert departments.sandbox.requests(path=LEAVE) == []


@pytest.fixture
def leavers(company_with: CompanyWith, state_url: str) -> Company:
    """Three people, one of whom is gone from the source."""
    return _leavers(company_with(state_url, **REMOVE))


def _leavers(company: Company) -> Company:
    company.has(*people(3))
    company.sync()
    company.next_day()
    del company.rows["p0@example.com"]
    return company


def test_who_is_gone_for_so_many_runs_leaves_our_lists_alone(leavers: Company) -> None:
    leavers.sandbox.people.add_list("Chess club")
    leavers.sandbox.people.user_add_to_list("p0@example.com", "Chess club")
    assert (leavers.sync().counts.gone, leavers.sync().counts.removed) == (1, 1)
    assert leavers.lists_of("p0@example.com") == ["Chess club"]
    assert leavers.lists_of("p1@example.com") == ["Customers"]
    again = leavers.sync()
    assert (again.counts.gone, again.counts.removed) == (1, 0)
    assert len(leavers.sandbox.requests(path=LEAVE)) == 1


def test_who_comes_back_in_time_stays_and_the_runs_are_counted_anew(leavers: Company) -> None:
    leavers.sync()
    leavers.has("p0@example.com")
    leavers.sync()
    del leavers.rows["p0@example.com"]
    assert leavers.sync().counts.removed == 0
    assert leavers.lists_of("p0@example.com") == ["Customers"]


def test_who_comes_back_later_is_put_on_the_lists_again(leavers: Company) -> None:
    leavers.sync()
    leavers.sync()
    assert leavers.lists_of("p0@example.com") == []
    leavers.next_day()
    leavers.has("p0@example.com", first_name="Ada")
    assert leavers.sync().counts.confirmed == 1
    assert leavers.lists_of("p0@example.com") == ["Customers"]
    assert leavers.sandbox.people.contact("p0@example.com")["first_name"] == "Ada"


def test_a_dry_run_counts_no_missing_and_tells_who_would_go(leavers: Company) -> None:
    leavers.dry_run()
    leavers.sync()
    assert leavers.dry_run().counts.removed == 1
    assert leavers.lists_of("p0@example.com") == ["Customers"]


def test_who_unsubscribed_and_is_gone_is_left_alone(company_with: CompanyWith) -> None:
    company = _leavers(company_with(**GONE))
    company.sandbox.people.unsubscribe("p0@example.com")
    for _ in range(3):
        assert company.sync().counts.deleted == 0
        company.next_day()
    assert company.sandbox.requests(path=DELETE) == []


def test_only_whom_we_made_is_deleted(company_with: CompanyWith, state_url: str) -> None:
    company = company_with(state_url, **GONE)
    company.sandbox.people.add_contact("old@example.com", lists=("News",))
    company.sandbox.advance(timedelta(days=1))
    company.clock.advance(timedelta(days=1))
    company.has("old@example.com", *people(3))
    company.sync()
    company.next_day()
    del company.rows["old@example.com"], company.rows["p0@example.com"]
    company.sync()
    assert company.sync().counts.deleted == 2  # which of them are ours is learnt now
    everybody = company.sandbox.people.audience()
    assert "p0@example.com" not in everybody
    assert "old@example.com" in everybody
    again = company.sync()
    assert again.counts.deleted == 0
    assert len(company.sandbox.requests(path=DELETE)) == 1


def test_whom_we_deleted_may_come_back_and_whom_a_person_deleted_may_not(
    company_with: CompanyWith,
) -> None:
    company = _leavers(company_with(**GONE))
    company.sandbox.settings = replace(QUICK, delete_moves_updated_at=True)
    company.sync()
    company.sync()
    company.sandbox.people.user_delete("p1@example.com")
    company.next_day()
    company.has("p0@example.com", "p1@example.com")
    recording = company.sync()
    assert recording.counts.confirmed == 1
    assert recording.counts.opted_out == 1
    assert company.on_a_list() == {"p0@example.com", "p2@example.com"}
    company.sandbox.people.user_delete("p0@example.com")
    company.next_day()
    assert company.sync().counts.opted_out == 2


def test_a_partial_deletion_is_not_taken_for_a_person_s(company_with: CompanyWith) -> None:
    company = company_with(**GONE, **UNGUARDED)
    company.has(*people(6))
    company.sync()
    company.next_day()
    for email in people(4):
        del company.rows[email]
    company.sync()
    company.sandbox.plan_activity(Plan("failed", kind="contact_delete", share=0.5))
    with pytest.raises(ServiceUnavailable, match="deleting contacts"):
        company.sync()
    company.has(*people(4))
    assert company.sync().counts.opted_out == 0
    assert company.on_a_list() == set(people(6))


def test_the_guard_stops_a_run_that_would_take_many_away(company_with: CompanyWith) -> None:
    company = company_with(**REMOVE, guard={"max_removed": 1, "max_shrink_percent": 100})
    company.has(*people(30))
    company.sync()
    for email in people(2):
        del company.rows[email]
    company.sync()
    with pytest.raises(GuardStopped, match="2 contacts would be taken off"):
        company.sync()
    assert len(company.on_a_list()) == 30


def test_a_slow_service_is_waited_for(departments: Company) -> None:
    departments.sandbox.settings = replace(QUICK, processing_time=timedelta(minutes=10))
    departments.stop.during_pause = lambda: departments.sandbox.set_time(departments.clock())  # type: ignore[attr-defined]
    departments.has("p0@example.com", department="News")
    departments.sync()
    assert departments.lists_of("p0@example.com") == ["News"]


def test_what_is_refused_is_told(departments: Company) -> None:
    departments.has("p0@example.com", department="News")
    departments.sandbox.add_fault(Fault("status", LEAVE, status=400))
    with pytest.raises(ServiceUnavailable, match="taking contacts off a list"):
        departments.sync()
    assert sorted(departments.lists_of("p0@example.com")) == ["Customers", "News"]
