"""Values of databases, workbooks and Parquet files as the text that a CSV export would have.

One rule for all, so that the same people from any source give the same contacts: dates in ISO 8601,
a time of midnight left out (exports write a date as such a time), numbers without an exponent and
without a useless `.0`, truth as `true` and `false`, several values with commas between them.
"""

import datetime as dt
import json
from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 1e15  # below it a float holds whole numbers exactly


def text_of(value: object) -> str:
    """One value; None is empty."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case Decimal():
            return f"{value:f}"
        case dt.datetime():
            midnight = value.time() == dt.time() and value.tzinfo is None
            return value.date().isoformat() if midnight else value.isoformat(sep=" ")
        case list() | tuple():
            return ", ".join(text_of(each) for each in value)
        case dict():
            return json.dumps(value, ensure_ascii=False, default=text_of)
        case bytes() | bytearray() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case _:
            return str(value)


def text_cells(values: Iterable[object]) -> pa.Array:
    """A column of text cells."""
    cells = list(values)
    try:
        return pc.fill_null(pa.array(cells, pa.large_string()), "")
    except (pa.ArrowException, UnicodeError):
        texts = [text_of(value) for value in cells]
        return pa.array(
            [text.encode("utf-8", "replace").decode() for text in texts], pa.large_string()
        )


def arrow_text(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """An Arrow column of any type as a column of text cells."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        return _filled(column.cast(pa.large_string()))
    return text_cells(column.to_pylist())


def _filled(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    filled = pc.fill_null(column, "")
    return filled.combine_chunks() if isinstance(filled, pa.ChunkedArray) else filled


def _number(value: float) -> str:
    if value != value:  # NaN stands for an empty cell
        return ""
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return f"{Decimal(repr(value)):f}" if abs(value) != float("inf") else str(value)
