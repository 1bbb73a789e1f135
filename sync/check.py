"""Everything that can be wrong before the first night, each a line with a tick or a sentence."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from sync import surroundings
from sync.api import catalog
from sync.api.session import FEW_ATTEMPTS, ApiSession
from sync.auth.vault import Vault, open_vault
from sync.clock import Clock, span, utc_now
from sync.contact.mapping import ColumnMapping, map_columns
from sync.contact.validation import check
from sync.destination import Destination, read_destination
from sync.errors import AccessForbidden, AuthorizationLost, ContactSyncError, ExitCode
from sync.feedback.table import FeedbackTable
from sync.loading import configured_rules, open_configured
from sync.opening import open_session
from sync.settings import Settings
from sync.source import ContactSource
from sync.state.staging import coded
from sync.state.store import Store, open_store
from sync.stop import Stop
from sync.surroundings import Finding


class Check:
    """Looks at one thing after the other; what depends on a missing one is left out."""

    def __init__(
        self, settings: Settings, configuration: Sequence[Path] = (), *, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._configuration = configuration
        self._clock = clock
        self._opened: ContactSource | None = None
        self._mapping: ColumnMapping | None = None
        self._granted: frozenset[str] = frozenset()

    def findings(self) -> Iterator[Finding]:
        """The findings, as they are made."""
        settings = self._settings
        yield Finding("configuration", f"valid, for the account {settings.account.name}")
        with ExitStack() as opened:
            store = None
            try:
                store = opened.enter_context(open_store(settings))
            except ContactSyncError as error:
                yield Finding("state", str(error), error.exit_code)
            else:
                yield Finding("state", f"open, in {store.address}")
            yield from self._of_this_machine()
            yield from self._of_the_source()
            if settings.feedback.url is not None:
                yield from self._look("feedback", self._feedback)
            secret = yield from self._look("client secret", self._client_secret)
            if store is not None and secret.well:
                yield from self._of_the_account(store)

    def _of_this_machine(self) -> Iterator[Finding]:
        settings = self._settings
        yield from _each("secrets", surroundings.secrets(settings, self._configuration))
        yield from _each("disk", surroundings.room(settings))
        yield from _each("schedule", surroundings.schedule(settings, self._clock()))
        yield from _each("feedback", surroundings.feedback_file(settings))
        yield from _each("alerts", surroundings.alerts(settings))
        yield from _each("status page", surroundings.status_page(settings))
        if not settings.cluster.enabled:  # its workers are in the database, on whichever host
            yield from _each("service", surroundings.service())

    def _of_the_source(self) -> Iterator[Finding]:
        source = yield from self._look("source", self._source)
        if source.well and self._opened is not None:
            header = self._opened.header
            yield from self._look("columns", lambda: self._columns(header))

    def _of_the_account(self, store: Store) -> Iterator[Finding]:
        vault: list[Vault] = []
        token = yield from self._look("token", lambda: self._token(store, vault))
        if not token.well:
            return
        session = open_session(
            self._settings, store, vault[0], Stop(), self._clock, attempts=FEW_ATTEMPTS
        )
        try:
            yield from self._look_at_account(session, store, vault[0])
        finally:
            session.close()

    def _look_at_account(
        self, session: ApiSession, store: Store, vault: Vault
    ) -> Iterator[Finding]:
        reached = yield from self._look("API", lambda: self._reach(session))
        if not reached.well:
            return
        if session.clock_difference is not None:
            yield from _each("clock", surroundings.clock(session.clock_difference))
        privileges = yield from self._look("privileges", self._privileges)
        if not privileges.well:
            return
        yield from self._look("account", lambda: self._account(session, vault))
        if self._mapping is not None:
            mapping = self._mapping
            yield from self._look("lists and fields", lambda: self._lists(session, store, mapping))

    def _look(self, what: str, at: Callable[[], str]) -> Generator[Finding, None, Finding]:
        try:
            finding = Finding(what, at())
        except ContactSyncError as error:
            finding = Finding(what, str(error), error.exit_code)
        yield finding
        return finding

    def _source(self) -> str:
        self._opened = open_configured(self._settings)
        return f"{self._opened.description}, {len(self._opened.header)} columns"

    def _columns(self, header: tuple[str, ...]) -> str:
        self._mapping = map_columns(header, configured_rules(self._settings))
        mapped = ", ".join(f"{field.recipe} → {field.name}" for field in self._mapping.fields)
        unused = ", ".join(self._mapping.unmapped) or "none"
        return f"{mapped}; not used: {unused}"

    def _feedback(self) -> str:
        return FeedbackTable(self._settings.feedback, self._settings.feedback_password).check()

    def _client_secret(self) -> str:
        return "set" if self._settings.client_secret else "empty"

    def _token(self, store: Store, opened: list[Vault]) -> str:
        vault = open_vault(self._settings, store)
        opened.append(vault)
        vault.settle()
        vault.access_token(minimum_life=timedelta(0))
        status = vault.status()
        if status.problem is not None:
            # The access token may live on for hours; a person should not learn it from its death.
            raise AuthorizationLost(status.problem)
        if status.issued_at is None or status.expires_at is None:
            return "present"
        now = utc_now()
        missing = sorted(set(self._settings.oauth.scopes) - set(status.scopes))
        if missing:
            raise AccessForbidden(
                f"The authorization lacks the scope {', '.join(missing)}: run contact-sync "
                "authorize."
            )
        age = f"issued {span(now - status.issued_at)} ago, expires in "
        life = f"{span(status.expires_at - now)}; scopes {' '.join(status.scopes)}"
        dies = status.refresh_token_dies_at
        unused = f"; refresh token good until {dies:%Y-%m-%d} if unused" if dies else ""
        told = (
            status.warning,
            "A renewed pair waits in the rescue file." if status.rescued_pair_waits else None,
        )
        return ". ".join((f"{age}{life}{unused}", *(sentence for sentence in told if sentence)))

    def _reach(self, session: ApiSession) -> str:
        self._granted = catalog.privileges(session)
        return f"{self._settings.api.base_url} answers"

    def _privileges(self) -> str:
        missing = self._needed_privileges() - self._granted
        if missing:
            raise AccessForbidden(
                f"The user who authorized lacks {', '.join(sorted(missing))}: authorize again as "
                "the account's owner or a manager."
            )
        return "the user who authorized may read and write contacts"

    def _needed_privileges(self) -> frozenset[str]:
        """What the configured requests need of the user; GET /activities wants to write, too.

        Source: the contract's x-authorization-privileges.
        """
        needed = {"contacts:read", "contacts:write", "contacts:lists:read"}
        if "account_read" in self._settings.oauth.scopes:
            needed.add("account:read")
        if self._settings.lists.create_missing:
            needed.add("contacts:lists:write")
        return frozenset(needed)

    def _account(self, session: ApiSession, vault: Vault) -> str:
        summary = catalog.account_summary(session)
        vault.pin(summary.encoded_account_id)
        return f"{summary.organization_name} ({summary.encoded_account_id})"

    def _lists(self, session: ApiSession, store: Store, mapping: ColumnMapping) -> str:
        destination = read_destination(session, store, self._settings, mapping)
        looked_at = self._look_at_rows(destination, store, mapping)
        destination.refuse_missing()
        made = ", ".join(destination.missing)
        return (f"the first sync will make {made}" if made else "all there") + looked_at

    def _look_at_rows(self, destination: Destination, store: Store, mapping: ColumnMapping) -> str:
        """Have the first rows name their lists and tags, where a column names them."""
        named = (self._settings.lists.column, self._settings.tags.column)
        if self._opened is None or not any(named):
            return ""
        chunk = next(self._opened.chunks())
        contacts = check(chunk, mapping, configured_rules(self._settings)).contacts
        with store.write() as connection:
            destination.list_sets(connection, coded(contacts["lists"]).different)
            destination.tag_sets(connection, coded(contacts["tags"]).different)
        return f" (as far as the first {len(chunk.rows):,} rows tell)"


def _each(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Pass them on; what one of them raises is the last of them."""
    try:
        yield from findings
    except ContactSyncError as error:
        yield Finding(what, str(error), error.exit_code)
    except OSError as error:
        yield Finding(what, f"{error.filename}: {error.strerror}.", ExitCode.STATE)
