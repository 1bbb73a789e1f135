"""INSERT that minds the rows that are there already: what each database spells its own way."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, Update

from sync.state.column_types import MARIADB


def upsert_selected(
    connection: Connection,
    table: Table,
    rows: Select[tuple[object, ...]],
    *,
    update: Sequence[str],
) -> None:
    """Put the selected rows into `table`; where the primary key is there, set `update` alone.

    The selected columns carry the table's column names.
    """
    names = [column.name for column in rows.selected_columns]
    put = _insert(connection, table).from_select(names, rows)
    connection.execute(_minding(connection, put, table, update))


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    *,
    update: Sequence[str] = (),
) -> None:
    """Put the rows into `table`; where the primary key is there already, set `update` alone.

    It holds also when another process puts the same rows now.
    """
    if rows:
        put = _insert(connection, table)
        connection.execute(_minding(connection, put, table, update), list(rows))


def update_or_put(
    connection: Connection,
    update: Update,
    values: Mapping[str, object],
    table: Table,
    row: Mapping[str, object],
) -> bool:
    """Carry out the `update` of one row with its `values`; False when it concerns none.

    When it finds none, `row` is put there, unless it is there, and the update carried out again.
    So where the row is there already, as it mostly is, one statement does.
    """
    # Those that are found count, on MariaDB too: SQLAlchemy asks it for that (CLIENT_FOUND_ROWS).
    if connection.execute(update, values).rowcount == 0:
        upsert(connection, table, [row])
        return connection.execute(update, values).rowcount == 1
    return True


def _insert(connection: Connection, table: Table) -> Any:
    """The databases' inserts have no common type for what `_minding` asks of them."""
    # The others are not loaded: they take as long as a tenth of SQLAlchemy.
    if connection.dialect.name in MARIADB:
        from sqlalchemy.dialects import mysql

        return mysql.insert(table)
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _minding(connection: Connection, put: Any, table: Table, update: Sequence[str]) -> Any:
    """The insert that sets `update` of a row that is there already, and nothing without it."""
    key = [column.name for column in table.primary_key]
    if connection.dialect.name in MARIADB:
        # Not INSERT IGNORE: two that wait for a third would share a lock, and then deadlock when
        # both of them change the row (InnoDB's locks of INSERT).
        return put.on_duplicate_key_update({name: put.inserted[name] for name in update or key[:1]})
    if update:
        values = {name: put.excluded[name] for name in update}
        return put.on_conflict_do_update(index_elements=key, set_=values)
    return put.on_conflict_do_nothing(index_elements=key)
