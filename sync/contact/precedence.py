"""What sorts rows of one address by age: dates, times and numbers as texts that sort rightly."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.dates import parse_days
from sync.contact.recipes import by_value
from sync.contact.text import text_column, tidy
from sync.settings.options import Duplicates

LONGEST = 40
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?.*", re.ASCII)
_NUMBER = re.compile(r"\d{1,30}", re.ASCII)


def precedences(
    frame: pd.DataFrame, duplicates: Duplicates, date_formats: tuple[str, ...]
) -> pa.Array:
    """A text for each row, the greater the newer; null where the row doesn't say."""
    if duplicates.column is None:
        return pa.nulls(len(frame), pa.large_string())
    column = tidy(text_column(frame[duplicates.column]))
    by_form = by_value(column, _sortable)
    open_cells = pc.and_(pc.is_valid(column), pc.is_null(by_form))
    if not pc.any(open_cells).as_py():
        return by_form
    days = parse_days(pc.if_else(open_cells, column, None), date_formats)
    dates = [
        f"{year:04}-{month:02}-{day:02}" if valid and year else None
        for year, month, day, valid in zip(
            *(numbers.tolist() for numbers in (days.year, days.month, days.day)),
            np.asarray(days.valid).tolist(),
            strict=True,
        )
    ]
    return pc.coalesce(by_form, pa.array(dates, pa.large_string()))


def _sortable(text: str) -> str | None:
    """ISO dates and times as they are, whole numbers padded."""
    if match := _ISO.fullmatch(text):
        return f"{match[1]} {match[2] or ''}".strip()[:LONGEST]
    if _NUMBER.fullmatch(text):
        return text.rjust(30, "0")
    return None
