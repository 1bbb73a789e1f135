"""Locks that every process of every host honours, and that a dead holder frees by itself.

Beside SQLite they are files (flock, never unlinked); in PostgreSQL and MariaDB they are advisory
locks held by a connection of their own, which the server frees when the connection ends.

A lock's connection never comes from the pool: a lock must end with its connection, and whatever
asks the pool for one while the lock is held should find an open one there.

A lock that ends with its connection can end before its holder knows: the server was restarted, say,
and another process has the lock by now. So what may be written only under a lock is written by
`Store.under`, which asks before each commit.
"""

import hashlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from sync.errors import Busy, LockLost, StateError

_POLL_SECONDS = 0.05
# A host that died without a word is noticed by the database server after about 15 + 3 x 5 seconds
# of silence, not after the hours that are usual (libpq's and PostgreSQL's parameters).
_IDLE, _INTERVAL, _COUNT = 15, 5, 3
# MariaDB's and MySQL's own question to a silent host can't be chosen for one connection, but their
# patience with an idle connection can; so a holder that lives must be heard of.
_MARIADB_PATIENCE_SECONDS = 30
# PostgreSQL's code for a lock that was waited for too long.
_LOCK_NOT_AVAILABLE = "55P03"
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


class Held:
    """A lock that is held; a file's can't be lost, and has no connection."""

    def __init__(self, name: str, connection: Connection | None = None) -> None:
        self._name = name
        self._connection = connection
        self._one_at_a_time = threading.Lock()
        self._lost = False

    def confirm(self) -> None:
        """Raise LockLost when it has gone with its connection."""
        if self._connection is None:
            return
        try:
            with self._one_at_a_time:
                if not self._lost:
                    self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            # For good: SQLAlchemy would open another connection, which holds nothing.
            self._lost = True
        if self._lost:
            raise LockLost(
                f"The lock {self._name} was lost with its connection to the state database, and "
                "another process may have it by now: this one writes and sends nothing more; the "
                "next run goes on where it stopped."
            )


class Locks:
    """The named locks of one state database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._backend = engine.dialect.name
        self._folder = _folder_of_locks(engine.url) or folder
        self._unpooled = engine if self._backend == "sqlite" else _unpooled(engine.url)

    @contextmanager
    def hold(self, name: str, *, wait: timedelta) -> Iterator[Held]:
        """Hold the lock `name` for the block; raises Busy when it isn't free within `wait`."""
        if self._backend == "sqlite":
            holding = hold_file(self._folder / f"{name}.lock", wait)
        elif self._backend == "postgresql":
            holding = _hold_postgresql(self._unpooled, name, wait)
        else:
            holding = _hold_mariadb(self._unpooled, name, wait)
        with holding as held:
            yield held


def _folder_of_locks(url: URL) -> Path | None:
    """The folder of a SQLite file: whoever shares the file shares its locks."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).resolve().parent


def _unpooled(url: URL) -> Engine:
    if url.get_backend_name() != "postgresql":
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args=_POSTGRESQL_KEEPALIVE)
    event.listen(engine, "connect", let_the_server_ask)
    return engine


def let_the_server_ask(connection: Any, _record: object) -> None:
    """For a new connection to PostgreSQL: have the server notice soon that this host is dead.

    libpq's parameters are the client's own side. A lock, of a name or of rows, is the server's to
    free.
    """
    with connection.cursor() as cursor:
        for name, value in _POSTGRESQL_SERVER_KEEPALIVE.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()


@contextmanager
def hold_file(file: Path, wait: timedelta) -> Iterator[Held]:
    """Hold a lock file for the block; raises Busy when it isn't free in time, and StateError."""
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
        yield Held(file.stem)
    finally:
        lock.release()


@contextmanager
def _hold_postgresql(engine: Engine, name: str, wait: timedelta) -> Iterator[Held]:
    key = int.from_bytes(_digest(name), signed=True)
    with _own_connection(engine) as connection:
        # In milliseconds; 0 would be for ever, as it is for the statement that waits.
        limit = {"limit": str(max(1, round(wait / timedelta(milliseconds=1))))}
        connection.execute(text("SELECT set_config('lock_timeout', :limit, false)"), limit)
        connection.execute(text("SELECT set_config('statement_timeout', '0', false)"))
        try:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                raise _busy(name) from None
            raise
        yield Held(name, connection)


@contextmanager
def _hold_mariadb(engine: Engine, name: str, wait: timedelta) -> Iterator[Held]:
    # MariaDB's names are the server's, not the database's, and have 64 characters at most.
    key = f"contact-sync:{_digest(f'{engine.url.database}/{name}').hex()}"
    with _own_connection(engine) as connection:
        connection.execute(text(f"SET SESSION wait_timeout = {_MARIADB_PATIENCE_SECONDS}"))
        take = text("SELECT GET_LOCK(:key, :seconds)")
        if connection.scalar(take, {"key": key, "seconds": wait.total_seconds()}) != 1:
            raise _busy(name)
        held = Held(name, connection)
        with _heard_of(held):
            yield held


@contextmanager
def _heard_of(held: Held) -> Iterator[None]:
    """Let the server hear of us for the block."""
    over = threading.Event()

    def tell() -> None:
        # When the connection has gone, so has the lock, and there is nothing more to keep.
        with suppress(LockLost):
            while not over.wait(_MARIADB_PATIENCE_SECONDS / 3):
                held.confirm()

    teller = threading.Thread(target=tell, name="lock", daemon=True)
    # Signals are the main thread's to hear.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    teller.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield
    finally:
        over.set()
        teller.join()


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """A new connection, really closed at the end, which frees its locks."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        yield connection
    finally:
        try:
            connection.close()
        except SQLAlchemyError:
            # The server has gone, and the lock with it.
            with suppress(SQLAlchemyError):
                connection.invalidate()


def _busy(name: str) -> Busy:
    return Busy(f"Another process holds the lock {name}; try again later.")


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
