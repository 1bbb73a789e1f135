"""The state database: opening it, bringing its tables up to date, and its transactions."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import tenacity
from sqlalchemy import Connection, Dialect, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.util import LRUCache

from sync.errors import ConfigurationError, StateError
from sync.extras import how_to_install
from sync.settings import Settings
from sync.state.column_types import MARIADB
from sync.state.locks import Held, Locks, let_the_server_ask
from sync.state.migrate import migrate

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
# For how long a statement waits for what another transaction has locked.
_PATIENCE_SECONDS = 30
# MariaDB leaves the rows of a host that vanished in the middle of a transaction locked until its
# wait_timeout, 8 hours. No transaction lets the server wait that long between two statements.
_MARIADB_LONGEST_PAUSE_SECONDS = 600
# More than there are; SQLAlchemy's own number.
_STATEMENTS = 500
_SEE_TO_SERVER = "see to the database, whether its server runs, can be reached and has room"
# What a connection remembers, so that it isn't asked for again with each transaction.
_SYNCHRONOUS = "synchronous"
# PostgreSQL's insufficient_privilege (https://www.postgresql.org/docs/current/errcodes-appendix.html)
_NO_RIGHT = "42501"
# What a broken or full database raises is any other than these, which are faults in our own SQL.
_OUR_FAULTS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)


class Transactions(Protocol):
    """What reads and writes a state database; see `Store`."""

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads; raises StateError."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that may write, durable at its end; raises StateError."""
        ...


