"""Imports that fail as a whole: the contacts at fault are found, and all others arrive."""

import math
import random
from collections import Counter

import pytest

from sync.errors import Busy, ExitCode, StopRequested
from sync.fault_search import MOST_IMPORTS
from sync.sandbox import Fault, Plan
from sync.sandbox.activities import End
from sync.settings.options import Api
from sync.state.outbox import BatchState
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop


def _refuse(company: Company, *emails: str, status: int = 400) -> None:
    for email in emails:
        company.sandbox.add_fault(
            Fault("status", IMPORTS, "POST", status=status, holds=email, error_message="Bad row")
        )


def _fail(company: Company, *emails: str, end: End = "failed") -> None:
    for email in emails:
        company.sandbox.plan_activity(Plan(end, count=None, holds=email, errors=("Bad row",)))


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("place", [0, 1, 37, 62, 63])
def test_a_contact_for_which_an_import_is_refused_is_found(
    company: Company, place: int, status: int
) -> None:
    everybody = list(people(64))
    company.has(*everybody)
    _refuse(company, everybody[place], status=status)
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (63, 1)
    assert recording.exit_code is ExitCode.DONE_WITH_REJECTS
    [(email, code, reason)] = company.rejects(recording)
    assert (email, code) == (everybody[place], "import_failed")
    assert "Bad row" in reason
    assert company.on_a_list() == set(everybody) - {everybody[place]}
    assert len(company.imports()) <= 2 * math.log2(64) + 3
    assert company.open_batches() == []


@pytest.mark.parametrize("end", ["failed", "timed_out"])
def test_a_contact_for_which_an_import_fails_again_and_again_is_found(
    company: Company, end: End
) -> None:
    everybody = list(people(64))
    company.has(*everybody)
    _fail(company, everybody[37], end=end)
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (63, 1)
    [(email, code, reason)] = company.rejects(recording)
    assert (email, code) == (everybody[37], "import_failed")
    assert end in reason
    assert "Bad row" in reason
    assert company.on_a_list() == set(everybody) - {everybody[37]}
    # Twice more the whole, and twice more the single one.
    assert len(company.imports()) <= 2 * math.log2(64) + 7


def test_several_contacts_at_fault_are_found_in_the_batches_of_a_run(
    company_with: CompanyWith, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("seed") or random.randrange(2**32)
    print(f"seed {seed}")
    company = company_with(api={"batch_contacts": 50, "batches_in_flight": 2})
    everybody = list(people(200))
    bad = random.Random(seed).sample(everybody, 5)
    company.has(*everybody)
    _refuse(company, *bad[:3])
    _fail(company, *bad[3:])
    recording = company.sync()
    assert {email for email, _, _ in company.rejects(recording)} == set(bad)
    assert company.on_a_list() == set(everybody) - set(bad)
    assert recording.counts.balanced
    # They are tried again, and nobody else is.
    company.sandbox.clear_faults()
    company.days_pass(Api().refused_again_days)
    company.sync()
    assert set(company.imported()) <= set(bad)


def test_the_search_is_bounded_and_goes_on_in_the_next_run(company: Company) -> None:
    everybody = list(people(400))
    company.has(*everybody)
    bad = everybody[::10]
    _refuse(company, *bad)
    recording = company.sync()
    assert len(company.imports()) == MOST_IMPORTS + 1
    arrived = recording.counts.confirmed
    assert 0 < arrived < 360
    assert recording.counts.balanced
    assert any("the next run goes on" in reason for *_, reason in company.rejects(recording))
    runs = 1
    while company.on_a_list() != set(everybody) - set(bad):
        assert runs < 12
        company.next_day()
        company.sync()
        runs += 1


def test_a_deleted_list_is_not_searched_for_among_the_contacts(
    company_with: CompanyWith, stop: SteppedStop
) -> None:
    company = company_with(api={"batch_contacts": 500, "batches_in_flight": 1})
    company.has(*people(2000))
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=503, count=1))

    def delete_the_list() -> None:
        stop.during_pause = lambda: None
        company.sandbox.people.delete_list("Customers")

    stop.during_pause = delete_the_list
    recording = company.sync()
    assert recording.counts.refused == 2000
    assert all("list_ids" in reason for *_, reason in company.rejects(recording))
    assert len(company.imports()) <= 15


def test_a_service_that_fails_every_import_is_not_searched_for_among_the_contacts(
    company: Company,
) -> None:
    company.has(*people(500))
    company.sandbox.plan_activity(Plan("failed", count=None))
    recording = company.sync()
    assert recording.counts.refused == 500
    assert len(company.imports()) <= 50
    company.sandbox.world.plans.clear()
    company.next_day()
    assert company.sync().counts.confirmed == 500


def test_contacts_that_are_all_at_fault_are_all_named(company: Company) -> None:
    company.has(*people(40))
    _refuse(company, *people(40))
    recording = company.sync()
    assert sorted(email for email, _, _ in company.rejects(recording)) == sorted(people(40))
    assert all("Bad row" in reason for *_, reason in company.rejects(recording))


@pytest.mark.parametrize("end", ["cancelled", "vanish"])
def test_what_no_contact_is_to_blame_for_is_not_cut_but_looked_at(
    company: Company, end: End
) -> None:
    company.has(*people(30), first_name="Ada")
    company.sandbox.plan_activity(Plan(end, count=None, share=0.5))
    recording = company.sync()
    assert len(company.imports()) == 3
    # A vanished import has done its work, and a cancelled one half of it.
    arrived = {"cancelled": 15, "vanish": 30}[end]
    assert (recording.counts.confirmed, recording.counts.refused) == (arrived, 30 - arrived)
    assert all("3 times in a row" in reason for *_, reason in company.rejects(recording))


def test_an_import_that_never_ends_is_looked_at_on_the_fourth_day(company: Company) -> None:
    company.has(*people(30))
    company.sandbox.plan_activity(Plan("never", count=3))
    for _ in range(3):
        with pytest.raises(Busy):
            company.sync()
        company.next_day()
    recording = company.sync()
    assert len(company.imports()) == 4
    # What was seen not to have arrived is planned anew by the same run.
    assert recording.counts.confirmed == 30


@pytest.mark.parametrize("pause", range(1, 14))
def test_a_search_that_is_stopped_anywhere_loses_nobody(company: Company, pause: int) -> None:
    everybody = list(people(32))
    company.has(*everybody)
    _refuse(company, everybody[5])
    _fail(company, everybody[20])
    stopping = SteppedStop(company.clock)
    company.sandbox.add_fault(Fault("status", "/v3/activities/*-*", "GET", pattern="x..x."))

    def stop_at_this_one() -> None:
        if len(stopping.pauses) == pause:
            stopping.request()

    stopping.during_pause = stop_at_this_one
    with pytest.raises(StopRequested):
        company.sync(stopping)
    company.sandbox.clear_faults()
    _refuse(company, everybody[5])
    recording = company.sync()
    assert company.open_batches() == []
    assert company.on_a_list() == set(everybody) - {everybody[5], everybody[20]}
    assert {email for email, _, _ in company.rejects(recording)} == {everybody[5], everybody[20]}
    sent = Counter(
        contact["email"] for entry in company.imports() for contact in entry.body["import_data"]
    )
    assert max(sent.values()) < 40
    assert all(entry.state is not BatchState.SPLIT for entry in company.open_batches())
