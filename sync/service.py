"""The worker: syncs when they are due, and token pairs that are kept alive whatever they do.

It has one account or hundreds. When an account's next sync begins is worked out anew after each
one, from the record of its runs (`sync.schedule`); APScheduler waits for it. Syncs are done by a
bounded pool of threads, so an account that is slow or hangs takes one of them at most, and what is
short (token pairs, looks at the state) by others. The watchdog of systemd is fed as long
as a thread is free for the next sync, or one that works shows life by what it does.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from types import FrameType

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from sync.alerts import Alerting, tell_configuration
from sync.api.claims import want_all
from sync.charge import Charge, claim_missing
from sync.clock import Clock, utc_now
from sync.errors import ContactSyncError
from sync.overview import Overview
from sync.schedule import Start, Why, local_time
from sync.service_manager import ServiceManager
from sync.settings import Accounts, Settings, load_alert_settings
from sync.state.stores import Reopening, Stores

_KEEP_ALIVE = timedelta(days=1)
# APScheduler waits by a clock that stands still while the machine sleeps; so it is woken.
_HEARTBEAT = timedelta(seconds=30)
_LOOK_AROUND = timedelta(minutes=10)
_AFTER_ERROR = timedelta(minutes=1)
# For how long a state may be away before people are told.
_STATE_PATIENCE = timedelta(minutes=15)
# How long the first looks at many accounts may keep the worker from being ready.
_FIRST_LOOKS = timedelta(seconds=3)
# A signal that reaches another thread is handled by the main one when that wakes.
_LISTEN_EVERY = timedelta(seconds=1)
# The pools of threads: whole syncs, looks at when they are due, what else is short, and the pulse.
_RUNS, _PLANS, _CARE, _PULSE = "runs", "plans", "care", "pulse"
_log = structlog.get_logger()


class Worker:
    """Syncs accounts, for years."""

    def __init__(
        self,
        accounts: Accounts,
        stores: Stores,
        *,
        reread: Callable[[], Accounts],
        manager: ServiceManager,
        clock: Clock = utc_now,
    ) -> None:
        self._accounts = accounts
        self._stores = stores
        self._reread = reread
        self._manager = manager
        self._clock = clock
        # Only the main thread changes the accounts and the jobs: while the scheduler waits for
        # those who work to end, it holds what that would need. The others put here what to do; None
        # ends the work.
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._stopping = False
        self._charges = {name: self._charge(each) for name, each in accounts.settings.items()}
        self._overview = Overview(
            lambda: list(self._charges.values()), lambda: self._accounts, clock
        )
        self._unplanned: dict[str, datetime] = {}
        self._told_silent: set[str] = set()
        self._places = accounts.any_settings.worker.parallel_runs if accounts.many else 1
        # A late job is run, not dropped (APScheduler drops what is more than a second late by
        # default), and several late ones are run once.
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                name: {"type": "threadpool", "max_workers": threads}
                for name, threads in ((_RUNS, self._places), (_PLANS, 2), (_CARE, 2), (_PULSE, 1))
            },
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def serve(self) -> None:
        """Work until SIGTERM or SIGINT; the second of them ends the process at once.

        SIGHUP reads the configuration again, and SIGUSR1 begins a sync of each account. A failing
        sync ends that sync, not the worker.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGHUP, partial(self._ask, self._reload))
        signal.signal(signal.SIGUSR1, partial(self._ask, self._sync_all))
        self._scheduler.add_listener(_tell_fault, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        _log.info("worker started", accounts=len(self._charges))
        with self._overview.page():
            self._scheduler.start()
            for charge in self._charges.values():
                self._plan_soon(charge)
            self._obey_until_planned()
            for charge in self._charges.values():
                self._keep_alive_daily(charge)
            planned = [(each.settings, each.next) for each in self._charges.values()]
            want_all(self._stores, [(whose, start.at) for whose, start in planned if start])
            self._repeat(self._pulse, _HEARTBEAT, "pulse", _PULSE)
            self._repeat(self._tell_broken, _KEEP_ALIVE, "broken")
            if self._accounts.many:
                self._repeat(self._look_around, _LOOK_AROUND, "look around")
            self._show()
            self._manager.ready()
            try:
                while (order := self._next_order()) is not None:
                    order()
            finally:
                self._manager.stopping()
                _log.info("worker stopping")
                self._scheduler.shutdown(wait=True)

    def _charge(self, settings: Settings) -> Charge:
        charge = Charge(settings, self._stores, self._clock, on_step=self._show)
        if self._stopping:
            charge.stop.request()
        return charge

    # --- orders -----------------------------------------------------------------------------------

    def _ask_to_stop(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._stopping = True
        for charge in list(self._charges.values()):
            charge.stop.request()
        self._orders.put(None)

    def _ask(self, order: Callable[[], None], _number: int, _frame: FrameType | None) -> None:
        self._orders.put(order)

    def _next_order(self) -> Callable[[], None] | None:
        while True:
            with suppress(Empty):
                return self._orders.get(timeout=_LISTEN_EVERY.total_seconds())

    def _obey_until_planned(self) -> None:
        """Let the first syncs be planned before the worker is ready, if that goes quickly."""
        until = monotonic() + _FIRST_LOOKS.total_seconds()
        while monotonic() < until:
            if all(each.next or name in self._unplanned for name, each in self._charges.items()):
                return
            with suppress(Empty):
                order = self._orders.get(timeout=0.1)
                if order is None:
                    self._orders.put(None)
                    return
                order()

    def _sync_all(self) -> None:
        for charge in self._charges.values():
            if self._waits(charge):
                self._begin_at(charge, Start(self._clock(), Why.ASKED))
            else:
                _log.info("a sync is under way already", account=charge.name)

    def _waits(self, charge: Charge) -> bool:
        """Whether its next sync is neither under way nor waiting for a thread."""
        return charge.next is None or self._scheduler.get_job(f"sync:{charge.name}") is not None

    def _reload(self) -> None:
        """Take the configuration in again.

        What is wrong is refused, and what was there before kept: for all accounts, or for one.
        """
        self._manager.reloading()
        try:
            accounts = self._reread()
        except ContactSyncError as error:
            _log.error("configuration refused, the old one is kept", reason=str(error))
        else:
            self._take_in(accounts)
            self._obey_until_planned()
        self._show()
        self._manager.ready()

    def _take_in(self, accounts: Accounts) -> None:
        before, self._accounts = self._accounts, accounts
        for name in self._charges.keys() - {*accounts.names}:
            self._leave(self._charges.pop(name))
        for name, settings in accounts.settings.items():
            charge = self._charges.get(name)
            if charge is None:
                charge = self._charges[name] = self._charge(settings)
                self._plan_soon(charge)
                self._keep_alive_daily(charge)
            else:
                charge.take_in(settings)
                if name in before.broken:
                    self._soon(partial(charge.tell_configuration, None), f"config:{name}")
                if self._waits(charge):
                    charge.next = None
                    self._plan_soon(charge)
        for name, error in accounts.broken.items():
            _log.error("configuration refused", account=name, reason=str(error))
        self._soon(self._tell_broken, "broken now")
        if accounts.many:
            self._soon(self._look_around, "look around now")
        _log.info("configuration taken in", accounts=len(self._charges))

    def _leave(self, charge: Charge) -> None:
        """An account is no longer configured: its sync stops, and nothing more is done for it."""
        charge.stop.request()
        for job in (f"sync:{charge.name}", f"plan:{charge.name}", f"keep-alive:{charge.name}"):
            if self._scheduler.get_job(job) is not None:
                self._scheduler.remove_job(job)
        self._soon(partial(charge.claim, None), f"leave:{charge.name}")
        _log.info("account left", account=charge.name)

    # --- jobs -------------------------------------------------------------------------------------

    def _keep_alive_daily(self, charge: Charge) -> None:
        self._repeat(partial(self._keep_alive, charge), _KEEP_ALIVE, f"keep-alive:{charge.name}")

    def _repeat(
        self, job: Callable[[], object], every: timedelta, name: str, pool: str = _CARE
    ) -> None:
        trigger = IntervalTrigger(seconds=int(every.total_seconds()))
        self._scheduler.add_job(
            job,
            trigger,
            next_run_time=self._clock(),
            id=name,
            replace_existing=True,
            executor=pool,
        )

    def _soon(self, job: Callable[[], object], name: str) -> None:
        trigger = DateTrigger(self._clock())
        self._scheduler.add_job(job, trigger, id=name, replace_existing=True, executor=_CARE)

    def _plan_soon(self, charge: Charge, after: timedelta = timedelta(0)) -> None:
        self._scheduler.add_job(
            partial(self._plan, charge),
            DateTrigger(self._clock() + after),
            id=f"plan:{charge.name}",
            replace_existing=True,
            executor=_PLANS,
        )

    def _plan(self, charge: Charge) -> None:
        """In one of the threads: work out when the next sync begins, and have it begin then."""
        if charge.stop.requested:
            return
        try:
            start = charge.plan()
        except ContactSyncError as error:
            _log.error(
                "the next sync can't be worked out yet", account=charge.name, reason=str(error)
            )
            since = self._unplanned.setdefault(charge.name, self._clock())
            if self._clock() - since >= _STATE_PATIENCE:
                charge.tell_unplanned(error)
            self._orders.put(partial(self._plan_soon, charge, _AFTER_ERROR))
        else:
            self._unplanned.pop(charge.name, None)
            self._orders.put(partial(self._begin_at, charge, start))

    def _begin_at(self, charge: Charge, start: Start) -> None:
        if self._charges.get(charge.name) is not charge:
            return  # it was left meanwhile
        charge.next = start
        self._scheduler.add_job(
            partial(self._sync, charge, start),
            DateTrigger(start.at),
            id=f"sync:{charge.name}",
            replace_existing=True,
            executor=_RUNS,
            max_instances=2,  # the next one may be planned for now before this one has returned
        )
        shown = local_time(charge.settings.schedule, start.at)
        _log.info(
            "next sync",
            account=charge.name,
            at=shown.isoformat(timespec="seconds"),
            why=start.why.value,
        )
        self._show()

    def _sync(self, charge: Charge, start: Start) -> None:
        if charge.stop.requested:
            return
        try:
            charge.sync(start)
        except BaseException as fault:  # noqa: BLE001 (a fault of ours ends this sync alone)
            _log.error("a scheduled job failed", account=charge.name, fault=repr(fault))
        finally:
            self._told_silent.discard(charge.name)
            if not charge.stop.requested:
                self._plan(charge)
                charge.look()
                if charge.next is not None:
                    charge.claim(charge.next.at)

    def _keep_alive(self, charge: Charge) -> None:
        if not charge.stop.requested:
            charge.keep_alive()
            charge.look()

    def _look_around(self) -> None:
        charges = list(self._charges.values())
        for charge in charges:
            if self._stopping:
                return
            charge.look_again()
        claim_missing(self._stores, charges)
        self._show()

    def _tell_broken(self) -> None:
        """Tell people which accounts have a configuration that is wrong."""
        for name, error in self._accounts.broken.items():
            charge = self._charges.get(name)
            try:
                if charge is not None:
                    charge.tell_configuration(str(error))
                    charge.look()
                else:
                    settings = load_alert_settings(self._accounts.place, name)
                    alerting = Alerting(settings, Reopening(self._stores, settings), self._clock)
                    tell_configuration(alerting, str(error))
            except ContactSyncError as fault:
                _log.error("alert not sent", account=name, reason=str(fault))

    # --- what others see --------------------------------------------------------------------------

    def _pulse(self) -> None:
        """Feed the watchdog while a sync could begin, or one that is under way shows life."""
        working = [charge for charge in list(self._charges.values()) if charge.syncing]
        alive = any(charge.silent_for < 2 * _HEARTBEAT for charge in working)
        if alive or len(working) < self._places:
            self._manager.alive()
        for charge in working:
            if self._accounts.many and charge.hangs and charge.name not in self._told_silent:
                self._told_silent.add(charge.name)
                charge.tell_silent()

    def _show(self) -> None:
        """What `systemctl status` shows."""
        self._manager.status(self._overview.line())


def _tell_fault(event: JobExecutionEvent) -> None:
    # A fault of ours: APScheduler would only log it through a logger that nobody reads.
    _log.error("a scheduled job failed", job=event.job_id, fault=repr(event.exception))
