"""Many rows at once into a table, in the way that each database takes them fastest.

A statement for each row costs some four microseconds, and in SQLite's driver the interpreter's lock
each time, for which the thread that reads the source waits. So whole columns are handed over: to
SQLite in one statement that cuts them up itself, to PostgreSQL by COPY, and to MariaDB as one long
list of VALUES (its LOAD DATA would need a switch on the server).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Table

from sync.text_bytes import raw_bytes

Constant = str | int | None
_ROWS_AT_ONCE = 2_000
# What fills up short texts, and how many times as long all of them may be with it.
_FILLING = b"\x1f"
_AS_WIDE = 2


def insert_columns(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pa.Array],
    constants: Mapping[str, Constant],
) -> None:
    """Insert rows whose values stand in Arrow arrays of one length, or are the same in all.

    An array holds whole numbers (int64), texts (large_string) or binary values of one size. No
    text is the empty one: it would be taken for null.
    """
    match connection.dialect.name:
        case "sqlite":
            _sqlite(connection, table, columns, constants)
        case "postgresql":
            _postgresql(connection, table, columns, constants)
        case _:
            _mariadb(connection, table, columns, constants)


def _sqlite(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pa.Array],
    constants: Mapping[str, Constant],
) -> None:
    parameters: dict[str, Any] = dict(constants)
    values = [f":{name}" for name in constants]
    for name, column in columns.items():
        values.append(_cut(name, column, parameters))
    count = len(next(iter(columns.values())))
    # Something of as many elements as there are rows, which are counted in `key`.
    parameters["rows"] = f"[{','.join('0' * count)}]"
    into = _into(connection, table, [*constants, *columns])
    connection.connection.cursor().execute(
        f"INSERT INTO {into} SELECT {', '.join(values)} "  # noqa: S608 (our names)
        "FROM json_each(:rows)",
        parameters,
    )


def _cut(name: str, column: pa.Array, parameters: dict[str, Any]) -> str:
    """The SQL that cuts a row's value out of the whole column, which becomes a parameter.

    As blobs, since only those are cut without counting their characters from the start.
    """
    if pa.types.is_integer(column.type):
        return _number(name, column, parameters)
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        parameters[name] = _bytes_of(column)
        return f"substr(:{name}, key * {width} + 1, {width})"
    texts = pc.fill_null(column, "")
    lengths = pc.cast(pc.binary_length(texts), pa.int64())
    data = raw_bytes(texts).tobytes()
    width = pc.max(lengths).as_py()
    if width * len(texts) <= _AS_WIDE * len(data) and _FILLING not in data:
        # All as wide as the longest: to cut them takes a third less than to find their ends, too.
        padded = pc.ascii_rpad(texts, width, padding=_FILLING.decode())
        parameters[name] = raw_bytes(padded).tobytes()
        cut = f"CAST(substr(:{name}, key * {width} + 1, {width}) AS TEXT)"
        return f"NULLIF(rtrim({cut}, char({ord(_FILLING)})), '')"
    parameters[name] = data
    size = _number(f"bytes_of_{name}", lengths, parameters)
    end = _number(f"end_of_{name}", pc.cumulative_sum(lengths), parameters)
    return f"NULLIF(CAST(substr(:{name}, {end} - {size} + 1, {size}) AS TEXT), '')"


def _number(name: str, column: pa.Array, parameters: dict[str, Any]) -> str:
    """The SQL of a row's whole number, by its place if each is one more than that before."""
    if column.null_count == 0 and (np.diff(column.to_numpy()) == 1).all():
        parameters[name] = column[0].as_py()
        return f"(:{name} + key)"
    # In decimal digits, all as wide as the greatest; one more each, since null is nought.
    left = pc.fill_null(pc.add(column, 1), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    width = len(str(left.max()))
    digits = np.empty((len(left), width), np.uint8)
    for place in reversed(range(width)):
        left, digits[:, place] = np.divmod(left, 10)
    parameters[name] = (digits + ord("0")).tobytes()
    cut = f"substr(:{name}, key * {width} + 1, {width})"
    return f"NULLIF(CAST(CAST({cut} AS TEXT) AS INTEGER) - 1, -1)"


def _postgresql(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pa.Array],
    constants: Mapping[str, Constant],
) -> None:
    """In COPY's text format (https://www.postgresql.org/docs/current/sql-copy.html)."""
    escapes = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
    into = _into(connection, table, [*constants, *columns])
    cursor: Any = connection.connection.cursor()
    with cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
        for some in _some_at_a_time(columns, constants):
            cells = [_written(column, escapes, r"\N", r"\\x", "") for column in some]
            lines = pc.binary_join_element_wise(*cells, _text("\t"))
            lines = pc.binary_join_element_wise(lines, _text("\n"), _text(""))
            copy.write(raw_bytes(lines).tobytes())


def _mariadb(
    connection: Connection,
    table: Table,
    columns: Mapping[str, pa.Array],
    constants: Mapping[str, Constant],
) -> None:
    escapes = {"\\": r"\\", "'": "''"}
    into = _into(connection, table, [*constants, *columns])
    cursor: Any = connection.connection.cursor()
    with cursor:
        for some in _some_at_a_time(columns, constants):
            cells = [_written(column, escapes, "NULL", "x'", "'") for column in some]
            rows = pc.binary_join_element_wise(*cells, _text(",")).to_pylist()
            cursor.execute(
                f"INSERT INTO {into} VALUES ({'),('.join(rows)})"  # noqa: S608
            )


def _some_at_a_time(
    columns: Mapping[str, pa.Array], constants: Mapping[str, Constant]
) -> Iterator[list[pa.Array | pa.Scalar]]:
    """What is inserted of some rows: all of them, written out, would be several times as large."""
    same = [_repeated(value) for value in constants.values()]
    for start in range(0, len(next(iter(columns.values()))), _ROWS_AT_ONCE):
        yield [*same, *(column.slice(start, _ROWS_AT_ONCE) for column in columns.values())]


def _into(connection: Connection, table: Table, names: Iterable[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(table.name)} ({', '.join(quote(name) for name in names)})"


def _repeated(value: Constant) -> pa.Scalar:
    return pa.scalar(value, pa.int64() if isinstance(value, int) else pa.large_string())


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _written(
    column: pa.Array | pa.Scalar,
    escapes: Mapping[str, str],
    null: str,
    binary: str,
    quote: str,
) -> pa.Array | pa.Scalar:
    """The column's values as each database reads them; `binary` begins a value in hexadecimal."""
    if pa.types.is_integer(column.type):
        texts = pc.cast(column, pa.large_string())
    elif pa.types.is_fixed_size_binary(column.type):
        width = 2 * column.type.byte_width
        digits = pa.py_buffer(_bytes_of(column).hex().encode())
        hexadecimal = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(width), len(column), [None, digits]
        )
        texts = pc.cast(pc.cast(hexadecimal, pa.large_binary()), pa.large_string())
        texts = pc.binary_join_element_wise(_text(binary), texts, _text(quote), _text(""))
    else:
        texts = column
        for character, escaped in escapes.items():
            texts = pc.replace_substring(texts, character, escaped)
        texts = pc.binary_join_element_wise(_text(quote), texts, _text(quote), _text(""))
    return pc.fill_null(texts, null)


def _bytes_of(column: pa.FixedSizeBinaryArray) -> bytes:
    width = column.type.byte_width
    data = column.buffers()[1]
    return bytes(data[column.offset * width : (column.offset + len(column)) * width])
