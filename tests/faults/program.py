"""What the fault tests do in processes of their own: before the real program, or in its place."""

import ctypes
import os
import signal
import socket
import struct
import threading
import time
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import event

from sync.auth.cipher import open_cipher
from sync.auth.safekeeping import Safekeeping
from sync.auth.steps import Observer, Step
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault, open_vault
from sync.clock import utc_now
from sync.errors import ContactSyncError, StateError
from sync.settings import load_settings
from sync.state import locks
from sync.state.store import open_store
from sync.state.tokens import StoredPair, begin_refresh
from tests.fake_clock import FakeClock


def die_at(name: str, database_fails: bool = False) -> None:
    """Before the program: let it die by SIGKILL right after a step of its refresh."""

    def observe(step: Step) -> None:
        if step is Step[name]:
            os.kill(os.getpid(), signal.SIGKILL)

    watch(observe)
    if database_fails:
        refuse_new_pairs()


def time_the_window(file: str, database_fails: bool = False) -> None:
    """Before the program: note for how many seconds it holds a new pair that is not durable."""
    answered = 0.0

    def observe(step: Step) -> None:
        nonlocal answered
        if step is Step.ANSWERED:
            answered = time.perf_counter()
        elif step in (Step.STORED, Step.RESCUED):
            with Path(file).open("a") as windows:
                windows.write(f"{step.name} {time.perf_counter() - answered}\n")

    watch(observe)
    if database_fails:
        refuse_new_pairs()


def tell_when_a_refresh_begins(file: str) -> None:
    """Before the program: make a file then; and have a second thread, which hears signals too."""

    def observe(step: Step) -> None:
        if step is Step.BEGUN:
            Path(file).touch()
            # So the signal finds it at this step, on a busy machine as on a quick one.
            time.sleep(0.2)

    watch(observe)
    threading.Thread(target=time.sleep, args=[600], daemon=True).start()


def wait_when_answered(answered: str, go: str) -> None:
    """Before the program: let it make a file when it has a new pair, and wait for another one."""

    def observe(step: Step) -> None:
        if step is Step.ANSWERED:
            Path(answered).touch()
            while not Path(go).exists():
                time.sleep(0.005)

    watch(observe)


def watch(observe: Observer) -> None:
    """Let every vault of this process tell its steps."""
    defaults = Vault.__init__.__kwdefaults__
    assert defaults is not None
    defaults["observe"] = observe


def refuse_new_pairs() -> None:
    """Let the database of this process take no new pair."""

    def refuse(self: Safekeeping, row: StoredPair) -> None:
        raise StateError("The database takes nothing now.")

    Safekeeping._store_once = refuse  # type: ignore[method-assign]


def hold_the_lock_and_vanish(config: Path, with_the_row: bool, ready: Connection) -> None:
    """Take the vault's lock; then be a host without power: hear nothing and say nothing more.

    With the row, that happens right after a statement that changes the pair's row.
    The databases wait one second where they wait for half a minute else.
    """
    locks._MARIADB_PATIENCE_SECONDS = 1
    locks._POSTGRESQL_SERVER_KEEPALIVE.update(
        tcp_keepalives_idle="1", tcp_keepalives_interval="1", tcp_keepalives_count="1"
    )

    def vanish(*_: object) -> None:
        for file in Path("/proc/self/fd").iterdir():
            with suppress(OSError), socket.socket(fileno=os.dup(int(file.name))) as heard:
                heard.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _LET_NOTHING_IN)
        ready.send("held")
        os.kill(os.getpid(), signal.SIGSTOP)

    settings = load_settings(config)
    with (
        open_store(settings) as store,
        store.locks.hold(f"vault-{settings.account.name}", wait=timedelta(seconds=5)),
    ):
        if with_the_row:
            event.listen(
                store.engine,
                "after_cursor_execute",
                lambda _connection, _cursor, statement, *_: (
                    vanish() if statement.startswith("UPDATE token_pair") else None
                ),
            )
            begin_refresh(store, settings.account.name, 1, utc_now())
        else:
            vanish()


# socket(7): a filter of one instruction, which lets nothing of any packet through.
_SO_ATTACH_FILTER = 26
_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_LET_NOTHING_IN = struct.pack("HL", 1, ctypes.addressof(_DROP))


def need_a_token_at_once(
    config: Path, rounds: int, start: Barrier, end: Barrier, answer: Connection
) -> None:
    """Ask for a token with many others, round after round, each time a day later."""
    settings = load_settings(config)
    with open_store(settings) as store:
        clock = FakeClock()
        vault = Vault(settings, store, open_cipher(settings), TokenEndpoint(settings, clock), clock)
        for _ in range(rounds):
            clock.advance(timedelta(days=1))
            start.wait()
            try:
                answer.send(vault.access_token())
            except ContactSyncError as error:
                answer.send(repr(error))
            end.wait()


def hold_the_lock(config: Path, ready: Connection) -> None:
    """Take the vault's lock and keep it until killed."""
    settings = load_settings(config)
    with (
        open_store(settings) as store,
        store.locks.hold(f"vault-{settings.account.name}", wait=timedelta(seconds=5)),
    ):
        ready.send("held")
        time.sleep(600)


def renew_again_and_again(config: Path, times: int, answer: Connection) -> None:
    """Renew with one vault that lives on, as a worker's does; send what went wrong."""
    settings = load_settings(config)
    wrong = []
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        for _ in range(times):
            try:
                vault.keep_alive(unused_for=timedelta(0))
                vault.access_token()
            except ContactSyncError as error:
                wrong.append(repr(error))
    answer.send(wrong)
