"""Dates whose parts stand in fixed places, such as 2026-01-31: from a column's bytes to numbers.

Most dates are such ones, and numpy reads and writes them all at once, in a tenth of the time that
regular expressions and casts take cell by cell.
"""

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sync.contact.text import Positions
from sync.text_bytes import ends_of, raw_bytes

Numbers = npt.NDArray[np.int64]

_DIGITS = {"Y": 4, "m": 2, "d": 2}


def read_fixed(cells: pa.Array, form: str) -> tuple[Positions, Numbers]:
    """Where cells have the form to the letter, and a row each of their years, months and days.

    Args:
        cells: Texts without null.
        form: strptime's codes; with others than %Y, %m and %d no cell has it.
    """
    layout = _layout(form)
    ends = ends_of(cells)
    positions = np.flatnonzero(np.diff(ends) == len(layout)) if layout else np.empty(0, np.int64)
    letters = raw_bytes(cells)[ends[positions] - ends[0] + np.arange(len(layout))[:, None]]
    numbers = {code: np.zeros(len(positions), np.int64) for code in _DIGITS}
    fits = np.ones(len(positions), np.bool_)
    for part, letter in zip(layout, letters, strict=True):
        if len(part) == 1:
            fits &= letter == ord(part)
            continue
        digit = letter - np.uint8(ord("0"))  # what is none is greater than 9
        fits &= digit < 10
        numbers[part[1]] = numbers[part[1]] * 10 + digit
    return positions[fits], np.array([numbers[code][fits] for code in _DIGITS])


def iso_dates(year: Numbers, month: Numbers, day: Numbers) -> pa.Array:
    """YYYY-MM-DD of each."""
    places = [year // 1000, year // 100, year // 10, year, month // 10, month, day // 10, day]
    letters = np.full((len(year), 10), ord("-"), np.uint8)
    letters[:, [0, 1, 2, 3, 5, 6, 8, 9]] = np.array(places).T % 10 + ord("0")
    ends = np.arange(0, letters.size + 1, 10)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
    return pa.Array.from_buffers(pa.large_string(), len(year), buffers)


@lru_cache(maxsize=16)
def _layout(form: str) -> tuple[str, ...]:
    """What stands at each place: a letter, or `%` and the code of the number; empty if unfixed."""
    layout: list[str] = []
    for part in re.findall("%.|[^%]", form):
        if (part[0] == "%" and part[1] not in _DIGITS) or not part.isascii():
            return ()
        layout += [part] * (_DIGITS[part[1]] if part[0] == "%" else 1)
    return tuple(layout)
