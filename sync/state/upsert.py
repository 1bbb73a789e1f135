"""INSERT that minds the rows that are there already: what each database spells its own way."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite


def upsert_selected(
    connection: Connection,
    table: Table,
    rows: Select[tuple[object, ...]],
    *,
    key: Sequence[str],
    update: Sequence[str],
) -> int:
    """Put the selected rows into `table`; where `key` is there already, set `update` alone.

    The selected columns carry the table's column names. Returns the number of selected rows that
    were put, as far as the database counts them.
    """
    names = [column.name for column in rows.selected_columns]
    if _is_mariadb(connection):
        statement = mysql.insert(table).from_select(names, rows)
        return connection.execute(
            statement.on_duplicate_key_update({name: statement.inserted[name] for name in update})
        ).rowcount
    put = _insert(connection, table).from_select(names, rows)
    return connection.execute(
        put.on_conflict_do_update(
            index_elements=list(key), set_={name: put.excluded[name] for name in update}
        )
    ).rowcount


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
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    if _is_mariadb(connection):
        # Not INSERT IGNORE: two that wait for a third would share a lock, and then deadlock when
        # both of them change the row (InnoDB's locks of INSERT).
        put = mysql.insert(table)
        values = {name: put.inserted[name] for name in update or key[:1]}
        connection.execute(put.on_duplicate_key_update(values), list(rows))
        return
    insert = _insert(connection, table)
    if update:
        statement = insert.on_conflict_do_update(
            index_elements=key, set_={name: insert.excluded[name] for name in update}
        )
    else:
        statement = insert.on_conflict_do_nothing(index_elements=key)
    connection.execute(statement, list(rows))


def _is_mariadb(connection: Connection) -> bool:
    return connection.dialect.name in ("mysql", "mariadb")


def _insert(connection: Connection, table: Table) -> Any:
    """SQLite's and PostgreSQL's inserts have no common type, but the same methods."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
