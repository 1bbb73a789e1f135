"""A query or a table of a database, streamed and read-only.

Sources: SQLAlchemy's documents on server side cursors (`stream_results`, `yield_per`); PostgreSQL's
manual on statement_timeout and read-only transactions; MariaDB's on max_statement_time and SET
TRANSACTION; SQLite's on URI file names (mode=ro).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    TextClause,
    column,
    create_engine,
    event,
    false,
    literal_column,
    or_,
    quoted_name,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from sync.clock import utc_now
from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source
from sync.source.as_text import text_series
from sync.source.changes import Newest, since_value
from sync.source.chunk import Chunk, Place, frame_of

_CONNECT_SECONDS = 15
_SQLITE_STEPS = 10_000
_ALIAS = "contact_sync_source"
_EXTRAS = {
    "postgresql": "postgresql",
    "mysql": "mariadb",
    "mariadb": "mariadb",
    "mssql": "mssql",
    "oracle": "oracle",
}


class DatabaseSource:
    """The rows that a SELECT gives; they are counted from 1.

    Args:
        since: Read only rows whose changed_column is not older than this value of `newest`.
    """

    def __init__(self, options: Source, password: str | None, *, since: str | None = None) -> None:
        self._options = options
        self._url = _url(options, password)
        self._since = since
        self._newest = Newest(utc_now())
        what = f"table {options.table}" if options.table else "query"
        self.name = f"{what} on {_address(options).render_as_string(hide_password=True)}"
        with self._reading() as connection:
            result = connection.execute(self._select(only_header=True))
            self.header = tuple(str(name) for name in list(result.keys()))
        if (changed := options.changed_column) and changed not in self.header:
            raise SourceError(
                f"The {what} gives no column “{changed}”, which source.changed_column names; its "
                f"columns are: {', '.join(self.header)}."
            )
        part = f", only rows changed since {since_value(since, timedelta(0))}" if since else ""
        self.description = f"{self.name}{part}"

    @property
    def newest(self) -> str | None:
        """The greatest value of the changed_column that was read."""
        return self._newest.as_text() or self._since

    def chunks(self) -> Iterator[Chunk]:
        """Read all rows; see `ContactSource.chunks`.

        Raises:
            SourceError: the query is wrong or too slow, the connection was lost, or there is no
                row although all were asked for.
        """
        self._newest = Newest(utc_now())
        changed = self._options.changed_column
        at = self.header.index(changed) if changed else None
        row = 1
        deadline = time.monotonic() + self._options.query_timeout.total_seconds()
        with self._reading(lambda: row - 1) as connection:
            chunk_rows = self._options.chunk_rows
            streamed = connection.execution_options(stream_results=True, yield_per=chunk_rows)
            for rows in streamed.execute(self._select()).partitions(chunk_rows):
                if time.monotonic() > deadline:
                    raise self._too_slow()
                columns = list(zip(*rows, strict=True))
                if at is not None:
                    self._newest.add(columns[at])
                frame = frame_of(self.header, [text_series(cells) for cells in columns])
                yield Chunk(frame, np.arange(row, row + len(rows), dtype=np.int64))
                row += len(rows)
        if row == 1 and self._since is None:
            raise SourceError(f"The {self.name} gives no rows.")

    def place(self, row: int) -> Place:
        """The row's number in the result."""
        return Place("", row)

    def _select(self, *, only_header: bool = False) -> Select[tuple[object, ...]] | TextClause:
        options = self._options
        if options.table is not None:
            schema, _, name = options.table.rpartition(".")
            table = Table(name, MetaData(), schema=schema or None)
            selected: Select[tuple[object, ...]] = select(literal_column("*")).select_from(table)
        else:
            statement = (options.query or "").strip().rstrip(";")
            if not only_header and self._since is None:
                return text(_literally(statement))
            inner = text(f"(\n{_literally(statement)}\n) {_ALIAS}")  # Oracle takes no AS here
            selected = select(literal_column("*")).select_from(inner)
        if only_header:
            return selected.where(false())
        if self._since is not None and options.changed_column is not None:
            changed: ColumnClause[object] = column(quoted_name(options.changed_column, quote=True))
            since = since_value(self._since, options.changed_overlap)
            return selected.where(or_(changed >= since, changed.is_(None)))
        return selected

    @contextmanager
    def _reading(self, rows_read: Callable[[], int] = lambda: 0) -> Iterator[Connection]:
        engine = _engine(self._url, self._options)
        try:
            with engine.connect() as connection:
                _limit(connection, self._options.query_timeout)
                try:
                    yield connection
                except BaseException:
                    # Cut it: closed in good order, PyMySQL would read all rows that are left.
                    connection.invalidate()
                    raise
        except DBAPIError as error:
            raise self._failed(error, rows_read()) from None
        except SQLAlchemyError as error:
            raise SourceError(f"The {self.name} can't be read: {_first_line(error)}.") from None
        finally:
            engine.dispose()

    def _failed(self, error: DBAPIError, rows: int) -> SourceError:
        said = _first_line(error.orig or error)
        if any(words in said.lower() for words in _TIMED_OUT):
            return self._too_slow()
        if rows:
            return SourceError(
                f"The connection to the {self.name} was lost after {rows:,} rows ({said}); "
                "nothing was sent."
            )
        return SourceError(f"The {self.name} can't be read: {said}. Nothing was sent.")

    def _too_slow(self) -> SourceError:
        seconds = self._options.query_timeout.total_seconds()
        return SourceError(
            f"The {self.name} took longer than the {seconds:g} seconds that source.query_timeout "
            "allows; nothing was sent."
        )


