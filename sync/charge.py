"""One account in the worker's charge: its syncs, its token pair, and what people are told of it.

Nothing of it is held open between its jobs: an account that waits costs a few kilobytes.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from time import monotonic

import structlog

from sync.alerts import (
    Alerting,
    outcome_since,
    tell_configuration,
    tell_killed,
    tell_missed,
    tell_outcome,
    tell_pair,
    tell_silent,
    tell_state,
    tell_unauthorized,
)
from sync.api.claims import want, want_missing
from sync.auth.vault import open_vault
from sync.clock import Clock
from sync.errors import (
    AuthorizationNeeded,
    ContactSyncError,
    RunLocked,
    StateError,
    StopRequested,
)
from sync.progress import Live, Shown
from sync.run import Run
from sync.schedule import Start, Why, attempts_of, last_due, next_start
from sync.settings import Settings
from sync.state.runs import Runs, is_under_way
from sync.state.store import Store
from sync.state.stores import Mark, Reopening, Stores
from sync.status.facts import Facts, Need, Standing, Unreadable, gather, still
from sync.status.watched import HISTORY, View
from sync.stop import Stop

# When another process holds the account's lock.
_AFTER_LOCKED = timedelta(minutes=15)
# What may go on in silence besides a query of the source: comparing very many contacts, say.
SILENCE = timedelta(minutes=30)
_log = structlog.get_logger()


class Charge:
    """Looks after one account; its methods may be called by several threads."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        clock: Clock,
        *,
        on_step: Callable[[], None],
    ) -> None:
        self.name = settings.account.name
        self.live = Live(self._show)
        self.stop = LivingStop(self._seen)
        self.syncing = False
        # When the next sync begins; None until that is worked out.
        self.next: Start | None = None
        self.standing: Standing = Unreadable(self.name, "Not looked at yet.", Need.NOBODY)
        self._stores = stores
        self._clock = clock
        self._on_step = on_step
        self._not_before: datetime | None = None
        self._step = Timed("")
        self._seen_at = monotonic()
        # A sync and a keep-alive take turns.
        self._turn = threading.Lock()
        self._owes_keep_alive = False
        self.take_in(settings)

    def take_in(self, settings: Settings) -> None:
        """Go on with another configuration; a sync that is under way ends with its own."""
        self.settings = settings
        # It may stand otherwise now.
        self._mark: Mark | None = None
        self._alerting = Alerting(settings, Reopening(self._stores, settings), self._clock)

    @property
    def silent_for(self) -> timedelta:
        """For how long the sync that is under way has shown no sign of life."""
        return timedelta(seconds=monotonic() - self._seen_at) if self.syncing else timedelta(0)

    @property
    def hangs(self) -> bool:
        """Whether that is longer than anything that is in order."""
        return self.silent_for > self.settings.source.query_timeout + SILENCE

    def plan(self) -> Start:
        """Work out when the next sync begins; tells people of what is missed or killed for good.

        Raises ContactSyncError when the state can't be read.
        """
        with self._opened() as store:
            start = self._next_start(store)
            given_up = bool(start.killed) and not is_under_way(store, self.name)
        if given_up:
            _log.error("sync was killed", account=self.name, times=start.killed)
            tell_killed(self._alerting, start.killed, start.at)
        if start.missed is not None:
            _log.warning("a sync was missed", account=self.name, due=start.missed.isoformat())
            if start.why is Why.SCHEDULED:
                tell_missed(self._alerting, start.missed, start.at)
        if self._not_before is not None and start.at < self._not_before:
            start = Start(self._not_before, start.why)
        self._not_before = None
        return start

    def claim(self, wants_at: datetime | None) -> None:
        """Tell the other accounts of the application from when on this one wants requests."""
        try:
            shared = self._stores.shared(self.settings)
            want(shared, self.settings.oauth.client_id, {self.name: wants_at})
        except ContactSyncError as error:
            _log.warning("claim not noted", account=self.name, reason=str(error))

    def sync(self, start: Start) -> ContactSyncError | None:
        """One sync; a failure is logged, told to whom it concerns, and returned."""
        failure = None
        with structlog.contextvars.bound_contextvars(account=self.name), self._turn:
            self._seen()
            self.syncing = True
            try:
                failure = self._sync(start)
            finally:
                self._end_step()
                self._tell_outcome(start)
                self.live.over()
                self.syncing = False
        if self._owes_keep_alive:
            self.keep_alive()
        return failure

    def keep_alive(self) -> None:
        """Renew a pair that was not used for long; a failure is logged, and told to people."""
        # A sync that is under way must not be waited for: it may take hours.
        if not self._turn.acquire(blocking=False):
            self._owes_keep_alive = True
            return
        try:
            self._owes_keep_alive = False
            with structlog.contextvars.bound_contextvars(account=self.name):
                self._keep_alive()
        finally:
            self._turn.release()

    def look(self) -> None:
        """Look how the account stands, for those who see all of them."""
        settings = self.settings
        # Before it is read: what is written meanwhile is looked at again.
        mark = self._stores.mark(settings)
        standing: Standing
        try:
            with self._stores.opened(settings) as store:
                standing = gather(settings, store, self._clock)
        except ContactSyncError as error:
            standing = Unreadable(self.name, str(error), Need.FAILING)
        if settings is self.settings:  # else a look by the new ones follows
            self._mark, self.standing = mark, standing

    def look_again(self) -> None:
        """The same, for much less where nothing was written to the account's own file since."""
        mark, standing = self._stores.mark(self.settings), self.standing
        if mark is not None and mark == self._mark and isinstance(standing, Facts):
            with suppress(ContactSyncError):
                shared = self._stores.shared(self.settings)
                same = still(standing, self.settings, shared, self._clock())
                if same is not None:
                    self.standing = same
                    return
        self.look()

    def view(self) -> View:
        """The account as it is now, with its last runs; raises StateError."""
        try:
            with self._opened() as store:
                facts = gather(self.settings, store, self._clock, live=self.live.shown)
                return View(self.settings, facts, Runs(store, self.name).last(HISTORY))
        except StateError:
            raise
        except ContactSyncError as error:
            raise StateError(str(error)) from None

    def tell_configuration(self, reason: str | None) -> None:
        """Tell people that the account's file is wrong, and its former configuration kept."""
        tell_configuration(self._alerting, reason)

    def tell_unplanned(self, error: ContactSyncError) -> None:
        """Tell people that the account's state can't be read, so that nothing is synced."""
        tell_state(self._alerting, error)

    def tell_silent(self) -> None:
        """Tell people that the sync hangs."""
        since = self._clock() - self.silent_for
        step = self.live.shown.title if self.live.shown else "before its first step"
        _log.error("sync shows no sign of life", account=self.name, since=since.isoformat())
        tell_silent(self._alerting, since, step)

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        with self._stores.opened(self.settings) as store:
            yield store

    def _next_start(self, store: Store) -> Start:
        attempts = attempts_of(store, self.name)
        return next_start(self.settings.schedule, self.name, self._clock(), attempts)

    def _sync(self, start: Start) -> ContactSyncError | None:
        _log.info("sync begins", why=start.why.value)
        whole = Timed("sync")
        if start.why not in (Why.AGAIN, Why.QUOTA):
            self._alerting.ping("start", self._due_at(start))
        try:
            with self._opened() as store:
                recording = Run(
                    self.settings,
                    store,
                    open_vault(self.settings, store, clock=self._clock),
                    stop=self.stop,
                    progress=self.live,
                    clock=self._clock,
                ).sync()
        except StopRequested as stopped:
            _log.info("sync stopped", seconds=whole.seconds, reason=str(stopped))
            return stopped
        except RunLocked as locked:
            _log.warning("sync put off", reason=str(locked))
            self._not_before = self._clock() + _AFTER_LOCKED
            return locked
        except ContactSyncError as error:
            _log.error(
                "sync failed",
                exit_code=int(error.exit_code),
                seconds=whole.seconds,
                reason=str(error),
            )
            return error
        _log.info(
            "sync done",
            run=recording.run_id,
            seconds=whole.seconds,
            outcome=recording.message,
        )
        return None

    def _tell_outcome(self, start: Start) -> None:
        """Tell people how the sync ended, unless it was stopped or goes on by itself."""
        if self.stop.requested:
            return
        try:
            with self._opened() as store:
                outcome = outcome_since(store, self.name, start.at, self._due_at(start))
                goes_on = self._next_start(store).why in (Why.AGAIN, Why.QUOTA)
        except ContactSyncError as error:
            _log.error("how the sync ended can't be read", reason=str(error))
            return
        if outcome is not None:
            tell_outcome(self._alerting, outcome, goes_on=goes_on)

    def _due_at(self, start: Start) -> datetime:
        """Which due time a sync is about, so that all its attempts have one name."""
        return last_due(self.settings.schedule, self.name, self._clock()) or start.at

    def _keep_alive(self) -> None:
        try:
            with self._opened() as store:
                vault = open_vault(self.settings, store, clock=self._clock)
                renewed = vault.keep_alive()
                warning = vault.status().warning
        except ContactSyncError as error:
            _log.error("keep-alive failed", exit_code=int(error.exit_code), reason=str(error))
            if isinstance(error, AuthorizationNeeded):
                tell_unauthorized(self._alerting, str(error))
        else:
            _log.debug("keep-alive", renewed=renewed)
            tell_pair(self._alerting, warning)

    def _seen(self) -> None:
        self._seen_at = monotonic()

    def _show(self, shown: Shown) -> None:
        self._seen()
        if shown.title != self._step.title:
            self._end_step()
            self._step = Timed(shown.title)
            structlog.contextvars.bind_contextvars(step=shown.title)
            _log.info("step begins")
        self._on_step()

    def _end_step(self) -> None:
        if self._step.title:
            _log.info("step ended", seconds=self._step.seconds)
            structlog.contextvars.unbind_contextvars("step")
        self._step = Timed("")


def claim_missing(stores: Stores, charges: Iterable[Charge]) -> None:
    """Note again from when on the accounts want requests, where that was taken back."""
    stand = [(each.settings, each.standing) for each in charges]
    want_missing(
        stores, [(whose, found.next_start.at) for whose, found in stand if isinstance(found, Facts)]
    )


class Timed:
    """Something that has begun now."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._began = monotonic()

    @property
    def seconds(self) -> float:
        """How long ago that was."""
        return round(monotonic() - self._began, 3)


class LivingStop(Stop):
    """A stop whose being asked shows life: a run asks it between steps, requests and pauses."""

    def __init__(self, seen: Callable[[], None]) -> None:
        super().__init__()
        self._seen = seen

    def check(self) -> None:
        """Raise StopRequested when a stop was asked for."""
        self._seen()
        super().check()
