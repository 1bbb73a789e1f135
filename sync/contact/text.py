"""Columns of text: from pandas to Arrow without copying, tidied, measured.

A look at a column's bytes as numbers is a hundred times faster than a regular expression on each
cell, and most columns hold nothing to tidy: so each cleaning first asks whether there is anything.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.text_bytes import ends_of, raw_bytes

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

# Line breaks and tabs, with the blanks around them; then what else has no shape (Unicode: Cc).
_BREAKS = r"[ \t]*[\t\n\v\f\r\x{85}\x{2028}\x{2029}]+[\s\v\x{85}\x{2028}\x{2029}]*"
_CONTROLS = r"[\x00-\x1f\x7f-\x{9f}]"

_BEHIND = 2**31 - 1  # a place behind every cell's end


def text_column(values: pd.Series) -> pa.Array:
    """The cells as one Arrow array of text; whatever is no text becomes null or its text form."""
    try:
        column = pa.array(values.array, pa.large_string(), from_pandas=True)
    except (pa.ArrowException, UnicodeError):
        cells = [None if pd.isna(value) else _encodable(str(value)) for value in values]
        column = pa.array(cells, pa.large_string())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def tidy(column: pa.Array) -> pa.Array:
    """White space trimmed, line breaks and tabs to single blanks, control characters removed.

    What is empty then is null. Emoji, marks of writing direction and accents stay as they are.
    """
    if has_controls(column):
        column = pc.replace_substring_regex(column, _BREAKS, " ")
        column = pc.replace_substring_regex(column, _CONTROLS, "")
    return without_empty(pc.utf8_trim_whitespace(column))


def without_empty(column: pa.Array) -> pa.Array:
    """Empty texts as nulls."""
    empty = pc.equal(column, "")
    return pc.if_else(empty, None, column) if pc.any(empty).as_py() else column


def has_controls(column: pa.Array) -> bool:
    """Whether any cell may hold a control character or an unusual line break."""
    data = raw_bytes(column)
    if not len(data):
        return False
    if data.min() < 0x20 or (data == 0x7F).any():
        return True
    if data.max() < 0x80:
        return False
    # UTF-8 of U+0080 to U+009F, and the lead bytes of U+2000 to U+203F
    after_c2 = data[1:][data[:-1] == 0xC2]
    after_e2 = data[1:][data[:-1] == 0xE2]
    return bool((after_c2 < 0xA0).any() or (after_e2 == 0x80).any())


def is_ascii(column: pa.Array) -> bool:
    """Whether all cells are plain ASCII."""
    data = raw_bytes(column)
    return not len(data) or bool(data.max() < 0x80)


def longer_than(column: pa.Array, longest: int) -> Positions:
    """Where a cell has more characters than this."""
    # A text has at least as many bytes as characters.
    suspects = np.flatnonzero(np.diff(ends_of(column)) > longest)
    if not len(suspects):
        return suspects
    lengths = pc.fill_null(pc.utf8_length(column.take(pa.array(suspects))), 0).to_numpy()
    found: Positions = suspects[lengths > longest]
    return found


def cut(column: pa.Array, longest: int) -> pa.Array:
    """At most so many characters of each cell."""
    return without_empty(pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(column, 0, longest)))


def blank_at(column: pa.Array, positions: Positions) -> pa.Array:
    """The column with these cells null."""
    if not len(positions):
        return column
    return pc.if_else(pa.array(mask_of(positions, len(column))), None, column)


def joined(columns: Sequence[pa.Array], separator: str) -> pa.Array:
    """Each row's texts with the separator between them, nulls left out; null if there is none."""
    if any(column.null_count == 0 for column in columns):
        return pc.binary_join_element_wise(*columns, literal(separator), null_handling="skip")
    bare = reduce(pc.and_, [pc.is_null(column) for column in columns])
    # Arrow (26.0) leaves out rows that are null in every column when it joins with
    # null_handling="skip", so that all later rows would move up; the tests would tell.
    texts = [pc.if_else(bare, literal(""), None), *columns]
    text = pc.binary_join_element_wise(*texts, literal(separator), null_handling="skip")
    return pc.if_else(bare, None, text)


def wrapped(column: pa.Array, before: str, after: str) -> pa.Array:
    """Each text with these around it; null stays null.

    To replace nothing at a place takes Arrow (26.0) a fifth of the time of joining with literals.
    """
    if before:
        column = pc.binary_replace_slice(column, 0, 0, before)
    return pc.binary_replace_slice(column, _BEHIND, _BEHIND, after) if after else column


def literal(text: str) -> pa.Scalar:
    """A text that Arrow joins with columns such as these."""
    return pa.scalar(text, pa.large_string())


def where(mask: pa.Array) -> Positions:
    """The positions at which an Arrow mask is true."""
    return np.flatnonzero(as_mask(mask))


def as_mask(mask: pa.Array) -> Mask:
    """An Arrow mask as a numpy one; null is false."""
    filled: Mask = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return filled


def mask_of(positions: Positions, count: int) -> Mask:
    """The mask that is true at these positions."""
    mask = np.zeros(count, np.bool_)
    mask[positions] = True
    return mask


def _encodable(text: str) -> str:
    """Half surrogates, which no UTF-8 can hold, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
