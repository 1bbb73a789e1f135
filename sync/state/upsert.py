"""INSERT … SELECT that updates the rows that are there: the one statement each database spells
its own way."""

from collections.abc import Sequence

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
