"""Locks that every process of every host honours, and that a dead holder frees by itself.

Beside SQLite they are files (flock, never unlinked); in PostgreSQL and MariaDB they are advisory
locks held by a connection of their own, which the server frees when the connection ends.

A lock's connection never comes from the pool: a lock must end with its connection, and whatever
asks the pool for one while the lock is held should find an open one there.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import OperationalError

from sync.errors import Busy, StateError

_POLL_SECONDS = 0.05
# A host that died without a word is noticed by the database server after about 15 + 3 x 5 seconds
# of silence, not after the hours that are usual (libpq's and PostgreSQL's parameters).
_IDLE, _INTERVAL, _COUNT = 15, 5, 3
_POSTGRESQL_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _COUNT,
}
_POSTGRESQL_SERVER_KEEPALIVE = {
    "tcp_keepalives_idle": str(_IDLE),
    "tcp_keepalives_interval": str(_INTERVAL),
    "tcp_keepalives_count": str(_COUNT),
}


class Locks:
    """The named locks of one state database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._backend = engine.dialect.name
        self._folder = _folder_of_locks(engine.url) or folder
        self._unpooled = engine if self._backend == "sqlite" else _unpooled(engine.url)

    @contextmanager
    def hold(self, name: str, *, wait: timedelta) -> Iterator[None]:
        """Hold the lock `name` for the block; raises Busy when it isn't free within `wait`."""
        if self._backend == "sqlite":
            holding = _hold_file(self._folder / f"{name}.lock", wait)
        elif self._backend == "postgresql":
            holding = _hold_postgresql(self._unpooled, name, wait)
        else:
            holding = _hold_mariadb(self._unpooled, name, wait)
        with holding:
            yield


def _folder_of_locks(url: URL) -> Path | None:
    """The folder of a SQLite file: whoever shares the file shares its locks."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).resolve().parent


def _unpooled(url: URL) -> Engine:
    if url.get_backend_name() != "postgresql":
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args=_POSTGRESQL_KEEPALIVE)
    event.listen(engine, "connect", _let_the_server_ask)
    return engine


def _let_the_server_ask(connection: Any, _record: object) -> None:
    # libpq's parameters are the client's own side. The lock is the server's to free, and only its
    # side can notice that this host is dead.
    with connection.cursor() as cursor:
        for name, value in _POSTGRESQL_SERVER_KEEPALIVE.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()


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
    """A new connection, really closed at the end, which frees its locks."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
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
