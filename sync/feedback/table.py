"""The feedback as a table in the company's own database, kept up to date in one transaction.

Sources: PostgreSQL's manual on statement_timeout, lock_timeout and the session's time zone;
PyMySQL's documents on connect_timeout, read_timeout and write_timeout; SQLite's on busy_timeout.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    Inspector,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    inspect,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from sync.feedback.failure import FeedbackFailed
from sync.settings.feedback import Feedback
from sync.state.column_types import OPTIONS
from sync.state.feedback import Line
from sync.state.upsert import upsert
from sync.stop import Stop

_CONNECT_SECONDS = 15
_KEY = ("account", "email", "what", "list_id")
_OTHERS = tuple(field.name for field in fields(Line) if field.name not in _KEY)
_KINDS = {
    "postgresql": "postgresql",
    "mysql": "mariadb",
    "mariadb": "mariadb",
    "sqlite": "sqlite",
}


class FeedbackTable:
    """The table that feedback.table names."""

    def __init__(self, options: Feedback, password: str | None) -> None:
        """Raises FeedbackFailed for an address that makes no sense."""
        self._timeout = options.timeout
        self._url = _url(options, password)
        schema, _, name = (options.table or "").rpartition(".")
        self._table = _described(name, schema or None)
        self.address = f"{options.table} in {self._url.render_as_string(hide_password=True)}"

    def write(self, pages: Callable[[bool], Iterable[list[Line]]], stop: Stop) -> int:
        """Put the lines into the table, which is made when it isn't there; returns how many.

        `pages` is asked for the lines, and told whether the table is new. All of them are written,
        or none. Raises FeedbackFailed, or StopRequested.
        """
        written = 0
        with self._connected() as connection:
            made = not self._is_there(connection)
            if made:
                self._table.create(connection)
            for page in pages(made):
                stop.check()
                upsert(connection, self._table, [_row(line) for line in page], update=_OTHERS)
                written += len(page)
        return written

    def check(self) -> str:
        """How it stands, in words; raises FeedbackFailed when the table can't be used."""
        with self._connected() as connection:
            there = self._is_there(connection)
        return self.address if there else f"{self.address}, which the first sync makes"

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        engine = _engine(self._url, self._timeout)
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise FeedbackFailed(
                f"The feedback table {self.address} can't be written: {_said(error)}."
            ) from None
        finally:
            engine.dispose()

    def _is_there(self, connection: Connection) -> bool:
        """Whether the table is there; raises FeedbackFailed when it is another than is needed."""
        table, inspector = self._table, inspect(connection)
        if not inspector.has_table(table.name, schema=table.schema):
            return False
        there = {each["name"] for each in inspector.get_columns(table.name, schema=table.schema)}
        if missing := [each.name for each in table.columns if each.name not in there]:
            raise FeedbackFailed(
                f"The feedback table {self.address} has no column {', '.join(missing)}: add it, or "
                "name in feedback.table one that isn't there yet, which is made."
            )
        if set(_KEY) not in _unique_keys(inspector, table):
            raise FeedbackFailed(
                f"The feedback table {self.address} has no primary key or unique index on "
                f"{', '.join(_KEY)}: make one, or name in feedback.table one that isn't there yet."
            )
        return True


def _described(name: str, schema: str | None) -> Table:
    types: dict[str, Any] = {
        "account": String(64),
        "email": String(100),
        "what": String(20),
        "list_id": String(36),
        "list_name": String(255),
        "opt_out_source": String(20),
        "reason": Text,
        "source_key": String(255),
    }
    columns = [
        Column(field.name, types.get(field.name, DateTime), primary_key=field.name in _KEY)
        for field in fields(Line)
    ]
    return Table(name, MetaData(), *columns, schema=schema, **OPTIONS)


def _unique_keys(inspector: Inspector, table: Table) -> list[set[str | None]]:
    name, schema = table.name, table.schema
    constraints = inspector.get_unique_constraints(name, schema=schema)
    indexes = inspector.get_indexes(name, schema=schema)
    return [
        set(inspector.get_pk_constraint(name, schema=schema)["constrained_columns"]),
        *(set[str | None](each["column_names"]) for each in constraints),
        *(set(each["column_names"]) for each in indexes if each["unique"]),
    ]


def _row(line: Line) -> dict[str, object]:
    """Times go as UTC without a zone, which every database keeps as they are."""
    return {
        name: value.replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in asdict(line).items()
    }


def _url(options: Feedback, password: str | None) -> URL:
    url = make_url(options.url.get_secret_value() if options.url else "")
    if url.get_backend_name() not in _KINDS:
        raise FeedbackFailed(
            f"feedback.url names {url.drivername}; the table can be kept in "
            "PostgreSQL, MariaDB or SQLite."
        )
    return url if password is None else url.set(password=password)


def _engine(url: URL, timeout: timedelta) -> Engine:
    seconds = timeout.total_seconds()
    backend = _KINDS[url.get_backend_name()]
    connect_timeout = min(_CONNECT_SECONDS, max(2, int(seconds)))
    arguments: dict[str, object] = {"timeout": seconds}
    if backend == "postgresql":
        limit = int(seconds * 1000)
        arguments = {
            "connect_timeout": connect_timeout,
            "keepalives_idle": 30,
            "options": f"-c statement_timeout={limit} -c lock_timeout={limit} -c timezone=UTC",
        }
    elif backend == "mariadb":
        patience = max(1, int(seconds))
        arguments = {
            "connect_timeout": connect_timeout,
            "read_timeout": patience,
            "write_timeout": patience,
            "init_command": "SET time_zone = '+00:00'",
        }
    try:
        return create_engine(url, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        advice = f"pip install 'contact-sync[{backend}]'"
        raise FeedbackFailed(
            f"The driver for feedback.url is missing ({missing}): {advice}."
        ) from None


def _said(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return (str(cause).splitlines() or [type(cause).__name__])[0].strip().rstrip(".")
