"""When the audience is read back: by itself every Nth run, and up to where it was stopped."""

from datetime import timedelta

import pytest

from sync.errors import ExitCode, GuardStopped, QuotaExhausted, StopRequested
from sync.sandbox import Fault
from sync.state.runs import RunKind, Runs
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop
from tests.integration.engine.test_verify import CONTACTS, LEFT, drift


def test_every_third_run_verifies_and_mends_by_itself(company_with: CompanyWith) -> None:
    company = company_with(verify={"every_runs": 3, "repair": True})
    company.has(*people(30), first_name="Ada")
    found = []
    for number in range(8):
        recording = company.sync()
        found.append(recording.counts.drift)
        counts = recording.counts
        assert counts.changed == counts.confirmed - counts.new == (recording.counts.drift or 0)
        assert recording.exit_code is ExitCode.DONE
        company.next_day()
        company.sandbox.people.user_edit(f"p{number}@example.com", {"first_name": "Grace"})
        company.dry_run()
    assert found == [None, None, 2, None, None, 3, None, None]
    assert company.verify().counts.drift == 3
    for _ in range(3):
        recording = company.sync()
    assert recording.counts.drift == 3


def test_reading_back_is_reading_everything_on_the_other_side(company_with: CompanyWith) -> None:
    company = company_with(verify={"every_runs": 3}, observe={"full_every_runs": 3})
    company.has(*people(30), first_name="Ada")
    whole = []
    for _ in range(7):
        before = company.sandbox.requests(path=CONTACTS)[-1:]
        company.sync()
        company.next_day()
        asked = company.sandbox.requests(path=CONTACTS, since=before[0].number if before else 0)
        whole.append(sum("_after" not in entry.query for entry in asked))
    assert whole[1:] == [0, 1, 0, 0, 1, 0]


def test_a_run_that_only_looks_says_what_it_found_and_leaves_it(company_with: CompanyWith) -> None:
    company = company_with(verify={"every_runs": 1})
    company.has(*people(30), first_name="Ada")
    assert company.sync().counts.drift is None
    company.sandbox.people.user_edit("p7@example.com", {"first_name": "Grace"})
    for _ in range(2):
        recording = company.sync()
        assert drift(recording) == [("p7@example.com", "first_name", "Ada", "Grace", LEFT)]
        assert recording.counts.unchanged == 30
        assert recording.exit_code is ExitCode.DONE
        assert recording.message == "Nothing to send, 30 unchanged, 1 found changed there."


def test_a_plan_reads_nothing_back(company_with: CompanyWith) -> None:
    company = company_with(verify={"every_runs": 1, "repair": True})
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.sandbox.people.user_edit("p7@example.com", {"first_name": "Grace"})
    recording = company.dry_run()
    assert (recording.counts.unchanged, recording.counts.drift, recording.drift) == (30, None, None)


def test_much_drift_at_once_is_not_mended_before_a_person_has_looked(
    company_with: CompanyWith,
) -> None:
    company = company_with(verify={"every_runs": 1, "repair": True})
    company.has(*people(30), first_name="Ada")
    company.sync()
    for email in people(20):
        company.sandbox.people.user_edit(email, {"first_name": "Grace"})
    imports = len(company.imports())
    with pytest.raises(GuardStopped):
        company.sync()
    assert len(company.imports()) == imports


def test_verifying_is_no_sync_to_the_guard(company: Company) -> None:
    company.has(*people(40))
    company.sync()
    company.verify()
    kept, company.rows = company.rows, {email: {} for email in people(20)}
    with pytest.raises(GuardStopped):
        company.sync()
    company.rows = kept
    assert company.sync().counts.unchanged == 40
    kinds = [record.kind for record in Runs(company.store, "default").last(4)]
    assert kinds == [RunKind.SYNC, RunKind.SYNC, RunKind.VERIFY, RunKind.SYNC]


def test_what_an_interrupted_run_sent_is_no_drift(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.next_day()
    company.has(*people(10), first_name="Grace")
    polls = "/v3/activities/*"
    company.sandbox.add_fault(Fault("status", polls, "GET", status=403, count=1))
    with pytest.raises(Exception, match="forbids"):
        company.sync()
    assert company.open_batches()
    recording = company.verify()
    assert (drift(recording), recording.resumed) == ([], 10)
    assert company.open_batches() == []
    assert company.sync().counts.unchanged == 30


@pytest.mark.parametrize("page", range(4))
def test_a_verify_that_ends_anywhere_leaves_the_state_true(company: Company, page: int) -> None:
    company.has(*people(1_200), first_name="Ada")
    company.sync()
    edited = [f"p{number}@example.com" for number in (1, 600, 1_199)]
    for email in edited:
        company.sandbox.people.user_edit(email, {"first_name": "Grace"})
    company.sandbox.add_fault(
        Fault("status", CONTACTS, status=429, error_key="quota_exceeded", skip=page, count=1)
    )
    if page < 3:
        with pytest.raises(QuotaExhausted):
            company.verify(repair=True)
        [record] = Runs(company.store, "default").last(1)
        assert (record.exit_code, record.counts.drift) == (ExitCode.BUSY, None)
        company.next_day()
    else:
        company.verify(repair=True)
    company.sandbox.clear_faults()
    counts = company.sync().counts
    assert (counts.changed, counts.unchanged) == (min(page, 3), 1_200 - min(page, 3))
    company.verify(repair=True)
    assert company.sync().counts.changed == 3 - min(page, 3)
    assert company.verify().counts.drift == 0
    assert {person["first_name"] for person in company.sandbox.people.audience().values()} == {
        "Ada"
    }


def test_a_person_can_stop_it(company_with: CompanyWith) -> None:
    company = company_with(api={"requests_per_second": 1})
    company.has(*people(600), first_name="Ada")
    company.sync()
    stopping = SteppedStop(company.clock)
    stopping.during_pause = stopping.request
    with pytest.raises(StopRequested):
        company.verify(repair=True, stop=stopping)
    assert company.sync().counts.unchanged == 600


def test_an_old_drift_file_is_removed_with_its_report(company: Company) -> None:
    company.has(*people(3), first_name="Ada")
    company.sync()
    company.sandbox.people.user_edit("p1@example.com", {"first_name": "Grace"})
    recording = company.verify()
    assert recording.drift is not None
    assert recording.drift.path.exists()
    for time in (company.clock, company.sandbox):
        time.advance(timedelta(days=company.settings.report.keep_days + 1))
    company.verify()
    assert not recording.drift.path.exists()
