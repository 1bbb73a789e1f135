"""A look after one account: its token pair is kept alive, and it is synced if it is due.

A look decides by the record of the runs, at the moment when it is taken, whether a sync is due. So
it may come too early, twice, or on two hosts one after the other: there is one sync all the same.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from sync.alerts import Alerting, tell_configuration
from sync.api.claims import want
from sync.auth.vault import open_vault
from sync.charge import Charge, claim_missing
from sync.clock import Clock
from sync.cluster.queue import Look
from sync.errors import ContactSyncError, LockLost, RunLocked, StateError, StopRequested
from sync.schedule import Attempt, Start, Why, attempts_of, last_due, next_start
from sync.settings import Accounts, Settings, load_alert_settings
from sync.settings.options import Schedule
from sync.state.stores import Reopening, Stores

# A pair is looked at so often, whatever the schedule is.
_KEEP_ALIVE = timedelta(days=1)
# When another process has the account's lock: a person, or a host that seemed to be dead.
_AFTER_LOCKED = timedelta(minutes=1)
_AFTER_ERROR = timedelta(minutes=1)
# When a host doesn't know an account that somebody has asked for.
_LEFT_TO_OTHERS = timedelta(seconds=2)
_ASKED_FOR = timedelta(minutes=10)
# So many hosts may die in a row with an account in hand; then it waits for its schedule.
_KILLED_AT_MOST = 10
# A sync that begins so soon after its time is on schedule.
_PUNCTUAL = timedelta(minutes=10)
# One host at a time tells people what all hosts see.
_TELLING = "telling"
_TELLING_PATIENCE = timedelta(minutes=1)
_log = structlog.get_logger()


def due(
    schedule: Schedule,
    account: str,
    now: datetime,
    attempts: Sequence[Attempt],
    planned: Look,
) -> Start | None:
    """The sync that is to begin now, by a look that was planned; None when none is due."""
    if planned.asked_at is not None and not _costs_hosts(attempts):
        return Start(now, Why.ASKED)
    start = next_start(schedule, account, now, attempts)
    if start.at > now:
        # An account that was never synced has missed nothing; its first sync is due when the look
        # was planned for a due time.
        first = last_due(schedule, account, now) if not attempts else None
        begins = first is not None and planned.at <= first and now - first <= _PUNCTUAL
        return Start(now, Why.SCHEDULED) if begins else None
    if start.missed is not None and now - start.missed <= _PUNCTUAL:
        return Start(now, Why.SCHEDULED)
    return start


def _costs_hosts(attempts: Sequence[Attempt]) -> bool:
    """Whether so many syncs in a row were killed that the account may be what kills them."""
    newest = attempts[:_KILLED_AT_MOST]
    return len(newest) == _KILLED_AT_MOST and all(each.ended_at is None for each in newest)


def next_look(start: Start, now: datetime) -> Look:
    """When to look after an account whose next sync begins so; sooner, if its pair needs it."""
    return Look(min(start.at, now + _KEEP_ALIVE))


class Attending:
    """The accounts in charge of this host; a look is taken by any thread, one an account."""

    def __init__(self, accounts: Accounts, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._stopping = False
        self._accounts = accounts
        self._charges = {name: self._charge(each) for name, each in accounts.settings.items()}

    @property
    def charges(self) -> Sequence[Charge]:
        """Every account that this host knows."""
        return list(self._charges.values())

    def take_in(self, accounts: Accounts) -> None:
        """Go on with another configuration; what has become wrong keeps what it said before."""
        before, self._accounts = self._accounts, accounts
        for name in self._charges.keys() - {*accounts.names}:
            self._charges.pop(name).stop.request()
        for name, settings in accounts.settings.items():
            if name not in self._charges:
                self._charges[name] = self._charge(settings)
                continue
            self._charges[name].take_in(settings)
            if name in before.broken:
                self._charges[name].tell_configuration(None)
        for name, error in accounts.broken.items():
            _log.error("configuration refused", account=name, reason=str(error))

    def stop(self) -> None:
        """Let every sync stop, and none begin."""
        self._stopping = True
        for charge in self.charges:
            charge.stop.request()

    def look(self, account: str, planned: Look) -> Look | None:
        """Look after an account; returns when to look again, None when others know.

        Never raises: what goes wrong is logged, and looked at again.
        """
        charge = self._charges.get(account)
        if charge is None:
            _log.info("this account is not configured here", account=account)
            return self._for_others(planned)
        if self._stopping:
            return planned
        try:
            return self._look(charge, planned)
        except ContactSyncError as error:
            _log.error("account not looked after", account=account, reason=str(error))
        except Exception:  # noqa: BLE001 (a fault of ours with one account is no other's)
            _log.exception("a look failed", account=account)
        return Look(self._clock() + _AFTER_ERROR, planned.asked_at)

    def plan(self, accounts: Collection[str]) -> dict[str, Look]:
        """When to look after accounts that wait for no look yet; raises ContactSyncError.

        What was missed is looked after at once, by one host, which tells people.
        """
        now, looks = self._clock(), {}
        wanted: defaultdict[str, dict[str, datetime | None]] = defaultdict(dict)
        with self._stores.opened(self._accounts.any_settings) as store:
            for charge in self.charges:
                if charge.name in accounts:
                    attempts = attempts_of(store, charge.name)
                    start = next_start(charge.settings.schedule, charge.name, now, attempts)
                    looks[charge.name] = Look(now) if start.missed else next_look(start, now)
                    wanted[charge.settings.oauth.client_id][charge.name] = start.at
            for application, times in wanted.items():
                want(store, application, times)
        return looks

    def look_around(self) -> None:
        """See how all accounts stand, and that each has its share of the requests."""
        for charge in self.charges:
            charge.look()
        claim_missing(self._stores, self.charges)

    def settle(self) -> None:
        """Take in what this host has left of token pairs, as every start does.

        Raises StateError when the state is away: that is no account's matter.
        """
        for charge in self.charges:
            try:
                with self._stores.opened(charge.settings) as store:
                    open_vault(charge.settings, store, clock=self._clock).settle()
            except StateError:
                raise
            except ContactSyncError as error:
                _log.warning("pair not settled", account=charge.name, reason=str(error))

    def tell_broken(self) -> None:
        """Tell people which accounts have a configuration that is wrong; raises StateError."""
        with (
            self._stores.opened(self._accounts.any_settings) as store,
            store.locks.hold(_TELLING, wait=_TELLING_PATIENCE),
        ):
            for name, error in self._accounts.broken.items():
                settings = load_alert_settings(self._accounts.place, name)
                alerting = Alerting(settings, Reopening(self._stores, settings), self._clock)
                tell_configuration(alerting, str(error))

    def _charge(self, settings: Settings) -> Charge:
        return Charge(settings, self._stores, self._clock, on_step=lambda: None)

    def _look(self, charge: Charge, planned: Look) -> Look:
        charge.keep_alive()
        with self._stores.opened(charge.settings) as store:
            attempts = attempts_of(store, charge.name)
        start = due(charge.settings.schedule, charge.name, self._clock(), attempts, planned)
        ended = charge.sync(start) if start is not None else None
        if isinstance(ended, StopRequested | LockLost):
            # It goes on at once, on whichever host; nothing has failed. Its share waits for it.
            charge.claim(self._clock())
            return Look(self._clock(), asked_at=self._clock())
        if isinstance(ended, RunLocked):
            return Look(self._clock() + _AFTER_LOCKED)
        charge.look()
        coming = charge.plan()
        charge.claim(coming.at)
        return next_look(coming, self._clock())

    def _for_others(self, planned: Look) -> Look | None:
        """What is left to the hosts that know an account, if there are any.

        When it is due, they know without being told.
        """
        now, asked_at = self._clock(), planned.asked_at
        if asked_at is None or now - asked_at > _ASKED_FOR:
            return None
        return Look(now + _LEFT_TO_OTHERS, asked_at)
