"""INSERT that minds the rows that are there already: what each database spells its own way."""

from collections.abc import Mapping, Sequence

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
    if connection.dialect.name in ("mysql", "mariadb"):
        statement = mysql.insert(table).from_select(names, rows)
        return connection.execute(
            statement.on_duplicate_key_update({name: statement.inserted[name] for name in update})
        ).rowcount
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put = insert(table).from_select(names, rows)
    return connection.execute(
        put.on_conflict_do_update(
            index_elements=list(key), set_={name: put.excluded[name] for name in update}
        )
    ).rowcount


def insert_missing(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Add the rows whose primary key isn't there yet, even when another process adds them now."""
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    if connection.dialect.name in ("mysql", "mariadb"):
        # Not INSERT IGNORE: two that wait for a third would share a lock, and then deadlock when
        # both of them change the row (InnoDB locks of INSERT).
        put = mysql.insert(table)
        connection.execute(put.on_duplicate_key_update({key[0]: put.inserted[key[0]]}), list(rows))
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).on_conflict_do_nothing(index_elements=key), list(rows))
