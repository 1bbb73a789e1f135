"""The engine against the sandbox: real HTTP and a real database; only pauses take no time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.api.limits import Limits
from sync.api.session import ApiSession
from sync.errors import ContactSyncError
from sync.sandbox import Sandbox, SandboxSettings
from sync.state.store import Store, open_store
from sync.stop import Stop
from tests.conftest import QUICK, SettingsFor
from tests.fake_clock import FakeClock
from tests.integration.engine.company import Company
from tests.integration.engine.tokens import Tokens

SWITCHES = [
    replace(QUICK, list_removal_moves_updated_at=moves, delete_moves_updated_at=moves)
    for moves in (False, True)
]


class SteppedStop(Stop):
    """A stop whose pauses take no time: the clock is moved on instead."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.pauses: list[timedelta] = []
        self.during_pause: Callable[[], None] = lambda: None

    def sleep(self, pause: timedelta) -> None:
        if pause > timedelta(0):
            self.pauses.append(pause)
            self._clock.advance(pause)
            self.during_pause()
        self.check()


SessionFor = Callable[..., ApiSession]


@pytest.fixture(params=SWITCHES, ids=["unseen", "moves updated_at"])
def switches(request: pytest.FixtureRequest) -> SandboxSettings:
    """Whether what people do there moves their contacts' `updated_at`."""
    chosen: SandboxSettings = request.param
    return chosen


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stop(clock: FakeClock) -> SteppedStop:
    return SteppedStop(clock)


@pytest.fixture
def tokens(sandbox: Sandbox) -> Tokens:
    return Tokens(sandbox.issue_tokens()["access_token"])


@pytest.fixture
def session_for(
    local_store: Store, stop: SteppedStop, clock: FakeClock, tokens: Tokens
) -> Iterator[SessionFor]:
    """Make a session with an address; one application for all of them."""
    made: list[ApiSession] = []

    def make(base_url: str, *, seconds: float = 5, per_day: int = 10_000) -> ApiSession:
        limits = Limits(
            local_store, "an-application", per_second=1000, per_day=per_day, stop=stop, clock=clock
        )
        session = ApiSession(
            base_url, tokens, limits, stop, timeout=timedelta(seconds=seconds), clock=clock
        )
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


@pytest.fixture
def session(session_for: SessionFor, sandbox: Sandbox) -> ApiSession:
    return session_for(sandbox.api_url)


CompanyWith = Callable[..., Company]


@pytest.fixture
def company_with(
    settings_for: SettingsFor, sandbox: Sandbox, clock: FakeClock, stop: SteppedStop
) -> Iterator[CompanyWith]:
    """Make a company with options; on SQLite unless a state_url is given."""
    for name in ("Customers", "News"):
        sandbox.people.add_list(name)
    with ExitStack() as stack:

        def make(state_url: str | None = None, **sections: dict[str, Any]) -> Company:
            settings = settings_for(sandbox, state_url, **sections)
            store = stack.enter_context(open_store(settings))
            return Company(settings, store, sandbox, clock, stop)

        yield make


@pytest.fixture
def company(company_with: CompanyWith) -> Company:
    return company_with()


def sentence(error: ContactSyncError, *secrets: str) -> str:
    """The error's text, which must be a sentence that tells no secret."""
    text = str(error)
    assert text[0].isupper(), text
    assert text.endswith("."), text
    assert "\n" not in text, text
    for secret in ("Bearer", "Traceback", "object at 0x", *secrets):
        assert secret not in text, text
    return text
