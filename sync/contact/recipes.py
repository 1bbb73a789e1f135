"""From source columns to one field's cells, as its recipe says."""

import datetime as dt
from collections.abc import Callable
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.dates import parse_days
from sync.contact.findings import Finding, Severity
from sync.contact.text import as_mask, joined, literal, text_column, tidy, without_empty
from sync.settings.mapping import Change, Recipe


def cook(
    name: str, recipe: Recipe, frame: pd.DataFrame, date_formats: tuple[str, ...]
) -> tuple[pa.Array, tuple[Finding, ...]]:
    """The cells of the field `name`, and what could not be done; nothing is raised."""
    if recipe.is_plain:
        return text_column(frame[recipe.column]), ()
    column = tidy(_gathered(recipe, frame))
    for change in recipe.changes:
        column = _CHANGES[change](column)
    if recipe.values:
        column = translated(column, recipe.values, keep_others=recipe.other_values == "keep")
    if recipe.date_as is None:
        return column, ()
    return _rewritten(name, column, recipe.date_formats or date_formats, recipe.date_as)


def translated(column: pa.Array, values: dict[str, str], *, keep_others: bool) -> pa.Array:
    """Whole values replaced, capitals not mattering; each different value is looked at once."""
    by_key = {key.strip().casefold(): value for key, value in values.items()}

    def translate(text: str) -> str | None:
        return by_key.get(text.casefold(), text if keep_others else None)

    return without_empty(by_value(column, translate))


def by_value(column: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """Each different value changed once, by a function on texts."""
    coded = column.dictionary_encode()
    changed = [change(text) for text in coded.dictionary.to_pylist()]
    return pa.array(changed, pa.large_string()).take(coded.indices)


def _gathered(recipe: Recipe, frame: pd.DataFrame) -> pa.Array:
    if recipe.constant is not None:
        return pa.repeat(literal(recipe.constant), len(frame))
    columns = [tidy(text_column(frame[column])) for column in recipe.columns]
    if recipe.join:
        return joined(columns, recipe.separator)
    return reduce(lambda found, column: pc.coalesce(found, column), columns)


def _title(column: pa.Array) -> pa.Array:
    # A letter after an apostrophe is a name's (O'Neill), but for the English genitive.
    return pc.replace_substring_regex(pc.utf8_title(column), r"(['’])S\b", r"\1s")


_CHANGES: dict[Change, Callable[[pa.Array], pa.Array]] = {
    "strip": pc.utf8_trim_whitespace,
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
    "title": _title,
}


def _rewritten(
    name: str, column: pa.Array, formats: tuple[str, ...], form: str
) -> tuple[pa.Array, tuple[Finding, ...]]:
    coded = column.dictionary_encode()
    days = parse_days(coded.dictionary, formats)
    written = [
        dt.date(year, month, day).strftime(form) if valid and year else None
        for year, month, day, valid in zip(
            days.year.tolist(),
            days.month.tolist(),
            days.day.tolist(),
            days.valid.tolist(),
            strict=True,
        )
    ]
    rewritten = pa.array(written, pa.large_string()).take(coded.indices)
    unread = np.flatnonzero(as_mask(pc.and_(pc.is_valid(column), pc.is_null(rewritten))))
    if not len(unread):
        return rewritten, ()
    reason = f"This is no whole date in a form that is configured ({', '.join(formats)}); the "
    reason += "contact goes without it."
    values = column.take(pa.array(unread)).to_pylist()
    return rewritten, (
        Finding(Severity.WARNING, name, "date_unreadable", reason, unread, tuple(values)),
    )
