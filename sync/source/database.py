"""A query or a table of a database, streamed and read-only.

Sources: SQLAlchemy's documents on server side cursors (`stream_results`, `yield_per`) and on the
case of Oracle's names; SQLite's on URI file names (mode=ro).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import pyarrow as pa
from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    MetaData,
    Select,
    Table,
    TextClause,
    column,
    literal_column,
    or_,
    quoted_name,
    select,
    text,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sync.clock import utc_now
from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source
from sync.source.as_text import text_cells
from sync.source.changes import Newest, since_value
from sync.source.chunk import Chunk, Place, frame_of
from sync.source.drivers import first_line, is_time_out, limit_time, open_engine

_ALIAS = "contact_sync_source"
# So many rows are fetched together: as the driver's own objects they are much larger.
_AT_ONCE = 2_000


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
        parts: list[list[pa.Array]] = []
        with self._reading(lambda: row - 1) as connection:
            at_once = min(self._options.chunk_rows, _AT_ONCE)
            streamed = connection.execution_options(stream_results=True, yield_per=at_once)
            for rows in streamed.execute(self._select()).partitions(at_once):
                if time.monotonic() > deadline:
                    raise self._too_slow()
                columns = list(zip(*rows, strict=True))
                if at is not None:
                    self._newest.add(columns[at])
                parts.append([text_cells(cells) for cells in columns])
                row += len(rows)
                if (len(parts) + 1) * at_once > self._options.chunk_rows:
                    yield self._chunk(parts, row)
                    parts = []
            if parts:
                yield self._chunk(parts, row)
        if row == 1 and self._since is None:
            raise SourceError(f"The {self.name} gives no rows.")

    def place(self, row: int) -> Place:
        """The row's number in the result."""
        return Place("", row)

    def _chunk(self, parts: list[list[pa.Array]], next_row: int) -> Chunk:
        columns = [pa.concat_arrays(column) for column in zip(*parts, strict=True)]
        rows = np.arange(next_row - len(columns[0]), next_row, dtype=np.int64)
        return Chunk(frame_of(self.header, columns), rows)

    def _select(self, *, only_header: bool = False) -> Select[tuple[object, ...]] | TextClause:
        since = None if only_header else self._since
        return statement(self._options, self._url, since, only_header=only_header)

    @contextmanager
    def _reading(self, rows_read: Callable[[], int] = lambda: 0) -> Iterator[Connection]:
        engine = open_engine(self._url, self._options.query_timeout)
        try:
            with engine.connect() as connection:
                limit_time(connection, self._options.query_timeout)
                try:
                    yield connection
                except BaseException:
                    # Cut it: closed in good order, PyMySQL would read all rows that are left.
                    connection.invalidate()
                    raise
        except DBAPIError as error:
            raise self._failed(error, rows_read()) from None
        except SQLAlchemyError as error:
            raise SourceError(f"The {self.name} can't be read: {first_line(error)}.") from None
        finally:
            engine.dispose()

    def _failed(self, error: DBAPIError, rows: int) -> SourceError:
        said = first_line(error.orig or error)
        if is_time_out(said):
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


def statement(
    options: Source, url: URL, since: str | None, *, only_header: bool = False
) -> Select[tuple[object, ...]] | TextClause:
    """What is asked: all rows, those changed since, or none (for the names of the columns)."""
    if options.table is not None:
        schema, _, name = options.table.rpartition(".")
        table = Table(name, MetaData(), schema=schema or None)
        selected: Select[tuple[object, ...]] = select(literal_column("*")).select_from(table)
    else:
        query = (options.query or "").strip().rstrip(";")
        if not only_header and since is None:
            return text(_literally(query))
        inner = text(f"(\n{_literally(query)}\n) {_ALIAS}")  # Oracle takes no AS here
        selected = select(literal_column("*")).select_from(inner)
    if only_header:
        # SQLAlchemy writes false() as a bare 0 for Oracle, which takes no number for a condition.
        return selected.where(literal_column("1") == literal_column("0"))
    if since is not None and options.changed_column is not None:
        # SQLAlchemy names Oracle's columns in lower case, which in quotes they are not.
        quote = None if url.get_backend_name() == "oracle" else True
        changed: ColumnClause[object] = column(quoted_name(options.changed_column, quote=quote))
        earliest = since_value(since, options.changed_overlap)
        return selected.where(or_(changed >= earliest, changed.is_(None)))
    return selected


def _url(options: Source, password: str | None) -> URL:
    """Where to connect to; an SQLite file is opened for reading only."""
    url = _address(options)
    if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("file:"):
        return url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return url if password is None else url.set(password=password)


def _address(options: Source) -> URL:
    if options.url is None:
        raise ConfigurationError("source.url names no database.")
    return make_url(options.url.get_secret_value())


def _literally(statement: str) -> str:
    """SQLAlchemy takes :name for a parameter; a person's query has none."""
    return statement.replace(":", r"\:")
