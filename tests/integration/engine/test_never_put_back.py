"""Nobody who left is put back, whichever way the open questions of the service are answered."""

from dataclasses import replace
from itertools import product

import pytest

from sync.errors import AccessForbidden, ExitCode, StopRequested
from sync.sandbox import Fault, SandboxSettings
from tests.conftest import QUICK
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop

BOTH = {"lists": {"names": ["Customers", "News"]}}


@pytest.fixture
def town(company_with: CompanyWith, switches: SandboxSettings) -> Company:
    """Thirty people on two lists, whose data all change before the next run."""
    return _town(company_with(**BOTH), switches)


def _town(company: Company, switches: SandboxSettings) -> Company:
    company.sandbox.settings = switches
    company.has(*people(30), first_name="Ada")
    # A quiet day, after which nobody's data were touched since the last look.
    for _ in range(2):
        company.sync()
        company.next_day()
    company.has(*people(14), first_name="Grace")
    return company


def test_who_left_one_of_two_lists_stays_off_it_and_on_the_other(town: Company) -> None:
    town.sandbox.people.leave_list("p1@example.com", "News")
    town.sandbox.people.user_remove_from_list("p2@example.com", "Customers")
    town.sandbox.people.leave_list("p20@example.com", "News")
    recording = town.sync()
    assert recording.counts.confirmed == 14
    assert town.lists_of("p0@example.com") == ["Customers", "News"]
    assert town.lists_of("p1@example.com") == ["Customers"]
    assert town.lists_of("p2@example.com") == ["News"]
    assert town.sandbox.people.contact("p1@example.com")["first_name"] == "Grace"
    town.next_day()
    town.has(*people(14), first_name="Edsger")
    town.sync()
    assert town.lists_of("p1@example.com") == ["Customers"]
    assert town.lists_of("p2@example.com") == ["News"]
    town.next_day()
    town.has("p20@example.com", first_name="Barbara")
    town.sync()
    assert town.lists_of("p20@example.com") == ["Customers"]


def test_who_left_every_list_is_left_out_with_the_reason(town: Company) -> None:
    for name in ("News", "Customers"):
        town.sandbox.people.leave_list("p1@example.com", name)
    recording = town.sync()
    assert (recording.counts.opted_out, recording.counts.confirmed) == (1, 13)
    [(email, code, reason)] = town.rejects(recording)
    assert (email, code) == ("p1@example.com", "left_list")
    assert "by nobody but the person" in reason
    assert town.lists_of("p1@example.com") == []


def test_few_changes_are_looked_at_by_address_and_many_by_list(
    company_with: CompanyWith, switches: SandboxSettings
) -> None:
    company = company_with(**BOTH)
    company.sandbox.settings = switches
    company.has(*people(1_100), first_name="Ada")
    company.sync()
    for changed, left in ((2, "p1@example.com"), (300, "p299@example.com")):
        company.next_day()
        company.sandbox.people.leave_list(left, "News")
        company.has(*people(changed), first_name=f"Grace {changed}")
        before = len(company.sandbox.requests(path="/v3/contacts"))
        assert company.sync().counts.confirmed == changed
        assert company.lists_of(left) == ["Customers"]
        assert len(company.sandbox.requests(path="/v3/contacts")) - before <= 8


def test_a_dry_run_sees_who_left_too(town: Company) -> None:
    for name in ("News", "Customers"):
        town.sandbox.people.leave_list("p1@example.com", name)
    town.vault.access_token()
    posts = len(town.imports())
    recording = town.dry_run()
    assert not recording.offline
    assert (recording.counts.changed, recording.counts.opted_out) == (13, 1)
    assert len(town.imports()) == posts


