"""The worker of one host of a cluster: takes accounts from the queue, and syncs those that are due.

Each host does the same, and none of them leads. Procrastinate's worker runs in the main thread's
event loop, and each look after an account in a thread of its own.
"""

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from importlib.metadata import version
from typing import Any

import structlog

from sync.charge import Charge
from sync.clock import Clock, utc_now
from sync.cluster.attending import Attending
from sync.cluster.queue import Look, Queue, Unreachable, make_tables, open_queue
from sync.errors import ConfigurationError, ContactSyncError, StateError
from sync.overview import Overview
from sync.service_manager import ServiceManager
from sync.settings import Accounts
from sync.state import hosts
from sync.state.hosts import Host
from sync.state.store import Store
from sync.state.stores import Stores

_ROUND = timedelta(seconds=5)
# Every so many rounds: look for accounts without a job; how all accounts stand, for the page; and
# begin anew, as after a start.
_ROUNDS_TO_ALL = 12
_ROUNDS_TO_STANDING = 120
_ROUNDS_TO_BROKEN = 17_280
_AFTER_FAILURE = timedelta(seconds=2)
# A sync that was heard of within this lives; one that waits hears of itself as often.
_LIVELY = timedelta(minutes=1)
# The looks of the worker itself, beside those after accounts.
_OWN_THREADS = 2
_log = structlog.get_logger()


class Command(Enum):
    """What a signal asks for."""

    STOP = "stop"
    RELOAD = "reload"
    RUN = "run"


_SIGNALS = {
    signal.SIGTERM: Command.STOP,
    signal.SIGINT: Command.STOP,
    signal.SIGHUP: Command.RELOAD,
    signal.SIGUSR1: Command.RUN,
}


