"""A sandbox that runs: in a thread beside a test, or as a process of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sync.sandbox.activities import Plan
from sync.sandbox.app import build_app
from sync.sandbox.audience.catalog import FIRST_LIST, ContactList, Lists
from sync.sandbox.clock import Clock
from sync.sandbox.database import Database
from sync.sandbox.faults import Fault, FaultBook
from sync.sandbox.http_server import HttpServer
from sync.sandbox.limits import Limits
from sync.sandbox.oauth.applications import Account, Application, Registry
from sync.sandbox.oauth.authorize import AUTHORIZE_PATH, Refusal, decide, read_question
from sync.sandbox.oauth.grants import Consent, Grants
from sync.sandbox.oauth.token_endpoint import TOKEN_PATH
from sync.sandbox.oauth.tokens import Signer
from sync.sandbox.people import Simulation
from sync.sandbox.playing import Player
from sync.sandbox.request_log import Entry, RequestLog
from sync.sandbox.settings import SandboxSettings
from sync.sandbox.world import World


class Sandbox:
    """A local Constant Contact with one application and one account.

    `database` is a file to keep everything in; without one it is forgotten at the end. Used as a
    context manager it serves from entry to exit. What people do by themselves is under `people`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        settings: SandboxSettings | None = None,
        database: Path | None = None,
    ) -> None:
        chosen = settings or SandboxSettings()
        kept, clock = Database(database), Clock()
        self.world = World(
            settings=chosen,
            database=kept,
            clock=clock,
            log=RequestLog(chosen.request_log_entries, chosen.request_log_bytes),
            faults=FaultBook(),
            limits=Limits(kept, clock),
            signer=Signer(kept),
        )
        self.registry = Registry(kept)
        with kept.transaction():
            self.application: Application = self.registry.ensure_first(chosen)
            self.account: Account = self.registry.accounts()[0]
            ensure_first_list(self.world, self.account.number)
        self.people = Simulation(self.world, self.account.number)
        self._grants = Grants(kept, clock, self.world.signer)
        self._server = HttpServer(host, port, Player(self.world, build_app(self.world)))
        shown_host = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 (compared)
        self.url = f"http://{shown_host}:{self._server.port}"
        self.world.base_url = self.url
        self._stopped = False

    # --- serving -----------------------------------------------------------------------------

    def start(self) -> Sandbox:
        self._server.start()
        return self

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.world.over.set()
            self._server.stop()
            with self.world.lock:
                self.world.database.close()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- addresses and credentials -----------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"{self.url}/v3"

    @property
    def authorize_url(self) -> str:
        return f"{self.url}{AUTHORIZE_PATH}"

    @property
    def token_url(self) -> str:
        return f"{self.url}{TOKEN_PATH}"

    @property
    def admin_url(self) -> str:
        return f"{self.url}/_sandbox"

    @property
    def client_id(self) -> str:
        return self.application.client_id

    @property
    def client_secret(self) -> str:
        found = self.registry.application(self.application.client_id)
        return (found or self.application).client_secret

    # --- consent without a browser -----------------------------------------------------------

    def authorize_without_browser(
        self,
        *,
        redirect_uri: str,
        scope: str = "contact_data account_read offline_access",
        state: str | None = "state",
        code_challenge: str | None = None,
        code_challenge_method: str = "S256",
        allow: bool = True,
        account: int | None = None,
        client_id: str | None = None,
        response_type: str = "code",
    ) -> str:
        """The address that a browser lands on after Allow (or Deny) was pressed.

        Raises `PageError` where the browser would have seen an error page.
        """
        asked = {
            "client_id": client_id or self.client_id,
            "redirect_uri": redirect_uri,
            "response_type": response_type,
            "scope": scope,
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": code_challenge_method if code_challenge else None,
        }
        given = {key: value for key, value in asked.items() if value is not None}
        with self.world.lock:
            question = read_question(given, self.registry, self.world.settings)
            if isinstance(question, Refusal):
                return question.address
            return decide(
                question,
                allowed=allow,
                account=account or self.account.number,
                grants=self._grants,
                settings=self.world.settings,
            )

    def press_allow(self, address: str, *, allow: bool = True, account: int | None = None) -> str:
        """Answer a complete address of the authorise page, as a person's browser would."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        return self.authorize_without_browser(
            redirect_uri=asked.get("redirect_uri", ""),
            scope=asked.get("scope", ""),
            state=asked.get("state"),
            code_challenge=asked.get("code_challenge"),
            code_challenge_method=asked.get("code_challenge_method", "plain"),
            allow=allow,
            account=account,
            client_id=asked.get("client_id"),
            response_type=asked.get("response_type", ""),
        )

    def issue_code(
        self,
        *,
        redirect_uri: str = "http://localhost:8085/callback",
        scope: str = "contact_data account_read offline_access",
        challenge: str | None = None,
        account: int | None = None,
    ) -> str:
        """A code as the redirect would carry it."""
        consent = Consent(account or self.account.number, redirect_uri, scope, challenge, None)
        with self.world.lock:
            return self._grants.issue_code(self.application, consent, self.world.settings)

    def issue_tokens(
        self,
        scope: str = "contact_data account_read offline_access",
        account: int | None = None,
    ) -> dict[str, Any]:
        """A token set, as if a person had just consented."""
        redirect_uri = "http://localhost:8085/callback"
        code = self.issue_code(redirect_uri=redirect_uri, scope=scope, account=account)
        with self.world.lock, self.world.database.transaction():
            return self._grants.redeem_code(
                self.application,
                self.world.settings,
                code=code,
                redirect_uri=redirect_uri,
                verifier=None,
                with_secret=True,
            )

    # --- revocation --------------------------------------------------------------------------

    def withdraw_consent(self, account: int | None = None) -> None:
        """The user removes the application from the account."""
        with self.world.lock:
            self._grants.withdraw_consent(self.client_id, account or self.account.number)

    def renew_secret(self) -> str:
        with self.world.lock:
            return self.registry.renew_secret(self.client_id)

    def deactivate_application(self, *, active: bool = False) -> None:
        with self.world.lock:
            self.registry.set_active(self.client_id, active=active)

    def revoke_refresh_tokens(self) -> None:
        with self.world.lock:
            self._grants.revoke_refresh_tokens(self.client_id)

    def revoke_access_tokens(self) -> None:
        with self.world.lock:
            self._grants.revoke_access_tokens(self.client_id)

    # --- settings, time, faults --------------------------------------------------------------

    @property
    def settings(self) -> SandboxSettings:
        return self.world.settings

    @settings.setter
    def settings(self, settings: SandboxSettings) -> None:
        self.world.use(settings)

    @property
    def clock(self) -> Clock:
        return self.world.clock

    def set_time(self, instant: datetime) -> None:
        self.world.clock.set(instant)

    def advance(self, by: timedelta) -> None:
        self.world.clock.advance(by)

    def add_fault(self, fault: Fault) -> int:
        return self.world.faults.add(fault)

    def clear_faults(self) -> None:
        self.world.faults.clear()

    def plan_activity(self, plan: Plan) -> None:
        """Let coming activities end in another way than completed."""
        with self.world.lock:
            self.world.plans.append(plan)

    def requests(self, *, since: int = 0, path: str | None = None) -> list[Entry]:
        """The request log; `path` keeps those whose path begins so."""
        entries = self.world.log.entries(since=since)
        return [entry for entry in entries if path is None or entry.path.startswith(path)]

    def use_quota(self, calls: int) -> None:
        """Pretend that so many calls were made today."""
        with self.world.lock:
            self.world.limits.set_used_today(self.client_id, calls)

    # --- more accounts -----------------------------------------------------------------------

    def add_account(
        self, organization: str, email: str, role: str = "owner"
    ) -> tuple[Account, Simulation]:
        """Another customer who may authorise the same application."""
        with self.world.lock:
            made = self.registry.add_account(organization, email, role)
            ensure_first_list(self.world, made.number)
            return made, Simulation(self.world, made.number)

    def set_role(self, role: str, account: int | None = None) -> None:
        with self.world.lock:
            self.registry.set_role(account or self.account.number, role)


def ensure_first_list(world: World, account: int) -> ContactList:
    lists = Lists(world.database)
    found = lists.all(account)
    return found[0] if found else lists.add(account, FIRST_LIST, world.clock.now_ms())


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    settings: SandboxSettings | None = None,
    database: Path | None = None,
    on_ready: Callable[[Sandbox], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; call `on_ready` as soon as requests are answered."""
    over = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: over.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with Sandbox(host, port, settings, database) as sandbox:
            if on_ready is not None:
                on_ready(sandbox)
            over.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