class Store:
    """The state database of one or many accounts.

    `read` and `write` are its only doors: a write transaction is durable when its block ends,
    and what the database can't do is raised as a StateError.
    """

    def __init__(self, engine: Engine, locks: Locks, shared: "Store | None" = None) -> None:
        self.engine = engine
        self.locks = locks
        self._shared = shared
        self._held: Held | None = None

    def under(self, held: Held) -> "Store":
        """The same database for what may be written only while the lock is held.

        Its `write` raises LockLost, and has written nothing, when the lock has gone.
        """
        under = copy(self)
        under._held = held
        return under

    @property
    def shared(self) -> "Store":
        """Where what the accounts of an application have in common is counted."""
        return self._shared or self

    @property
    def address(self) -> str:
        """Where the database is, without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; raises StateError."""
        with self._faults("read"), self.engine.connect() as connection, connection.begin():
            yield connection

    def write(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """A transaction that may write, durable at its end; raises StateError.

        One that is not `durable` doesn't wait for the disk: it outlives the process, but not a loss
        of power, before which the next durable one has made it durable too. MariaDB waits always.
        """
        return self._write(write=True, durable=durable)

    def write_one(self) -> AbstractContextManager[Connection]:
        """Like `write`, for one statement, which MariaDB then commits by itself.

        So a host that vanishes between the statement and its commit leaves no row locked there.
        PostgreSQL notices soon that it is gone.
        """
        if self.engine.dialect.name in MARIADB:
            return self._write(write=True, isolation_level="AUTOCOMMIT")
        return self.write()

    @contextmanager
    def _write(self, **options: Any) -> Iterator[Connection]:
        with (
            self._faults("written"),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection
            if self._held is not None:
                # Before the commit, so that whoever has the lock next finds this, or nothing of it.
                self._held.confirm()

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        try:
            yield
        except _OUR_FAULTS as error:
            if getattr(error.orig, "sqlstate", None) != _NO_RIGHT:
                raise
            raise StateError(
                f"The state database {self.address} can't be {what}: {_cause(error)}; let its user "
                "own the database, or make tables in the schema public, then run again."
            ) from error
        except (DatabaseError, InterfaceError) as error:
            local = self.engine.dialect.name == "sqlite"
            see_to = "see to the database or its disk" if local else _SEE_TO_SERVER
            raise StateError(
                f"The state database {self.address} can't be {what}: {_cause(error)}; {see_to}, "
                "then run again."
            ) from error

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The state database of the configuration, its tables brought up to date.

    Raises StateError when it can't be opened or comes from a newer version, and
    ConfigurationError when its address makes no sense.
    """
    with ExitStack() as opened:
        shared = None
        if settings.shared_state_url != settings.state_url:
            folder = settings.state.shared_directory or settings.state.directory
            shared = opened.enter_context(open_database(settings.shared_state_url, folder))
        yield opened.enter_context(
            open_database(settings.state_url, settings.state.directory, shared)
        )


@contextmanager
def open_database(address: str, folder: Path, shared: Store | None = None) -> Iterator[Store]:
    """A database, its tables brought up to date, whose files and locks lie in the folder.

    Raises what `open_store` does.
    """
    make_private_folder(folder)
    engine = _engine(address)
    store = Store(engine, Locks(engine, folder), shared)
    try:
        with store._faults("opened"):
            migrate(engine, store.locks)
        yield store
    finally:
        store.close()


def make_private_folder(folder: Path) -> None:
    """Make a folder for this user alone, if it is not there; raises StateError."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"The state directory {folder} can't be made: {error.strerror}; name another in "
            "state.directory, or give this user the right to write there."
        ) from None


def _engine(address: str) -> Engine:
    url = make_url(address)
    try:
        if url.get_backend_name() == "sqlite":
            return open_sqlite(url)
        # There are as many connections as threads; none of them shall wait for another's.
        engine = create_engine(
            url, isolation_level="READ COMMITTED", pool_pre_ping=True, max_overflow=-1
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(_unusable(url, error)) from None
    if url.get_backend_name() == "postgresql":
        event.listen(engine, "connect", let_the_server_ask)
        event.listen(engine, "begin", _begin_postgresql)
        limits = f"SET lock_timeout = '{_PATIENCE_SECONDS}s'"
    else:
        # MySQL, which has no such limit, takes the end for a comment.
        limits = (
            f"SET SESSION innodb_lock_wait_timeout = {_PATIENCE_SECONDS}, "
            f"lock_wait_timeout = {_PATIENCE_SECONDS} /*M!100300 , "
            f"idle_write_transaction_timeout = {_MARIADB_LONGEST_PAUSE_SECONDS} */"
        )
    event.listen(engine, "connect", partial(_limit, limits))
    return engine


def _unusable(url: URL, error: NoSuchModuleError | ModuleNotFoundError) -> str:
    """What to do about an address that begins so; no more of it is told: it may hold a password."""
    start, known = url.drivername, ("postgresql", *MARIADB)
    if isinstance(error, ModuleNotFoundError) and url.get_backend_name() in known:
        advice = how_to_install(error.name, start, "it")
        return f"state.url needs the package {error.name}, which is not installed: {advice}."
    return (
        f"state.url begins with {start}://, by which no database is known: PostgreSQL's address "
        "begins with postgresql+psycopg://, and MariaDB's with mysql+pymysql://."
    )


def _limit(limits: str, connection: Any, _record: object) -> None:
    """Set the limits of a new connection to a server."""
    with connection.cursor() as cursor:
        cursor.execute(limits)
    connection.commit()


def open_sqlite(url: URL) -> Engine:
    """A SQLite file as the store uses it; it is made when it is not there. Raises StateError."""
    file = Path(url.database or "")
    try:
        # One that is there keeps its time: `Stores.mark` tells by it whether it was written.
        if not os.access(file, os.W_OK):
            file.touch(mode=PRIVATE_FILE)
    except OSError as error:
        raise StateError(
            f"The state database {file} can't be written: {error.strerror}; see to its folder and "
            "its disk, then run again."
        ) from None
    engine = _engine_of_file(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _engine_of_file(url: URL) -> Engine:
    """Like `create_engine`, which would give each file a dialect and a cache of its own.

    A worker opens the files of hundreds of accounts for a few statements each, and most of the time
    went into compiling them anew.
    """
    dialect, statements = _of_all_files()
    place, options = dialect.create_connect_args(url)
    options["timeout"] = _PATIENCE_SECONDS
    pool = QueuePool(lambda: dialect.connect(*place, **options), dialect=dialect)
    return Engine(pool, dialect, url, execution_options={"compiled_cache": statements})


@cache
def _of_all_files() -> tuple[Dialect, LRUCache[Any, Any]]:
    """SQLite's dialect, which knows the library's version, and the statements compiled in it."""
    engine = create_engine("sqlite://")
    with engine.connect():
        pass
    engine.dispose()
    return engine.dialect, LRUCache(_STATEMENTS)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling is off: it would begin too late (see _begin_sqlite).
    connection.isolation_level = None
    # SQLite does not wait by itself here for another process that writes: first starts collide.
    patiently = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_busy),
        stop=tenacity.stop_after_delay(_PATIENCE_SECONDS),
        wait=tenacity.wait_random(0, 0.05),
        reraise=True,
    )
    patiently(connection.execute, "PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    # Some distributions build SQLite so that it fills with zeros whatever is freed, and to forget
    # what is staged wrote all of it once more. Now only what lies in pages that are written anyway
    # (https://sqlite.org/pragma.html#pragma_secure_delete).
    connection.execute("PRAGMA secure_delete=FAST")
    # For a million contacts: what is read again and again stays in memory (8 MB), and the log is
    # brought into the file when it is twice as large.
    connection.execute("PRAGMA cache_size=-8000")
    connection.execute("PRAGMA wal_autocheckpoint=4000")


def _is_busy(error: BaseException) -> bool:
    return (
        isinstance(error, sqlite3.OperationalError)
        and error.sqlite_errorcode == sqlite3.SQLITE_BUSY
    )


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that will write takes the write lock at once: two that both began by reading
    # could otherwise neither of them go on (https://sqlite.org/isolation.html).
    options: dict[str, Any] = dict(connection.get_execution_options())
    if not options.get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    # In WAL mode NORMAL waits at no commit (https://sqlite.org/pragma.html#pragma_synchronous).
    synchronous = "FULL" if options.get("durable", True) else "NORMAL"
    if connection.info.get(_SYNCHRONOUS) != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.info[_SYNCHRONOUS] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    if not options.get("durable", True):
        # https://www.postgresql.org/docs/current/wal-async-commit.html
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def _cause(error: DatabaseError | InterfaceError) -> str:
    return str(error.orig).splitlines()[0].strip() if error.orig else type(error).__name__