def test_the_unsubscribed_and_the_deleted_are_left_out_and_free_when_they_come_back(
    town: Company,
) -> None:
    town.sandbox.people.unsubscribe("p1@example.com")
    town.sandbox.people.user_unsubscribe("p2@example.com")
    town.sandbox.people.user_delete("p3@example.com")
    recording = town.sync()
    assert recording.counts.opted_out == 3
    assert recording.exit_code is ExitCode.DONE
    assert {code for _, code, _ in town.rejects(recording)} == {"unsubscribed", "deleted"}
    assert town.on_a_list() == set(people(30)) - {f"p{n}@example.com" for n in (1, 2, 3)}
    assert town.sandbox.people.contact("p3@example.com")["deleted_at"]
    town.next_day()
    town.sandbox.people.confirm("p1@example.com")
    town.has("p1@example.com", "p2@example.com", first_name="Barbara")
    again = town.sync()
    assert {email for email, _, _ in town.rejects(again)} >= {"p2@example.com", "p3@example.com"}
    assert "p2@example.com" not in town.on_a_list()


@pytest.mark.parametrize(
    ("revive", "put_back", "fields"),
    list(product(("revive", "refuse"), ("put back", "stay off"), (False, True))),
)
def test_nobody_unsubscribed_is_on_a_list_whatever_an_import_would_do(
    company: Company, revive: str, put_back: str, fields: bool
) -> None:
    company.sandbox.settings = replace(
        QUICK,
        deleted_on_import=revive,  # type: ignore[arg-type]
        list_removal_on_import=put_back,  # type: ignore[arg-type]
        unsubscribed_fields_updated=fields,
    )
    for number in range(30):
        company.sandbox.people.add_contact(f"p{number}@example.com", lists=("Customers",))
    company.sandbox.people.unsubscribe("p1@example.com")
    company.sandbox.people.user_delete("p2@example.com")
    company.has(*people(30), first_name="Ada")
    for day in range(3):
        company.sync()
        company.next_day()
        company.has(*people(12), first_name=f"Grace {day}")
        company.sandbox.people.unsubscribe(f"p{5 + day}@example.com")
        company.sandbox.people.user_delete(f"p{8 + day}@example.com")
    company.sync()
    gone = {f"p{number}@example.com" for number in (1, 2, 5, 6, 7, 8, 9, 10)}
    assert company.on_a_list() == set(people(30)) - gone


def test_what_an_interrupted_run_had_not_posted_is_not_sent_blindly(
    company_with: CompanyWith, switches: SandboxSettings
) -> None:
    company = company_with(api={"batches_in_flight": 1, "batch_contacts": 5}, **BOTH)
    company = _town(company, switches)
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=403, skip=1, count=1))
    with pytest.raises(AccessForbidden):
        company.sync()
    assert len(company.open_batches()) > 0
    company.next_day()
    company.sandbox.people.user_delete("p9@example.com")
    company.sandbox.people.leave_list("p10@example.com", "News")
    for name in ("Customers", "News"):
        company.sandbox.people.leave_list("p11@example.com", name)
    del company.rows["p12@example.com"]
    before = len(company.imports())
    company.sync()
    sent = [c["email"] for e in company.imports()[before:] for c in e.body["import_data"]]
    assert "p12@example.com" not in sent
    assert company.sandbox.people.contact("p9@example.com")["deleted_at"]
    assert company.lists_of("p10@example.com") == ["Customers"]
    assert company.lists_of("p11@example.com") == []
    assert company.open_batches() == []


def test_who_leaves_between_the_import_and_its_reading_back_is_not_put_back(
    company: Company, stop: SteppedStop
) -> None:
    company.has(*people(30), first_name="Ada")
    company.sandbox.add_fault(Fault("drop", IMPORTS, "POST", after_work=True, count=1))

    def stop_when_it_was_posted() -> None:
        if company.imports():
            stopping.request()

    stopping = SteppedStop(company.clock)
    stopping.during_pause = stop_when_it_was_posted
    with pytest.raises(StopRequested):
        company.sync(stopping)
    company.sandbox.people.leave_list("p4@example.com", "Customers")
    company.next_day()
    recording = company.sync()
    assert company.lists_of("p4@example.com") == []
    assert {code for _, code, _ in company.rejects(recording)} == {"left_list"}
    company.next_day()
    company.has("p4@example.com", first_name="Grace")
    company.sync()
    assert company.lists_of("p4@example.com") == []
    assert company.on_a_list() == set(people(30)) - {"p4@example.com"}
