"""No secret in a log, an error, a repr, or on the command's output, whatever happens."""

import logging
import traceback
from collections.abc import Callable
from datetime import timedelta

import pytest

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault, open_vault
from sync.errors import ContactSyncError, StateError
from sync.sandbox import Fault, Sandbox
from sync.settings import Settings
from sync.state.store import Store

pytestmark = pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)


def refresh(vault: Vault, sandbox: Sandbox) -> None:
    vault.keep_alive(unused_for=timedelta(0))


def lost_answer(vault: Vault, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(kind="reset", path="*/token", after_work=True, count=1))
    refresh(vault, sandbox)


def ill_service(vault: Vault, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(kind="status", path="*/token", status=503, count=2))
    refresh(vault, sandbox)


def withdrawn(vault: Vault, sandbox: Sandbox) -> None:
    sandbox.withdraw_consent()
    refresh(vault, sandbox)


def wrong_secret(vault: Vault, sandbox: Sandbox) -> None:
    sandbox.renew_secret()
    refresh(vault, sandbox)


def failing_database(vault: Vault, sandbox: Sandbox) -> None:
    safekeeping = vault._custody.safekeeping
    safekeeping._patience = timedelta(0)

    def fail(row: object) -> None:
        raise StateError(f"can't write {row!r}")

    safekeeping._store_once = fail  # type: ignore[method-assign]
    refresh(vault, sandbox)


@pytest.mark.parametrize(
    "event", [refresh, lost_answer, ill_service, withdrawn, wrong_secret, failing_database]
)
def test_nothing_secret_is_written_anywhere(
    event: Callable[[Vault, Sandbox], None],
    settings: Settings,
    store: Store,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    request = begin(settings)
    code = code_from_pasted(request, sandbox.press_allow(request.url))
    answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
    vault = open_vault(settings, store, create_key=True)
    vault.keep(answer, encoded_account_id=None)
    seen = [repr(request), repr(answer), repr(vault.status()), repr(vault._custody.pair())]
    key = settings.vault_key_file.read_text().strip()
    secrets = {code, request.state, request.verifier, settings.client_secret, key}
    secrets |= {answer.access_token, answer.refresh_token}
    try:
        event(vault, sandbox)
        vault = open_vault(settings, store)
        secrets |= {vault.access_token(), vault._custody.pair().refresh_token}
    except ContactSyncError as error:
        seen += traceback.format_exception(error)
    written = capfd.readouterr()
    for text in (*seen, written.out, written.err, caplog.text):
        assert not [secret for secret in secrets if secret and secret in text]
