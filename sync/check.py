"""Everything that can be wrong before the first night, each a line with a tick or a sentence."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta

from sync.api import catalog
from sync.api.session import FEW_ATTEMPTS, ApiSession
from sync.auth.vault import Vault
from sync.clock import utc_now
from sync.contact.mapping import ColumnMapping, map_columns
from sync.destination import read_destination
from sync.errors import AccessForbidden, AuthorizationLost, ContactSyncError, ExitCode
from sync.loading import configured_rules, open_configured
from sync.run import open_session
from sync.settings import Settings
from sync.source import ContactSource
from sync.state.store import Store
from sync.stop import Stop

# What the requests of a sync need of the user who authorized (the contract's
# x-authorization-privileges); GET /activities wants to write too.
NEEDED_PRIVILEGES = frozenset({"contacts:read", "contacts:write", "contacts:lists:read"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, and how it stands; `exit_code` is DONE where it is well."""

    what: str
    sentence: str
    exit_code: ExitCode = ExitCode.DONE

    @property
    def well(self) -> bool:
        """Whether nothing is to be done about it."""
        return self.exit_code is ExitCode.DONE


class Check:
    """Looks at one thing after the other; what depends on a missing one is left out."""

    def __init__(self, settings: Settings, store: Store, vault: Vault) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._opened: ContactSource | None = None
        self._mapping: ColumnMapping | None = None
        self._granted: frozenset[str] = frozenset()

    def findings(self) -> Iterator[Finding]:
        """The findings, as they are made."""
        yield Finding("configuration", f"valid, for the account {self._settings.account.name}")
        yield Finding("state", f"open, in {self._store.address}")
        source = yield from self._look("source", self._source)
        if source.well and self._opened is not None:
            header = self._opened.header
            yield from self._look("columns", lambda: self._columns(header))
        yield from self._look("client secret", self._client_secret)
        token = yield from self._look("token", self._token)
        if not token.well:
            return
        session = open_session(
            self._settings, self._store, self._vault, Stop(), attempts=FEW_ATTEMPTS
        )
        try:
            yield from self._look_at_account(session)
        finally:
            session.close()

    def _look_at_account(self, session: ApiSession) -> Iterator[Finding]:
        reached = yield from self._look("API", lambda: self._reach(session))
        if not reached.well:
            return
        privileges = yield from self._look("privileges", self._privileges)
        if not privileges.well:
            return
        yield from self._look("account", lambda: self._account(session))
        if self._mapping is not None:
            mapping = self._mapping
            yield from self._look("lists and fields", lambda: self._lists(session, mapping))

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

    def _client_secret(self) -> str:
        return "set" if self._settings.client_secret else "empty"

    def _token(self) -> str:
        self._vault.settle()
        self._vault.access_token(minimum_life=timedelta(0))
        status = self._vault.status()
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
        missing = NEEDED_PRIVILEGES - self._granted
        if missing:
            raise AccessForbidden(
                f"The user who authorized lacks {', '.join(sorted(missing))}: authorize again as "
                "the account's owner or a manager."
            )
        return "the user who authorized may read and write contacts"

    def _account(self, session: ApiSession) -> str:
        summary = catalog.account_summary(session)
        self._vault.pin(summary.encoded_account_id)
        return f"{summary.organization_name} ({summary.encoded_account_id})"

    def _lists(self, session: ApiSession, mapping: ColumnMapping) -> str:
        destination = read_destination(session, self._store, self._settings, mapping)
        made = [*sorted(destination.missing_lists), *destination.missing_custom_fields]
        return f"the first sync will make {', '.join(made)}" if made else "all there"


def span(time: timedelta) -> str:
    """A duration for people, in its two largest units."""
    seconds = int(time.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
