"""Locks that every process of every host honours, and that a dead holder frees by itself.

Beside SQLite they are files (flock, never unlinked); in PostgreSQL and MariaDB they are advisory
locks held by a connection of their own, which the server frees when the connection ends.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from sync.errors import Busy, StateError

_POLL_SECONDS = 0.05


class Locks:
    """The named locks of one state database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder

    @contextmanager
    def hold(self, name: str, *, wait: timedelta) -> Iterator[None]:
        """Hold the lock `name` for the block; raises Busy when it isn't free within `wait`."""
        backend = self._engine.dialect.name
        if backend == "sqlite":
            holding = _hold_file(self._folder / f"{name}.lock", wait)
        elif backend == "postgresql":
            holding = _hold_postgresql(self._engine, name, wait)
        else:
            holding = _hold_mariadb(self._engine, name, wait)
        with holding:
            yield


@contextmanager
def _hold_file(file: Path, wait: timedelta) -> Iterator[None]:
    lock = FileLock(file, mode=0o600, poll_interval=_POLL_SECONDS)
    try:
        lock.acquire(timeout=wait.total_seconds())
    except Timeout:
        raise _busy(file.stem) from None
    except OSError as error:
        raise StateError(
            f"The lock file {file} can't be used: {error.strerror}; see to its folder, then run "
            "again."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _hold_postgresql(engine: Engine, name: str, wait: timedelta) -> Iterator[None]:
    key = int.from_bytes(_digest(name), signed=True)
    with _own_connection(engine) as connection:
        take = text("SELECT pg_try_advisory_lock(:key)")
        end = time.monotonic() + wait.total_seconds()
        while not connection.scalar(take, {"key": key}):
            if time.monotonic() >= end:
                raise _busy(name)
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def _hold_mariadb(engine: Engine, name: str, wait: timedelta) -> Iterator[None]:
    # MariaDB's names are the server's, not the database's, and have 64 characters at most.
    key = f"contact-sync:{_digest(f'{engine.url.database}/{name}').hex()}"
    with _own_connection(engine) as connection:
        # The connection is idle while the lock is held, and a run may take longer than the
        # server's patience with idle connections (8 hours by default; this is its maximum).
        connection.execute(text("SET SESSION wait_timeout = 31536000"))
        take = text("SELECT GET_LOCK(:key, :seconds)")
        if connection.scalar(take, {"key": key, "seconds": wait.total_seconds()}) != 1:
            raise _busy(name)
        yield


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """A connection outside the pool, really closed at the end, which frees its locks."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    try:
        yield connection
    finally:
        try:
            connection.close()
        except OperationalError:
            # The server has gone, and the lock with it.
            connection.invalidate()


def _busy(name: str) -> Busy:
    return Busy(f"Another process holds the lock {name}; try again later.")


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
