"""An authorized vault against the sandbox, on each kind of database."""

from collections.abc import Callable, Iterator

import pytest

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenAnswer, TokenEndpoint
from sync.auth.vault import Vault, open_vault
from sync.clock import Clock, utc_now
from sync.sandbox import Entry, Sandbox
from sync.settings import Settings
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock

Consent = Callable[[], TokenAnswer]
Calls = Callable[[], list[Entry]]


@pytest.fixture
def settings(settings_for: SettingsFor, sandbox: Sandbox, state_url: str) -> Settings:
    return settings_for(sandbox, state_url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def consent(settings: Settings, sandbox: Sandbox, clock: FakeClock) -> Consent:
    return lambda: visit(settings, sandbox, clock)


@pytest.fixture
def vault(
    settings: Settings, store: Store, clock: FakeClock, consent: Consent, sandbox: Sandbox
) -> Vault:
    opened = open_vault(settings, store, create_key=True, clock=clock)
    opened.keep(consent(), encoded_account_id=sandbox.account.encoded_account_id)
    return opened


@pytest.fixture
def calls(sandbox: Sandbox) -> Calls:
    """The calls of the token endpoint so far."""
    return lambda: sandbox.requests(path="/oauth2/default/v1/token")


def visit(settings: Settings, sandbox: Sandbox, clock: Clock = utc_now) -> TokenAnswer:
    """A person's whole visit: the page, Allow, the address pasted, the code exchanged."""
    request = begin(settings)
    code = code_from_pasted(request, sandbox.press_allow(request.url))
    return TokenEndpoint(settings, clock).exchange_code(code, request.verifier)


def authorize(vault: Vault, settings: Settings, sandbox: Sandbox) -> None:
    """A visit, and its pair kept."""
    account = sandbox.account.encoded_account_id
    vault.keep(visit(settings, sandbox), encoded_account_id=account)