def of_nobody(loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
    """Say in a sentence that the queue was away, where nobody waits for the task that found out.

    Procrastinate leaves such tasks; the event loop would log them with a traceback.
    """
    if isinstance(error := what.get("exception"), Unreachable):
        _log.warning("the queue was away for a moment", reason=type(error).__name__)
    else:
        loop.default_exception_handler(what)


class ClusterWorker:
    """Works on the accounts of a configuration, with any number of others."""

    def __init__(
        self,
        accounts: Accounts,
        stores: Stores,
        store: Store,
        *,
        reread: Callable[[], Accounts],
        manager: ServiceManager,
        clock: Clock = utc_now,
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._reread = reread
        self._manager = manager
        self._clock = clock
        self._at_once = accounts.any_settings.worker.parallel_runs
        self._attending = Attending(accounts, stores, clock)
        self._overview = Overview(
            lambda: self._attending.charges, lambda: self._accounts, clock, self._present
        )
        self._commands: asyncio.Queue[Command] = asyncio.Queue()
        self._told_silent: set[str] = set()
        now = clock()
        self._host = Host(
            id=uuid.uuid4().hex,
            name=socket.gethostname(),
            pid=os.getpid(),
            version=version("contact-sync"),
            began_at=now,
            seen_at=now,
        )

    def serve(self) -> None:
        """Work until SIGTERM or SIGINT; the second of them ends the process at once.

        SIGHUP reads the configuration again, and SIGUSR1 lets all accounts be synced now. Raises
        StateError when the queue can't be opened.
        """
        make_tables(self._store)
        with ExitStack() as serving:
            try:
                serving.enter_context(self._overview.page())
            except ConfigurationError as error:
                # Another worker of this host may serve it; none of them is less of use without.
                _log.warning("this worker has no page", reason=str(error))
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(of_nobody)
        loop.set_default_executor(ThreadPoolExecutor(self._at_once + _OWN_THREADS))
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._ask, number)
        try:
            async with open_queue(self._store, self._look) as queue:
                await self._work(queue)
        except Unreachable as error:
            raise StateError(
                f"The queue in {self._store.address} can't be opened: {type(error).__name__}; see "
                "to the database, then start again."
            ) from None

    async def _work(self, queue: Queue) -> None:
        _log.info("worker started", accounts=len(self._attending.charges), host=self._host.name)
        tasks = {
            asyncio.create_task(each(queue))
            for each in (self._obey, self._keep_working, self._keep_watch)
        }
        self._manager.ready()
        ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._manager.stopping()
        _log.info("worker stopping")
        self._attending.stop()
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        with suppress(StateError):
            hosts.leave(self._store, self._host.id)
        for task in ended:
            task.result()  # of what ends by itself only obeying may; else it is a fault of ours

    # --- commands ---------------------------------------------------------------------------------

    def _ask(self, number: signal.Signals) -> None:
        command = _SIGNALS[number]
        if command is Command.STOP:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
            self._attending.stop()
        self._commands.put_nowait(command)

    async def _obey(self, queue: Queue) -> None:
        while (command := await self._commands.get()) is not Command.STOP:
            try:
                if command is Command.RELOAD:
                    await asyncio.to_thread(self._reload)
                    await self._plan(queue, self._accounts.settings)
                    await asyncio.to_thread(self._attending.look_around)
                else:
                    now = Look(self._clock(), asked_at=self._clock())
                    for charge in self._attending.charges:
                        await queue.put(charge.name, now)
            except (*Unreachable, ContactSyncError) as error:
                _log.error("the state is out of reach", reason=type(error).__name__)

    def _reload(self) -> None:
        """Take the configuration in again; a bad one is refused, and the old one kept."""
        self._manager.reloading()
        try:
            accounts = self._reread()
            refuse_other_states(accounts, self._accounts.any_settings.state_url)
        except ContactSyncError as error:
            _log.error("configuration refused, the old one is kept", reason=str(error))
        else:
            self._accounts = accounts
            self._attending.take_in(accounts)
            _log.info("configuration taken in", accounts=len(self._attending.charges))
        self._manager.ready()

    # --- work -------------------------------------------------------------------------------------

    async def _look(self, account: str, planned: Look) -> Look | None:
        return await asyncio.to_thread(self._attending.look, account, planned)

    async def _keep_working(self, queue: Queue) -> None:
        """Take accounts from the queue, also after the database was away."""
        while True:
            try:
                await queue.work(self._at_once)
            except Unreachable as error:
                _log.warning("the queue is out of reach", reason=type(error).__name__)
            await asyncio.sleep(_AFTER_FAILURE.total_seconds())

    async def _keep_watch(self, queue: Queue) -> None:
        """Show life, take over from the dead, and see that every account has its turn."""
        rounds = 0
        while True:
            try:
                if not rounds:
                    await asyncio.to_thread(self._attending.settle)
                    await self._plan(queue, self._accounts.settings)
                    await asyncio.to_thread(self._attending.tell_broken)
                await self._watch(queue)
                if not rounds % _ROUNDS_TO_ALL:
                    await self._plan(queue, await queue.without_job(self._accounts.settings))
                if not rounds % _ROUNDS_TO_STANDING:
                    await asyncio.to_thread(self._attending.look_around)
                rounds = (rounds + 1) % _ROUNDS_TO_BROKEN
            except (*Unreachable, ContactSyncError) as error:
                # What was left unfinished when it went away is settled when it is back.
                rounds = 0
                _log.warning("the state is out of reach", reason=type(error).__name__)
            await asyncio.sleep(_ROUND.total_seconds())

    async def _watch(self, queue: Queue) -> None:
        working = [charge for charge in self._attending.charges if charge.syncing]
        if len(working) < self._at_once or any(each.silent_for < _LIVELY for each in working):
            self._manager.alive()
        for account in await queue.take_over(self._clock()):
            _log.warning("taken over from a worker that has died", account=account)
        await asyncio.to_thread(self._show, working)

    async def _plan(self, queue: Queue, accounts: Collection[str]) -> None:
        """Let each of the accounts wait for its next look."""
        await queue.put_all(await asyncio.to_thread(self._attending.plan, accounts))

    # --- what others see --------------------------------------------------------------------------

    def _show(self, working: Sequence[Charge]) -> None:
        doing = tuple(f"{each.name}: {each.live.shown or 'begins'}" for each in working)
        self._manager.status("; ".join(doing) or "Waiting for what is due")
        self._host = replace(self._host, seen_at=self._clock(), doing=doing)
        hosts.show(self._store, self._host)
        self._told_silent &= {each.name for each in working}
        for charge in working:
            if charge.hangs and charge.name not in self._told_silent:
                self._told_silent.add(charge.name)
                charge.tell_silent()

    def _present(self) -> Sequence[Host]:
        return hosts.present(self._store)


def refuse_other_states(accounts: Accounts, home: str) -> None:
    """Raise ConfigurationError when an account is not in the database of the cluster."""
    elsewhere = [name for name, each in accounts.settings.items() if each.state_url != home]
    if elsewhere:
        raise ConfigurationError(
            "With [cluster] all accounts are in one database, for as long as a worker runs, but "
            f"state.url is another one for {', '.join(elsewhere)}: say it in defaults.toml alone, "
            "and restart the worker."
        )
