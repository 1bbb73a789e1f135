"""Facts of one account at one moment, for the page, a monitor and `contact-sync status`."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from sync.alerts import Topic
from sync.api.limits import used_today
from sync.auth.vault import PairStatus, open_vault
from sync.clock import Clock
from sync.errors import ExitCode
from sync.progress import Shown
from sync.schedule import Start, attempts_of, next_start
from sync.settings import Settings
from sync.state import audience, troubles
from sync.state.outbox import Outbox
from sync.state.runs import RunRecord, Runs
from sync.state.store import Store

# The worker begins a sync that is due at once, unless many are.
_LATE = timedelta(hours=1)
# Of the newest syncs that many are looked at for one that has ended: others were killed.
_LOOKED_AT = 5


class Need(IntEnum):
    """Why a person is needed, the most urgent first; from RETRYING on nobody is."""

    CONFIGURATION = 1
    AUTHORIZATION = 2
    FAILING = 3
    GUARD = 4
    OVERDUE = 5
    AGEING = 6
    RETRYING = 7
    NOBODY = 8

    @property
    def meaning(self) -> str:
        """What is with the account, in a few words."""
        return _MEANINGS[self]

    @property
    def person(self) -> bool:
        """Whether a person is needed."""
        return self < Need.RETRYING


_MEANINGS = {
    Need.CONFIGURATION: "its configuration is wrong",
    Need.AUTHORIZATION: "a person must authorize",
    Need.FAILING: "its sync fails",
    Need.GUARD: "stopped by the guard",
    Need.OVERDUE: "overdue",
    Need.AGEING: "its token pair ages",
    Need.RETRYING: "is tried again",
    Need.NOBODY: "well",
}
_OF_FAILURES = {
    ExitCode.CONFIGURATION: Need.CONFIGURATION,
    ExitCode.AUTHORIZATION: Need.AUTHORIZATION,
    ExitCode.GUARD: Need.GUARD,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """How an account stands.

    `newest` is the last run that has ended, `last_done` the last sync that went well; `trouble` is
    what a person must see to, or what is tried again.
    """

    account: str
    now: datetime
    live: Shown | None
    next_start: Start
    newest: RunRecord | None
    last_done: RunRecord | None
    pair: PairStatus
    audience: int
    waiting: int
    used: int
    per_day: int
    need: Need
    trouble: str

    @property
    def well(self) -> bool:
        """Whether nobody is needed."""
        return not self.need.person


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An account of which no facts can be read, since its configuration or its state is wrong."""

    account: str
    trouble: str
    need: Need = Need.CONFIGURATION

    @property
    def well(self) -> bool:
        """Whether nobody is needed."""
        return not self.need.person


Standing = Facts | Unreadable


def by_need(standings: Collection[Standing]) -> list[Standing]:
    """Those first who need a person most."""
    return sorted(standings, key=lambda standing: (standing.need, standing.account))


def gather(settings: Settings, store: Store, clock: Clock, *, live: Shown | None = None) -> Facts:
    """Read the facts; raises StateError."""
    account, now = settings.account.name, clock()
    runs = Runs(store, account)
    pair = open_vault(settings, store, clock=clock).status()
    attempts = attempts_of(store, account)
    start = next_start(settings.schedule, account, now, attempts)
    last = next((run for run in runs.last_syncs(_LOOKED_AT) if run.finished_at is not None), None)
    with store.read() as connection:
        size = audience.size(connection, account)
        told = [topic for topic in Topic if troubles.told(connection, account, topic)]
    missed = start.missed if start.missed and now - start.missed > _LATE else None
    need, trouble = judge(told, last, pair, None if live else missed)
    return Facts(
        account=account,
        now=now,
        live=live,
        next_start=start,
        newest=next((run for run in runs.last(2) if run.finished_at is not None), None),
        last_done=runs.last_synced(),
        pair=pair,
        audience=size,
        waiting=sum(entry.contacts for entry in Outbox(store, account).open()),
        used=used_today(store, settings.oauth.client_id, now),
        per_day=settings.api.requests_per_day,
        need=need,
        trouble=trouble,
    )


def still(facts: Facts, settings: Settings, shared: Store, now: datetime) -> Facts | None:
    """The facts as they are now, if nothing was written to the account's state meanwhile.

    None when they must be read again: by time alone an account becomes overdue (its pair ages, too,
    but that is looked at once a day). Raises StateError.

    Args:
        shared: Where the requests of the account's application are counted.
    """
    if not facts.now <= now < facts.next_start.at:
        return None
    return replace(facts, now=now, used=used_today(shared, settings.oauth.client_id, now))


def judge(
    told: Collection[Topic],
    last: RunRecord | None,
    pair: PairStatus,
    missed: datetime | None,
) -> tuple[Need, str]:
    """What a person must see to first, if anything, with a sentence of it.

    Args:
        told: What people were told is wrong, and is still.
        last: The newest sync that has ended, if there is one.
        missed: When a sync was due that did not begin.
    """
    said = last.message if last and last.message else "No sync runs."
    if Topic.CONFIG in told:
        kept = "Its file is wrong, and what it said before is kept: run contact-sync check."
        return Need.CONFIGURATION, kept
    if not pair.exists:
        return Need.AUTHORIZATION, "There is no token pair yet: run contact-sync authorize."
    if pair.problem:
        return Need.AUTHORIZATION, pair.problem
    if Topic.SYNC in told:
        code = last.exit_code if last else None
        return _OF_FAILURES.get(code, Need.FAILING) if code else Need.FAILING, said
    if missed is not None:
        return Need.OVERDUE, (
            f"The sync of {missed:%Y-%m-%d %H:%M} UTC has not begun: is the worker running?"
        )
    if pair.warning:
        return Need.AGEING, pair.warning
    if last and last.exit_code is not None and last.exit_code.passes_by_itself:
        return Need.RETRYING, said
    return Need.NOBODY, ""
