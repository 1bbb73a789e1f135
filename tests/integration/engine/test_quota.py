"""The day's quota and the three kinds of 429, over whole runs; and what a plan forecasts."""

import csv
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.api.limits import next_day, used_today
from sync.errors import QuotaExhausted
from sync.forecast import ASSUMED_IMPORT
from sync.opening import open_session
from sync.recording import Recording
from sync.sandbox import Fault, Sandbox
from sync.settings.options import Api
from sync.state.outbox import BatchState
from tests.conftest import QUICK
from tests.integration.engine.company import IMPORTS, Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop, sentence

PER_DAY, RESERVED = 100, 60


def _at_noon(company: Company) -> None:
    """So that no test crosses midnight by itself."""
    now = company.clock()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    until = noon - now + (timedelta(days=1) if noon < now else timedelta(0))
    company.clock.advance(until)
    company.sandbox.advance(until)


def _used(company: Company) -> int:
    return used_today(company.store, company.settings.oauth.client_id, company.clock())


def test_sending_stops_at_the_reserve_and_what_is_under_way_is_confirmed(
    company_with: CompanyWith, state_url: str
) -> None:
    limits = {"requests_per_day": PER_DAY, "requests_reserved": RESERVED}
    at_once = {"batch_contacts": 1, "batches_in_flight": 40}
    company = company_with(state_url, api={**at_once, **limits})
    company.has(*people(40))
    _at_noon(company)
    with pytest.raises(QuotaExhausted) as spent:
        company.sync()
    sent = len(company.imports())
    assert 0 < sent < 40
    assert PER_DAY - RESERVED <= _used(company) < PER_DAY
    assert {entry.state for entry in company.open_batches()} == {BatchState.RECORDED}
    text = sentence(spent.value)
    assert f"but for {RESERVED} that are kept for confirming" in text
    assert "first run after 00:00 UTC" in text
    assert f"So far {sent} contacts are confirmed; 0 are sent and not confirmed yet, " in text
    assert f"{40 - sent} are not sent yet." in text
    assert spent.value.until == next_day(company.clock())
    while len(company.on_a_list()) < 40:
        before = len(company.on_a_list())
        company.next_day()
        try:
            company.sync()
        except QuotaExhausted:
            assert len(company.on_a_list()) > before
    assert len(company.imports()) == 40


def test_a_check_may_use_what_sending_may_not(company_with: CompanyWith) -> None:
    company = company_with(api={"requests_per_day": PER_DAY, "requests_reserved": RESERVED})
    _at_noon(company)
    company.has(*people(30))
    company.sync()
    session = open_session(
        company.settings, company.store, company.vault, company.stop, company.clock
    )
    with closing(session):
        while _used(company) < PER_DAY - RESERVED:
            session.get("/contact_lists")
        session.get("/contact_lists")
        with pytest.raises(QuotaExhausted):
            session.post("/contact_lists", b'{"name":"Another"}')
        while _used(company) < PER_DAY:
            session.get("/contact_lists")
        with pytest.raises(QuotaExhausted):
            session.get("/contact_lists")


def test_a_full_queue_is_waited_for_and_nothing_is_sent_twice(
    company_with: CompanyWith, sandbox: Sandbox, stop: SteppedStop
) -> None:
    company = company_with(api={"batch_contacts": 5})
    company.has(*people(30))
    sandbox.settings = replace(QUICK, queued_activities=2, processing_time=timedelta(seconds=3))
    stop.during_pause = lambda: sandbox.advance(stop.pauses[-1])
    assert company.sync().counts.confirmed == 30
    statuses = [entry.status for entry in company.imports()]
    assert 429 in statuses
    assert statuses.count(201) == 6


def test_too_many_in_a_second_are_asked_again_and_nothing_is_sent_twice(
    company_with: CompanyWith,
) -> None:
    company = company_with(api={"batch_contacts": 10})
    company.has(*people(30))
    company.sandbox.add_fault(
        Fault("status", path="/v3/*", status=429, error_key="throttled", pattern="x.")
    )
    assert company.sync().counts.confirmed == 30
    assert [entry.status for entry in company.imports()].count(201) == 3


def test_a_quota_that_others_have_spent_ends_the_run_until_tomorrow(
    company_with: CompanyWith,
) -> None:
    company = company_with(api={"batch_contacts": 10})
    company.has(*people(30))
    _at_noon(company)
    company.sandbox.add_fault(
        Fault("status", path=IMPORTS, status=429, error_key="quota_exceeded", skip=1, count=1)
    )
    with pytest.raises(QuotaExhausted) as spent:
        company.sync()
    assert "first run after 00:00 UTC" in sentence(spent.value)
    asked = len(company.sandbox.requests())
    with pytest.raises(QuotaExhausted):
        company.sync()
    assert len(company.sandbox.requests(path="/v3")) <= asked
    company.next_day()
    assert company.sync().counts.confirmed + 10 >= 30
    assert company.on_a_list() == set(people(30))


@pytest.mark.parametrize("takes", [25, 60, 200])
def test_a_forecast_of_calls_is_near_what_the_service_counts(
    company_with: CompanyWith, sandbox: Sandbox, stop: SteppedStop, takes: int
) -> None:
    """At most a fifth too low and a third too high.

    How often an import is asked for depends on how long it takes: on a first run that is assumed,
    later it is what the last ones took, with the time until their end was noticed. The sandbox's
    time goes on by itself too, so none is as short as what a busy machine needs for a request.
    """
    company = company_with(api={"batch_contacts": 10})
    sandbox.settings = replace(QUICK, processing_time=timedelta(seconds=takes))
    stop.during_pause = lambda: sandbox.advance(stop.pauses[-1])
    company.has(*people(120), first_name="Ada")
    first = company.sync()
    if timedelta(seconds=takes) == ASSUMED_IMPORT:
        _is_near(first)
    company.next_day()
    company.has(*people(50), first_name="Grace")
    company.has("new@example.com")
    del company.rows["p119@example.com"]
    _is_near(company.sync())


def _is_near(recording: Recording) -> None:
    assert recording.outlook is not None
    forecast, counted = recording.outlook.forecast, recording.counts.requests
    assert counted <= forecast.calls * 1.2
    assert forecast.calls <= counted * 4 / 3


def test_a_first_run_takes_hardly_more_imports_than_its_bytes_need(
    company_with: CompanyWith, sandbox: Sandbox
) -> None:
    company = company_with()
    sandbox.settings = replace(QUICK, fast=True, processing_time=timedelta(seconds=30))
    stop = SteppedStop(company.clock)
    # Both sides' time goes on, so that the worker asks as often as it would in truth.
    stop.during_pause = lambda: sandbox.advance(stop.pauses[-1])
    path = company.settings.source.path
    assert path is not None
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "first_name", "last_name", "company_name", "street", "city"])
        for number in range(100_000):
            email = f"person.{number}@mail.example.com"
            writer.writerow([email, "Zoë", "O" * 50, "C" * 50, f"{number} Main St {'x' * 99}", "B"])
    recording = company._run(stop).sync()
    assert recording.counts.confirmed == 100_000
    imports = company.imports()
    posted = sum(entry.request_bytes for entry in imports)
    assert posted == recording.payload_bytes
    assert len(imports) <= 1.1 * posted / Api().batch_bytes
    others = recording.counts.requests - len(imports)
    assert others <= 10 * len(imports)
