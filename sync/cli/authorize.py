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
from sync.cli.options import ConfigOption, settings_of
from sync.cli.terminal import ask_secret, say
from sync.errors import ContactSyncError
from sync.run import open_session
from sync.settings import Settings
from sync.state.store import Store, open_store
from sync.stop import Stop


def command(
    context: typer.Context,
    config: ConfigOption = None,
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
            "of contacts belongs to the old one.",
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
    settings = settings_of(context, config)
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
    first = vault.status().encoded_account_id is None
    if first:
        vault.keep(answer, encoded_account_id=None)
    account = _account(settings, store, answer)
    account_id = account.encoded_account_id if account else None
    if not first:
        another_account = another_account or _means_another_account(vault, account)
        vault.keep(answer, encoded_account_id=account_id, another_account=another_account)
    elif account_id is not None:
        vault.pin(account_id)
    return f" for {account.organization_name} ({account_id})" if account else ""


def _means_another_account(vault: Vault, account: AccountSummary | None) -> bool:
    """Whether a person at the terminal wants to leave the former account; False for the same one.

    Raises AnotherAccount when the person doesn't, or when there is nobody to ask.
    """
    before = vault.status().encoded_account_id
    if account is None:
        return False
    try:
        refuse_another_account(before, account.encoded_account_id)
    except AnotherAccount as other:
        if not sys.stdin.isatty():
            raise AnotherAccount(
                f"{other} If it is meant all the same: contact-sync authorize --another-account."
            ) from None
        say(
            f"You pressed Allow in {account.organization_name} ({account.encoded_account_id}). "
            f"The state here describes the contacts of account {before}."
        )
        if not typer.confirm("Leave that account and go on with this one?", default=False):
            raise
        return True
    return False


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