# What the databases say when their time limit ends a statement.
_TIMED_OUT = ("statement timeout", "max_statement_time", "maximum statement execution", "interrupt")


def read_column(options: Source, password: str | None, query: str) -> list[str]:
    """The first column of another query on the same database, as text.

    Raises:
        SourceError: it can't be read.
    """
    other = options.model_copy(update={"query": query, "table": None, "changed_column": None})
    source = DatabaseSource(other, password)
    try:
        return [cell for chunk in source.chunks() for cell in chunk.frame.iloc[:, 0].astype(object)]
    except SourceError as error:
        if "gives no rows" in str(error):
            return []
        raise


def _url(options: Source, password: str | None) -> URL:
    """Where to connect to; an SQLite file is opened for reading only."""
    url = _address(options)
    if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("file:"):
        return url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return url if password is None else url.set(password=password)


def _address(options: Source) -> URL:
    if options.url is None:
        raise ConfigurationError("source.url names no database.")
    try:
        return make_url(options.url.get_secret_value())
    except ArgumentError:
        raise ConfigurationError(
            "source.url is not an SQLAlchemy address such as "
            "postgresql+psycopg://reader@crm.example.com/crm."
        ) from None


def _engine(url: URL, options: Source) -> Engine:
    backend = url.get_backend_name()
    arguments: dict[str, object] = {}
    if backend == "postgresql":
        arguments = {"connect_timeout": _CONNECT_SECONDS, "keepalives_idle": 60}
    elif backend in ("mysql", "mariadb"):
        patience = int(options.query_timeout.total_seconds()) + _CONNECT_SECONDS
        arguments = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": patience}
    try:
        engine = create_engine(url, connect_args=arguments)
    except NoSuchModuleError:
        raise ConfigurationError(
            f"source.url: “{url.drivername}” is no database that SQLAlchemy knows."
        ) from None
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(backend)
        advice = f"pip install 'contact-sync[{extra}]'" if extra else f"pip install {missing.name}"
        raise ConfigurationError(
            f"The driver {missing.name} for source.url is not installed: {advice}."
        ) from None
    if backend == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    if backend in ("mysql", "mariadb"):
        event.listen(engine, "connect", _read_only_mariadb)
    return engine


def _read_only_mariadb(connection: object, _record: object) -> None:
    with connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _limit(connection: Connection, timeout: timedelta) -> None:
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


def _literally(statement: str) -> str:
    """SQLAlchemy takes :name for a parameter; a person's query has none."""
    return statement.replace(":", r"\:")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
