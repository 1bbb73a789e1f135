"""Rows of the state, some at a time: a million are never in memory at once."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, Select

_FETCHED_AT_ONCE = 10_000


def streamed(
    connection: Connection, statement: Select[tuple[Any, ...]]
) -> Iterator[Row[tuple[Any, ...]]]:
    """The rows, as the database finds them; on MariaDB nothing else can be asked meanwhile."""
    # For this statement alone: as the connection's own option it would hold for all that follow.
    yield from connection.execute(statement, execution_options={"yield_per": _FETCHED_AT_ONCE})
