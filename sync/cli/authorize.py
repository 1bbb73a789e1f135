"""`contact-sync authorize`: the person's one visit."""

import sys
import webbrowser
from datetime import timedelta
from typing import Annotated

import typer

from sync.api import catalog
from sync.api.catalog import AccountSummary
from sync.api.session import FEW_ATTEMPTS
from sync.auth import authorize
from sync.auth.authorize import AuthorizationRequest
from sync.auth.token_answer import TokenAnswer
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import AnotherAccount, Vault, open_vault, refuse_another_account
from sync.cli.options import AccountOption, ConfigOption, settings_of
from sync.cli.terminal import ask_secret, say
from sync.errors import AuthorizationNeeded, ContactSyncError
from sync.opening import open_session
from sync.settings import Settings
from sync.state.set_aside import set_aside
from sync.state.store import Store, open_store
from sync.state.tokens import read_pair
from sync.stop import Stop

_NO_WAIT = timedelta(0)


def command(
    context: typer.Context,
    config: ConfigOption = None,
    account: AccountOption = None,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste",
            help="For a server without a browser: open the address anywhere, then paste the "
            "address that the browser ended on.",
        ),
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, open no browser.")
    ] = False,
    no_pkce: Annotated[
        bool,
        typer.Option("--no-pkce", help="Leave PKCE out, should the service refuse it."),
    ] = False,
    another_account: Annotated[
        bool,
        typer.Option(
            "--another-account",
            help="Accept the consent of another Constant Contact account than before. The state "
            "of contacts belongs to the old one and is put aside.",
        ),
    ] = False,
    timeout: Annotated[
        int,
        typer.Option("--timeout", metavar="MINUTES", min=1, help="How long to wait for Allow."),
    ] = 10,
) -> None:
    """Let a person press Allow, once.

    From then on the worker renews its token by itself. The browser opens Constant Contact's
    page, and comes back to the loopback address in oauth.redirect_uri. The token pair is stored
    encrypted in the state.
    """
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        vault = open_vault(settings, store, create_key=True)
        request = authorize.begin(settings, pkce=not no_pkce)
        if paste:
            code = _pasted_code(request)
        else:
            code = _code_from_browser(
                settings, request, timedelta(minutes=timeout), open_it=not no_browser
            )
        answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
        whose = _keep(settings, store, vault, answer, another_account=another_account)
    say(f"Authorized{whose}; the token pair is stored, and renews itself from now on.", "green")
    say("Next: contact-sync check, then contact-sync --dry-run")


def _keep(
    settings: Settings, store: Store, vault: Vault, answer: TokenAnswer, *, another_account: bool
) -> str:
    """Store the pair and learn whose it is; returns that for the person.

    The first pair is stored before anything else happens. Where an account is known already, it
    is compared first: another account's pair must not overwrite this one's.
    """
    before = vault.status().encoded_account_id
    if before is None:
        vault.keep(answer, encoded_account_id=None)
    account = _account(settings, store, answer)
    if before is None:
        if account is None:
            return ""
        vault.pin(account.encoded_account_id)
    elif account is None:
        raise AuthorizationNeeded(
            "The pair was not stored, since it could not be told whose it is, and the state here "
            f"describes the contacts of account {before}: run contact-sync authorize again when "
            "Constant Contact answers."
        )
    elif account.encoded_account_id == before:
        vault.keep(answer, encoded_account_id=before)
    else:
        if not another_account:
            _ask_about_another(before, account)
        _change_account(settings.account.name, store, vault, answer, account)
    return f" for {account.organization_name} ({account.encoded_account_id})"


def _change_account(
    name: str, store: Store, vault: Vault, answer: TokenAnswer, account: AccountSummary
) -> None:
    """Leave the former account.

    What the state knows of its contacts must never be taken for the new one's; so it is put aside
    before the new pair is there. No run may be under way meanwhile.
    """
    with store.locks.hold(f"{name}.run", wait=_NO_WAIT):
        before = read_pair(store, name)
        aside = set_aside(store, before) if before else None
        vault.keep(answer, encoded_account_id=account.encoded_account_id, another_account=True)
    say(
        f"What was known of the former account is put aside in the state, as {aside}: the next run "
        "compares with nothing, and sends every contact of the source to the new account."
    )


def _ask_about_another(before: str, account: AccountSummary) -> None:
    """Raise AnotherAccount when the person stays with the former one, or can't be asked."""
    try:
        refuse_another_account(before, account.encoded_account_id)
    except AnotherAccount as other:
        if not sys.stdin.isatty():
            raise AnotherAccount(
                f"{other} If it is meant all the same: contact-sync authorize --another-account."
            ) from None
        say(
            f"You pressed Allow in {account.organization_name} ({account.encoded_account_id}). "
            f"The state here describes the contacts of account {before}; it would be put aside, "
            "and every contact of the source sent to the new account."
        )
        if not typer.confirm("Leave that account and go on with this one?", default=False):
            raise


def _pasted_code(request: AuthorizationRequest) -> str:
    say("1. Open this address in any browser, sign in, and press Allow:")
    say()
    say(request.url)
    say()
    say("2. The browser then ends on a page that it can't show. Copy that page's whole address")
    say("   (it contains code=…) and paste it here within five minutes.")
    return authorize.code_from_pasted(request, ask_secret("Address"))


def _code_from_browser(
    settings: Settings, request: AuthorizationRequest, timeout: timedelta, *, open_it: bool
) -> str:
    def ready() -> None:
        say("Open this address in a browser on this machine, sign in, and press Allow:")
        say()
        say(request.url)
        say()
        if open_it and webbrowser.open(request.url):
            say("A browser was opened with it.")
        say(f"Waiting for the browser to come back to {settings.oauth.redirect_uri} …")

    return authorize.wait_for_redirect(settings, request, timeout=timeout, on_ready=ready)


def _account(settings: Settings, store: Store, answer: TokenAnswer) -> AccountSummary | None:
    """Whose account it is; the pair must be kept even when this can't be told."""
    token = _NewToken(answer.access_token)
    session = open_session(settings, store, token, Stop(), attempts=FEW_ATTEMPTS)
    try:
        return catalog.account_summary(session)
    except ContactSyncError as error:
        say(f"The account could not be asked for its name: {error}")
        return None
    finally:
        session.close()


class _NewToken:
    """The token that was just received, before it is stored."""

    def __init__(self, token: str) -> None:
        self._token = token

    def access_token(self) -> str:
        return self._token

    def renew(self, rejected: str) -> str:
        return rejected
