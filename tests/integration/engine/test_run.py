"""One run's order: what it refuses before anything is sent, and how it ends when it is stopped."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from sync.errors import (
    AuthorizationLost,
    ConfigurationError,
    ExitCode,
    GuardStopped,
    LockLost,
    QuotaExhausted,
    RunLocked,
    SourceError,
    StopRequested,
)
from sync.progress import Live, Shown
from sync.run import Run
from sync.sandbox import Fault
from sync.state.runs import Runs
from tests.conftest import QUICK, end_connections_of_locks
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop, sentence


def _changes(company: Company) -> list[str]:
    """Every request that changes something there."""
    return [entry.path for entry in company.sandbox.requests(path="/v3") if entry.method != "GET"]


def test_the_whole_story_on_each_kind_of_database(
    company_with: CompanyWith, state_url: str
) -> None:
    company = company_with(
        state_url, lists={"names": ["Customers", "News"]}, api={"batch_contacts": 15}
    )
    company.has(*people(40), first_name="Zoë", last_name="O'Hara", city="Åre")
    assert company.sync().counts.confirmed == 40
    company.next_day()
    company.sandbox.people.leave_list("p1@example.com", "News")
    company.sandbox.people.unsubscribe("p2@example.com")
    company.has(*people(4), first_name="Grace")
    company.has("new@example.com", first_name="Edsger")
    del company.rows["p39@example.com"]
    counts = company.sync().counts
    assert (counts.new, counts.changed, counts.unchanged) == (1, 3, 35)
    assert (counts.opted_out, counts.gone, counts.confirmed) == (1, 1, 4)
    assert counts.balanced
    assert company.lists_of("p1@example.com") == ["Customers"]
    assert company.lists_of("new@example.com") == ["Customers", "News"]
    company.next_day()
    company.sandbox.add_fault(Fault("drop", IMPORTS, "POST", count=1))
    company.has("p5@example.com", first_name="Barbara")
    assert company.sync().counts.confirmed == 1
    assert company.sandbox.people.contact("p5@example.com")["first_name"] == "Barbara"


def test_a_missing_list_is_named_before_anything_is_sent(company_with: CompanyWith) -> None:
    company = company_with(lists={"names": ["Custmers", "News"]})
    company.has(*people(30))
    with pytest.raises(ConfigurationError) as failed:
        company.sync()
    assert 'the list "Custmers" does not exist (there is "Customers")' in str(failed.value)
    assert _changes(company) == []


def test_a_missing_list_that_a_row_names_is_named_too(company_with: CompanyWith) -> None:
    company = company_with(lists={"names": ["News"], "column": "department"})
    company.has(*people(30), department="Customers")
    company.has("p3@example.com", department="Boston, MA")
    with pytest.raises(ConfigurationError, match='the list "Boston, MA" does not exist'):
        company.sync()
    assert _changes(company) == []


def test_missing_lists_are_made_once_the_guard_has_passed(company_with: CompanyWith) -> None:
    options = {"names": ["News"], "column": "department", "create_missing": True}
    company = company_with(lists=options, api={"batch_contacts": 20})
    company.has(*people(30), department="Boston, MA")
    company.has("p3@example.com", department='The "Friends"')
    company.has("p4@example.com", department="")
    assert company.dry_run().counts.new == 30
    assert _changes(company) == []
    recording = company.sync()
    assert recording.counts.confirmed == 30
    assert recording.payload_bytes == sum(entry.request_bytes for entry in company.imports())
    assert company.lists_of("p0@example.com") == ["Boston, MA", "News"]
    assert company.lists_of("p3@example.com") == ["News", 'The "Friends"']
    assert company.lists_of("p4@example.com") == ["News"]
    company.next_day()
    again = company.sync()
    assert (again.counts.unchanged, again.counts.confirmed) == (30, 0)


def test_a_guarded_run_makes_no_lists(company_with: CompanyWith) -> None:
    company = company_with(lists={"names": ["New one"], "create_missing": True})
    company.has(*people(20))
    company.has(*(f"not an address {number}" for number in range(20)))
    with pytest.raises(GuardStopped):
        company.sync()
    assert _changes(company) == []


def test_a_missing_custom_field_is_named_before_anything_is_sent(
    company_with: CompanyWith,
) -> None:
    company = company_with(mapping={"custom_fields": {"member_no": "number"}})
    company.has(*people(30), number="007")
    with pytest.raises(ConfigurationError, match='the custom field "member_no" does not exist'):
        company.sync()
    assert _changes(company) == []


def test_a_missing_custom_field_is_made_when_it_may_be(company_with: CompanyWith) -> None:
    mapping = {"custom_fields": {"member_no": "number"}, "create_missing_custom_fields": True}
    company = company_with(mapping=mapping)
    company.has(*people(30), number="007")
    assert company.sync().counts.confirmed == 30
    assert company.sandbox.people.audience()["p3@example.com"]["cf:member_no"] == "007"


def test_a_row_without_any_list_is_not_sent_to_none(company_with: CompanyWith) -> None:
    company = company_with(lists={"names": [], "column": "department"})
    company.has(*people(30), department="Customers")
    company.has("p3@example.com", department="")
    recording = company.sync()
    assert recording.counts.confirmed == 29
    assert all(entry.body["list_ids"] for entry in company.imports())
    [(email, _, reason)] = company.rejects(recording)
    assert email == "p3@example.com"
    assert "list" in reason


def test_an_empty_or_another_source_sends_nothing(company: Company) -> None:
    company.has(*people(30))
    company.sync()
    posts = _changes(company)
    kept, company.rows = company.rows, {}
    with pytest.raises((SourceError, GuardStopped)):
        company.sync()
    company.has(*(f"q{number}@example.com" for number in range(30)))
    with pytest.raises(GuardStopped) as stopped:
        company.sync()
    assert "not in the source any more" in sentence(stopped.value)
    assert _changes(company) == posts
    company.rows = kept
    assert company.sync().counts.unchanged == 30


@contextmanager
def another_run(company: Company) -> Iterator[None]:
    """Another run of the account, from another thread, that stands before its first request."""
    began, go_on = threading.Event(), threading.Event()

    class Standing(SteppedStop):
        def check(self) -> None:
            began.set()
            go_on.wait(30)
            super().check()

    company.write()
    standing = Standing(company.clock)
    thread = threading.Thread(target=lambda: _until_stopped(company, standing))
    thread.start()
    assert began.wait(30)
    try:
        yield
    finally:
        standing.request()
        go_on.set()
        thread.join(30)


def _until_stopped(company: Company, stop: SteppedStop) -> None:
    with pytest.raises(StopRequested):
        company.sync(stop)


def test_two_runs_or_plans_of_an_account_do_not_overlap(company: Company) -> None:
    company.has(*people(30))
    with another_run(company):
        for attempt in (company.sync, company.dry_run):
            with pytest.raises(RunLocked) as failed:
                attempt()
            assert "run 1 (process" in sentence(failed.value)
    assert company.dry_run().counts.new == 30
    assert company.sync().counts.confirmed == 30


def test_a_plan_changes_nothing_for_the_run_after_it(company: Company) -> None:
    company.has(*people(30))
    for _ in range(2):
        recording = company.dry_run()
        assert (recording.counts.new, recording.exit_code) == (30, ExitCode.DONE)
    assert _changes(company) == []
    assert company.sync().counts.confirmed == 30


def test_a_plan_without_a_token_plans_from_what_is_known(company: Company) -> None:
    company.has(*people(30))
    company.sync()
    company.next_day()
    company.has("p1@example.com", first_name="Ada")
    refreshes = len(company.sandbox.requests(path="/oauth2"))
    recording = company.dry_run()
    assert recording.offline
    assert (recording.counts.changed, recording.counts.unchanged) == (1, 29)
    assert len(company.sandbox.requests(path="/oauth2")) == refreshes


@pytest.mark.parametrize("pause", range(1, 8))
def test_a_run_that_is_stopped_anywhere_is_finished_by_the_next(
    company_with: CompanyWith, pause: int
) -> None:
    company = company_with(api={"batch_contacts": 10, "requests_per_second": 1})
    company.has(*people(30))
    stopping = SteppedStop(company.clock)

    def stop_at_this_one() -> None:
        if len(stopping.pauses) == pause:
            stopping.request()

    stopping.during_pause = stop_at_this_one
    with pytest.raises(StopRequested) as stopped:
        company.sync(stopping)
    sentence(stopped.value)
    [record] = Runs(company.store, "default").last(5)
    assert record.exit_code is ExitCode.BUSY
    assert record.finished_at is not None
    recording = company.sync()
    assert recording.resumed + recording.counts.confirmed >= 30 - record.counts.confirmed
    assert company.on_a_list() == set(people(30))
    assert company.open_batches() == []
    assert company.sync().counts.unchanged == 30
    assert len(company.imports()) <= 4


def test_a_stop_is_heard_between_the_steps_of_a_plan(company: Company) -> None:
    company.has(*people(30))
    company.write()

    def stop_there(shown: Shown) -> None:
        if shown.title == "Comparing":
            company.stop.request()

    run = Run(
        company.settings,
        company.store,
        company.vault,
        stop=company.stop,
        progress=Live(stop_there),
        clock=company.clock,
    )
    with pytest.raises(StopRequested):
        run.sync()
    [record] = Runs(company.store, "default").last(5)
    # It had read the source, and compared nothing yet.
    assert (record.counts.rows_read, record.counts.new) == (30, 0)
    assert company.sync(SteppedStop(company.clock)).counts.confirmed == 30


def test_a_token_that_is_refused_is_renewed_once_and_the_run_goes_on(company: Company) -> None:
    company.has(*people(30))
    company.sandbox.revoke_access_tokens()
    refreshes = len(company.sandbox.requests(path="/oauth2"))
    assert company.sync().counts.confirmed == 30
    assert len(company.sandbox.requests(path="/oauth2")) == refreshes + 1


def test_an_authorization_that_was_withdrawn_ends_the_run_with_its_own_code(
    company: Company,
) -> None:
    company.has(*people(30))
    company.sandbox.withdraw_consent()
    with pytest.raises(AuthorizationLost):
        company.sync()
    assert _changes(company) == []
    [record] = Runs(company.store, "default").last(5)
    assert record.exit_code is ExitCode.AUTHORIZATION


def test_the_day_s_quota_ends_a_run_and_the_next_day_finishes_it(
    company_with: CompanyWith,
) -> None:
    company = company_with(
        api={"batch_contacts": 1, "requests_per_day": 100, "requests_reserved": 20}
    )
    company.has(*people(60))
    now = company.clock()
    company.clock.advance(timedelta(days=1) - timedelta(hours=now.hour, minutes=now.minute))
    with pytest.raises(QuotaExhausted):
        company.sync()
    sent = len(company.imports())
    with pytest.raises(QuotaExhausted):
        company.sync()
    assert 0 < sent == len(company.imports()) < 60
    company.next_day()
    company.sync()
    assert company.on_a_list() == set(people(60))
    assert len(company.imports()) == 60


@pytest.mark.parametrize("state_url", ["postgresql", "mariadb"], indirect=True)
def test_a_run_that_has_lost_its_lock_sends_nothing_more_and_the_next_goes_on(
    company_with: CompanyWith, state_url: str, stop: SteppedStop
) -> None:
    company = company_with(state_url, api={"batch_contacts": 15, "batches_in_flight": 1})
    company.has(*people(40))

    def lose() -> None:
        stop.during_pause = lambda: None
        end_connections_of_locks(company.store)

    company.sandbox.settings = replace(QUICK, processing_time=timedelta(minutes=10))
    stop.during_pause = lose
    with pytest.raises(LockLost) as failed:
        company.sync()
    sentence(failed.value)
    assert len(company.imports()) == 1
    (ended,) = Runs(company.store, company.settings.account.name).last(5)
    assert ended.exit_code is ExitCode.BUSY
    company.sandbox.settings = QUICK
    company.sandbox.advance(timedelta(hours=1))
    company.sync()
    assert len(company.imports()) == 3
    assert set(company.sandbox.people.audience()) == set(people(40))


@pytest.mark.parametrize(("others", "indexed"), [(0, False), (1, True), (5, False)])
def test_a_few_of_many_are_looked_up_by_an_index(
    company: Company, others: int, indexed: bool
) -> None:
    company.has(*people(20), first_name="Ann")
    company.sync()
    company.has(*people(others), first_name="Bea")
    company.dry_run()  # whose plan stays
    with company.store.read() as connection:
        made = connection.scalar(
            text("SELECT count(*) FROM sqlite_master WHERE name = 'ix_staged_action_run_id'")
        )
    assert made == indexed
