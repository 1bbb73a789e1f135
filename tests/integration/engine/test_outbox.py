"""Batches on their way: every end an import can have, and every state a run can be killed in."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from sync.errors import (
    AccessForbidden,
    Busy,
    ContactSyncError,
    ExitCode,
    OutcomeUnknown,
    QuotaExhausted,
    RequestRefused,
    ServiceUnavailable,
    StopRequested,
)
from sync.lost_answers import UNTIL_LISTED
from sync.sandbox import Fault, Plan
from sync.sandbox.activities import End
from sync.sandbox.faults import Kind
from sync.state.outbox import Batch, BatchState, Outbox
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop, sentence


def _lost(kind: Kind, *, after_work: bool, count: int | None = 1) -> Fault:
    status = 200 if kind in ("empty", "garbage") else 502
    return Fault(kind, IMPORTS, "POST", status=status, after_work=after_work, count=count)


def test_a_first_run_sends_everybody_and_a_second_nobody(company: Company) -> None:
    company.has(*people(60), first_name="Ada")
    first = company.sync()
    assert (first.counts.new, first.counts.confirmed, first.exit_code) == (60, 60, ExitCode.DONE)
    assert company.on_a_list() == set(people(60))
    company.next_day()
    second = company.sync()
    assert (second.counts.unchanged, second.counts.confirmed) == (60, 0)
    company.has("p7@example.com", first_name="Grace")
    company.next_day()
    third = company.sync()
    assert (third.counts.changed, third.counts.confirmed) == (1, 1)
    assert company.imported() == ["p7@example.com"]
    assert len(company.imports()) == 2


def test_three_changes_of_a_hundred_are_one_import_and_nothing_else(company: Company) -> None:
    """No contact is signed up: that would say that the person has just asked for it."""
    company.has(*people(100), first_name="Ada")
    company.sync()
    company.next_day()
    company.has(*people(2), first_name="Grace")
    company.has("p200@example.com")
    before = len(company.sandbox.requests(path="/v3"))
    company.sync()
    written = [e for e in company.sandbox.requests(path="/v3")[before:] if e.method != "GET"]
    assert [entry.path for entry in written] == [IMPORTS]
    assert sorted(company.imported()) == ["p0@example.com", "p1@example.com", "p200@example.com"]


def test_batches_are_not_all_told_anew_at_each_post(
    company_with: CompanyWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = company_with(api={"batch_contacts": 1, "batches_in_flight": 30})
    told: list[Batch] = []

    def tell(self: Outbox, *states: BatchState) -> list[Batch]:
        told.extend(found := once(self, *states))
        return found

    once = Outbox.open
    monkeypatch.setattr(Outbox, "open", tell)
    company.has(*people(30))
    assert company.sync().batches == 30
    assert len(told) <= 5 * 30


def test_batches_are_as_predicted_and_within_the_limits(company_with: CompanyWith) -> None:
    company = company_with(api={"batch_bytes": 2_000, "batch_contacts": 30})
    company.has(*people(200), last_name='Müller-Lüdenscheidt «née» \\ "Ö"')
    recording = company.sync()
    sizes = [entry.request_bytes for entry in company.imports()]
    assert max(sizes) <= 2_000
    assert recording.payload_bytes == sum(sizes)
    assert recording.batches == len(sizes)
    sent = [
        contact["email"] for entry in company.imports() for contact in entry.body["import_data"]
    ]
    assert sent == list(people(200))


@pytest.mark.parametrize("kind", ["drop", "reset", "cut", "html", "empty", "garbage"])
def test_a_lost_answer_of_an_import_that_arrived_is_found(company: Company, kind: Kind) -> None:
    company.has(*people(30))
    company.sandbox.add_fault(_lost(kind, after_work=True))
    recording = company.sync()
    assert recording.counts.confirmed == 30
    assert len(company.imports()) == 1


@pytest.mark.parametrize("kind", ["drop", "reset", "html", "empty"])
def test_a_lost_import_that_did_not_arrive_is_posted_once_more(
    company: Company, kind: Kind
) -> None:
    company.has(*people(30))
    company.sandbox.add_fault(_lost(kind, after_work=False))
    recording = company.sync()
    assert recording.counts.confirmed == 30
    assert len(company.imports()) == 2


def test_an_empty_list_of_activities_is_not_taken_for_no_activity(company: Company) -> None:
    company.has(*people(30))
    company.sandbox.add_fault(_lost("drop", after_work=True))
    company.sandbox.add_fault(Fault("empty", "/v3/activities", "GET", status=200, count=2))
    assert company.sync().counts.confirmed == 30
    assert len(company.imports()) == 1


def test_another_s_import_of_as_many_contacts_is_found_out(company: Company) -> None:
    company.has(*people(30))
    company.someone_else_imports(30)
    company.sandbox.add_fault(_lost("drop", after_work=False))
    recording = company.sync()
    assert recording.counts.confirmed == 30
    assert recording.counts.refused == 0
    assert set(people(30)) <= company.on_a_list()


def test_two_lost_answers_are_each_matched_with_their_own(company_with: CompanyWith) -> None:
    company = company_with(api={"batch_contacts": 10})
    company.has(*people(40))
    for kind in ("drop", "reset"):
        company.sandbox.add_fault(_lost(kind, after_work=True))
    assert company.sync().counts.confirmed == 40
    assert len(company.imports()) == 4


def test_three_lost_answers_in_a_row_end_the_run_and_the_next_one_finishes(
    company: Company,
) -> None:
    company.has(*people(30))
    company.sandbox.add_fault(_lost("drop", after_work=False, count=3))
    with pytest.raises(OutcomeUnknown) as failed:
        company.sync()
    sentence(failed.value)
    assert [entry.state for entry in company.open_batches()] == [BatchState.POSTING]
    assert company.sync().counts.confirmed == 30
    assert len(company.imports()) == 4


@pytest.mark.parametrize("end", ["failed", "timed_out", "cancelled", "vanish"])
def test_an_import_that_fails_once_is_repeated(company: Company, end: End) -> None:
    company.has(*people(30))
    company.sandbox.plan_activity(Plan(end))
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (30, 0)
    assert len(company.imports()) == 2


@pytest.mark.parametrize(
    ("status", "key", "error"),
    [
        (403, None, AccessForbidden),
        (404, None, RequestRefused),
        (409, None, RequestRefused),
        (415, None, RequestRefused),
        (429, "quota_exceeded", QuotaExhausted),
        (429, "throttled", Busy),
    ],
)
def test_a_refusal_that_is_not_the_contacts_fault_ends_the_run_and_loses_nothing(
    company: Company, status: int, key: str | None, error: type[ContactSyncError]
) -> None:
    company.clock.advance(_until_noon(company))
    company.has(*people(30))
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=status, error_key=key))
    with pytest.raises(error):
        company.sync()
    assert [entry.state for entry in company.open_batches()] == [BatchState.RECORDED]
    company.sandbox.clear_faults()
    company.clock.advance(timedelta(days=1))
    before = len(company.sandbox.requests(path="/v3/activities"))
    assert company.sync().counts.confirmed == 30
    later = company.sandbox.requests(path="/v3/activities")[before:]
    assert [entry.path for entry in later if entry.path == "/v3/activities"] == []


def test_a_partial_result_is_read_back_and_only_the_confirmed_are_believed(
    company: Company,
) -> None:
    company.has(*people(30), first_name="Ada")
    company.sandbox.plan_activity(Plan("partial", share=0.5, errors=("Invalid birthday",)))
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (15, 15)
    there = set(company.sandbox.people.audience())
    rejects = company.rejects(recording)
    assert {email for email, _, _ in rejects} == set(people(30)) - there
    assert all(code == "not_imported" and "Invalid birthday" in why for _, code, why in rejects)
    company.next_day()
    again = company.sync()
    assert (again.counts.unchanged, again.counts.new, again.counts.confirmed) == (15, 15, 15)


def test_a_big_partial_result_is_read_back_by_list(company: Company) -> None:
    company.has(*people(600), first_name="Ada")
    company.sandbox.plan_activity(Plan("partial", share=0.9))
    before = len(company.sandbox.requests())
    recording = company.sync()
    assert (recording.counts.confirmed, recording.counts.refused) == (540, 60)
    assert len(company.sandbox.requests()) - before < 80
    assert company.sync().counts.confirmed == 60


def test_a_person_who_unsubscribes_in_the_middle_is_named_so(
    company: Company, stop: SteppedStop
) -> None:
    company.has(*people(60), first_name="Ada")
    company.sync()
    company.has(*people(25), first_name="Grace")
    company.has(*(f"q{number}@example.com" for number in range(40)))
    victim = "p3@example.com"
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=503, count=1))

    def unsubscribe_once_it_was_posted() -> None:
        if len(company.imports()) == 2:
            company.sandbox.people.unsubscribe(victim)

    stop.during_pause = unsubscribe_once_it_was_posted
    recording = company.sync()
    assert company.rejects(recording) == [(victim, "unsubscribed", "the person has unsubscribed")]
    assert recording.counts.confirmed == 64


def _post_and_stop(company: Company) -> None:
    """A run that is stopped right after its import was posted."""
    company.sandbox.add_fault(Fault("status", "/v3/activities/*-*", "GET", status=503, count=1))
    with pytest.raises(StopRequested):
        company.sync(_StopAtPause(company))


class _StopAtPause(SteppedStop):
    def __init__(self, company: Company) -> None:
        super().__init__(company.clock)
        self.during_pause = self.request


def _recorded(company: Company) -> None:
    company.sandbox.add_fault(Fault("status", IMPORTS, "POST", status=403, count=1))
    with pytest.raises(AccessForbidden):
        company.sync()
    assert [entry.state for entry in company.open_batches()] == [BatchState.RECORDED]


def _posting(company: Company, *, arrived: bool) -> None:
    company.sandbox.add_fault(_lost("drop", after_work=arrived))
    with pytest.raises(StopRequested):
        company.sync(_StopAtPause(company))
    assert [entry.state for entry in company.open_batches()] == [BatchState.POSTING]


def _posted(company: Company, end: End = "completed") -> None:
    company.sandbox.plan_activity(Plan(end, share=1.0))
    _post_and_stop(company)
    assert [entry.state for entry in company.open_batches()] == [BatchState.POSTED]


INTERRUPTIONS: dict[str, tuple[Callable[[Company], None], int]] = {
    "recorded": (_recorded, 2),
    "posting, arrived": (lambda company: _posting(company, arrived=True), 1),
    "posting, not arrived": (lambda company: _posting(company, arrived=False), 2),
    "posted": (_posted, 1),
    "posted, failed": (lambda company: _posted(company, "failed"), 2),
    "posted, timed out": (lambda company: _posted(company, "timed_out"), 2),
    "posted, cancelled": (lambda company: _posted(company, "cancelled"), 2),
    "posted, vanished": (lambda company: _posted(company, "vanish"), 2),
}


@pytest.mark.parametrize("state", INTERRUPTIONS)
def test_a_batch_in_any_state_is_settled_by_the_next_run(company: Company, state: str) -> None:
    interrupt, posts = INTERRUPTIONS[state]
    company.has(*people(30), first_name="Ada")
    interrupt(company)
    recording = company.sync()
    assert company.open_batches() == []
    assert company.on_a_list() == set(people(30))
    assert recording.resumed + recording.counts.confirmed == 30
    assert len(company.imports()) == posts
    assert company.sync().counts.unchanged == 30


def test_a_run_right_after_a_kill_gives_the_service_time_to_list_the_import(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.has(*people(30))
    with monkeypatch.context() as killed:
        killed.setattr(Outbox, "posted", _die)
        with pytest.raises(_Killed):
            company.sync()
    listed_late = SteppedStop(company.clock)
    assert company.sync(listed_late).resumed == 30
    # It waits for what is left of that time; all other pauses, which keep the pace, are shorter
    # than a second.
    assert timedelta(seconds=1) < max(listed_late.pauses) <= UNTIL_LISTED
    assert len(company.imports()) == 1


class _Killed(BaseException):
    """The process is no more."""


def _die(*_: object) -> None:
    raise _Killed


def test_an_import_that_never_ends_is_waited_for_and_then_given_up(company: Company) -> None:
    company.has(*people(30))
    company.sandbox.plan_activity(Plan("never"))
    for _ in range(2):
        with pytest.raises(Busy) as failed:
            company.sync()
        assert "next run confirms" in sentence(failed.value)
    assert len(company.imports()) == 1
    company.next_day()
    assert company.sync().counts.confirmed == 30
    assert len(company.imports()) == 2


def test_no_more_imports_than_allowed_are_under_way(company_with: CompanyWith) -> None:
    company = company_with(api={"batch_contacts": 10, "batches_in_flight": 2})
    company.has(*people(60))
    company.sandbox.plan_activity(Plan("never", count=2))
    company.sandbox.add_fault(_lost("drop", after_work=True))
    with pytest.raises(Busy):
        company.sync()
    assert len(company.imports()) == 2


def test_a_service_that_goes_away_loses_nothing(company_with: CompanyWith) -> None:
    company = company_with(api={"batch_contacts": 10})
    company.has(*people(40))
    company.sandbox.add_fault(Fault("status", "/v3/activities/*-*", "GET", status=503))
    with pytest.raises(ServiceUnavailable):
        company.sync()
    company.sandbox.clear_faults()
    recording = company.sync()
    assert recording.resumed + recording.counts.confirmed == 40
    assert len(company.imports()) == 4


def _until_noon(company: Company) -> timedelta:
    now = company.clock()
    return timedelta(hours=12 - now.hour if now.hour < 12 else 36 - now.hour)
