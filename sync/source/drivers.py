"""The drivers of the databases: how each is opened, kept from writing, and limited in time.

Sources: PostgreSQL's manual on statement_timeout and read-only transactions; MariaDB's on
max_statement_time and SET TRANSACTION; pyodbc's wiki on Connection.timeout; python-oracledb's
documents on call_timeout.
"""

import time
from datetime import timedelta

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import NoSuchModuleError

from sync.errors import ConfigurationError
from sync.extras import how_to_install

_CONNECT_SECONDS = 15
_SQLITE_STEPS = 10_000
# The extra of each kind of database, and the start of the addresses for which it has the driver.
# What the databases say when their time limit ends a statement.
_TIMED_OUT = (
    "statement timeout",
    "max_statement_time",
    "maximum statement execution",
    "interrupt",
    "query timeout expired",
    "call timeout",
)


def open_engine(url: URL, query_timeout: timedelta) -> Engine:
    """An engine whose connections only read, where the database can be told so.

    Raises ConfigurationError when the driver is missing.
    """
    try:
        engine = create_engine(url, connect_args=_arguments(url, query_timeout))
    except NoSuchModuleError:
        raise ConfigurationError(
            f"source.url: “{url.drivername}” is no database that SQLAlchemy knows."
        ) from None
    except ImportError as missing:
        raise ConfigurationError(_without_driver(url, missing)) from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    if backend in ("mysql", "mariadb"):
        event.listen(engine, "connect", _read_only_mariadb)
    return engine


def limit_time(connection: Connection, timeout: timedelta) -> None:
    """Let the database itself end a query that takes too long."""
    seconds = timeout.total_seconds()
    dialect = connection.dialect
    if dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
    elif dialect.name in ("mysql", "mariadb"):
        if getattr(dialect, "is_mariadb", False):
            connection.exec_driver_sql(f"SET SESSION max_statement_time = {seconds:.3f}")
        else:
            connection.exec_driver_sql(f"SET SESSION max_execution_time = {int(seconds * 1000)}")
    elif dialect.name == "sqlite":
        deadline = time.monotonic() + seconds
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.set_progress_handler(lambda: time.monotonic() > deadline, _SQLITE_STEPS)
    elif dialect.name == "mssql" and dialect.driver == "pyodbc":
        setattr(connection.connection.driver_connection, "timeout", int(seconds) or 1)  # noqa: B010
    elif dialect.name == "oracle" and dialect.driver == "oracledb":
        milliseconds = int(seconds * 1000)
        setattr(connection.connection.driver_connection, "call_timeout", milliseconds)  # noqa: B010


def is_time_out(said: str) -> bool:
    """Whether a database's words mean that the time was up."""
    return any(words in said.lower() for words in _TIMED_OUT)


def first_line(error: BaseException) -> str:
    """What the driver says, in one line."""
    # PyMySQL and pyodbc say a code and a text.
    texts = [each for each in error.args[1:2] if isinstance(each, str)] or [str(error)]
    return (texts[0].splitlines() or [type(error).__name__])[0].strip().rstrip(".")


def _arguments(url: URL, query_timeout: timedelta) -> dict[str, object]:
    """The driver's own options, so that a host that never answers is given up."""
    if url.get_backend_name() == "postgresql":
        return {"connect_timeout": _CONNECT_SECONDS, "keepalives_idle": 60}
    if url.get_backend_name() in ("mysql", "mariadb"):
        patience = int(query_timeout.total_seconds()) + _CONNECT_SECONDS
        return {"connect_timeout": _CONNECT_SECONDS, "read_timeout": patience}
    if url.drivername == "mssql+pyodbc":
        return {"timeout": _CONNECT_SECONDS}
    if url.drivername == "oracle+oracledb":
        return {"tcp_connect_timeout": _CONNECT_SECONDS}
    return {}


def _without_driver(url: URL, missing: ImportError) -> str:
    """What to do when the driver is not there, or lacks a library of the system."""
    if not isinstance(missing, ModuleNotFoundError):
        return (
            f"The driver for source.url can't be loaded: {first_line(missing)}. Install that "
            "library of the system; for SQL Server it comes with Microsoft's ODBC driver."
        )
    advice = how_to_install(missing.name, url.drivername, "source.url")
    return f"The driver {missing.name} for source.url is not installed: {advice}."


def _read_only_mariadb(connection: object, _record: object) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
