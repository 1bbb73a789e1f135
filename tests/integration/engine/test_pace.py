"""The application's quota, seen from the other side: by the sandbox's log of requests."""

from dataclasses import replace
from datetime import timedelta

import pytest

from sync.api.session import ApiSession
from sync.errors import QuotaExhausted
from sync.sandbox import Fault, Sandbox
from tests.conftest import QUICK
from tests.fake_clock import FakeClock
from tests.integration.engine.conftest import SessionFor, SteppedStop, sentence

LISTS = "/v3/contact_lists"


def test_the_service_s_own_quota_is_believed_and_not_asked_again_today(
    sandbox: Sandbox, session_for: SessionFor, clock: FakeClock, stop: SteppedStop
) -> None:
    sandbox.settings = replace(QUICK, requests_per_day=10_000)
    sandbox.use_quota(10_000)
    clock.advance(_until_noon(clock))
    for _ in range(3):
        with pytest.raises(QuotaExhausted) as failed:
            session_for(sandbox.api_url).post("/contact_lists", b'{"name":"A"}')
        assert "00:00 UTC" in sentence(failed.value)
    assert [entry.status for entry in sandbox.requests(path=LISTS)] == [429]
    assert stop.pauses == []
    sandbox.use_quota(0)
    clock.advance(timedelta(hours=12))
    assert session_for(sandbox.api_url).post("/contact_lists", b'{"name":"A"}')["name"] == "A"


def test_a_quota_refusal_in_any_envelope_is_told_from_a_throttling(
    sandbox: Sandbox, session: ApiSession, clock: FakeClock
) -> None:
    clock.advance(_until_noon(clock))
    sandbox.add_fault(
        Fault("status", path=LISTS, status=429, error_key="quota_exceeded", shape="list")
    )
    with pytest.raises(QuotaExhausted):
        session.get("/contact_lists")
    assert len(sandbox.requests(path=LISTS)) == 1


def _until_noon(clock: FakeClock) -> timedelta:
    """Until the next noon in UTC, so that no test crosses midnight by itself."""
    now = clock()
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return noon - now + (timedelta(days=1) if noon < now else timedelta(0))
