"""Dates as sources write them, column-wise: strptime's formats, and whether there is such a day."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.fixed_dates import read_fixed
from sync.contact.text import mask_of
from sync.errors import ConfigurationError

_MONTHS = "january february march april may june july august september october november december"
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if name[3:] else name for name in _MONTHS.split())
_SHORT_MONTHS = pa.array([name[:3] for name in _MONTHS.split()], pa.large_string())

# What strptime's codes match, the English names. The parts that tell the day are named; the time
# of day and the weekday may be there and are passed over.
_CODES = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<short_year>\d{2})",
    "m": r"(?P<month>\d{1,2})",
    "B": rf"(?P<month_name>{_MONTH})\.?",
    "b": rf"(?P<month_name>{_MONTH})\.?",
    "d": r"(?P<day>\d{1,2})",
    "a": r"[a-z]+\.?",
    "A": r"[a-z]+",
    "H": r"\d{1,2}",
    "I": r"\d{1,2}",
    "M": r"\d{1,2}",
    "S": r"\d{1,2}",
    "f": r"\d{1,6}",
    "p": r"[ap]m",
    "z": r"(?:z|[+-]\d{2}:?\d{2})",
    "%": "%",
}

# Databases write points in time where people mean days; the zone is the one that is written.
_ISO = "%Y-%m-%d"
_ISO_PATTERN = (
    rf"^{_CODES['Y']}-{_CODES['m']}-{_CODES['d']}"
    r"(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:[Zz]|[+-]\d{2}(?::?\d{2})?))?)?$"
)

_LONGEST_MONTHS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(frozen=True, slots=True)
class Days:
    """The day that each cell names; `year` is 0 where none is written.

    Attributes:
        valid: Whether the cell names a day that exists.
        impossible: Whether it is written as a date, of a day that doesn't exist.
    """

    year: npt.NDArray[np.int64]
    month: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    impossible: npt.NDArray[np.bool_]


def parse_days(cells: pa.Array, formats: Sequence[str]) -> Days:
    """Read each cell by the first format that gives an existing day.

    Without a year, 29 February exists.
    """
    count = len(cells)
    numbers = np.zeros((3, count), np.int64)
    flags = np.zeros((2, count), np.bool_)
    days = Days(numbers[0], numbers[1], numbers[2], valid=flags[0], impossible=flags[1])
    open_positions = np.flatnonzero(pc.is_valid(cells).to_numpy(zero_copy_only=False))
    for form, pattern in zip(formats, compiled(tuple(formats)), strict=True):
        if not len(open_positions):
            break
        rest = cells if len(open_positions) == count else cells.take(pa.array(open_positions))
        matched, (year, month, day) = _read(rest, form, pattern)
        good = matched & _exists(year, month, day)
        at = open_positions[good]
        days.year[at], days.month[at], days.day[at] = year[good], month[good], day[good]
        days.valid[at] = True
        days.impossible[open_positions[matched & ~good]] = True
        open_positions = open_positions[~good]
    days.impossible[days.valid] = False
    return days


def exists(month: npt.NDArray[np.int64], day: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether there is such a day in some year."""
    return _exists(np.zeros(len(month), np.int64), month, day)


def _exists(
    year: npt.NDArray[np.int64], month: npt.NDArray[np.int64], day: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    in_range = (month >= 1) & (month <= 12)
    longest = _LONGEST_MONTHS[np.where(in_range, month, 0)]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = np.where((month == 2) & ~leap, 28, longest)
    return in_range & (day >= 1) & (day <= longest)


def _read(
    cells: pa.Array, form: str, pattern: str
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which cells are of the form, and a row each of years, months and days."""
    numbers = np.zeros((3, len(cells)), np.int64)
    fixed, numbers_there = read_fixed(cells, form)
    numbers[:, fixed] = numbers_there
    matched = mask_of(fixed, len(cells))
    if len(fixed) < len(cells):
        others = np.flatnonzero(~matched)
        parts = pc.extract_regex(cells.take(pa.array(others)), pattern=pattern)
        matched[others] = pc.is_valid(parts).to_numpy(zero_copy_only=False)
        numbers[:, others] = _numbers(parts)
    return matched, numbers


def _numbers(
    parts: pa.StructArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    names = {field.name for field in parts.type}
    if "year" in names:
        year = _integers(parts, "year")
    elif "short_year" in names:
        # POSIX: 69 to 99 are of the 20th century
        short = _integers(parts, "short_year")
        year = short + np.where(short < 69, 2000, 1900)
    else:
        year = np.zeros(len(parts), np.int64)
    if "month" in names:
        month = _integers(parts, "month")
    else:
        short_names = pc.utf8_slice_codeunits(pc.utf8_lower(_part(parts, "month_name")), 0, 3)
        found = pc.index_in(short_names, value_set=_SHORT_MONTHS)
        month = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    return year, month, _integers(parts, "day")


def _part(parts: pa.StructArray, name: str) -> pa.Array:
    return pc.struct_field(parts, name)


def _integers(parts: pa.StructArray, name: str) -> npt.NDArray[np.int64]:
    values = pc.fill_null(pc.cast(_part(parts, name), pa.int64()), 0)
    numbers: npt.NDArray[np.int64] = values.to_numpy(zero_copy_only=False)
    return numbers


@lru_cache(maxsize=16)
def compiled(formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats as regular expressions.

    Raises:
        ConfigurationError: a code that is not supported, or a format that doesn't tell the day.
    """
    problems = [problem for problem in map(_problem, formats) if problem]
    if problems:
        raise ConfigurationError("mapping.date_formats can't be used:", tuple(problems))
    return tuple(_pattern(text) for text in formats)


def _problem(text: str) -> str | None:
    codes = re.findall("%(.?)", text)
    unknown = [code for code in codes if code not in _CODES]
    if unknown:
        known = " ".join(f"%{code}" for code in _CODES)
        return f"“{text}”: %{unknown[0]} is not supported; there are {known}"
    parts = [
        name
        for code in codes
        for name in re.findall(r"\?P<(?:short_)?(\w+?)(?:_name)?>", _CODES[code])
    ]
    if parts.count("month") != 1 or parts.count("day") != 1 or parts.count("year") > 1:
        return f"“{text}” must have one month (%m, %b, %B), one day (%d), and at most one year"
    return None


def _pattern(text: str) -> str:
    if text == _ISO:
        return _ISO_PATTERN
    pieces = re.split(r"%(.)|(\s+)", text)
    pattern = ""
    for plain, code, space in zip(
        pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True
    ):
        pattern += re.escape(plain)
        if code:
            pattern += _CODES[code]
        elif space:
            pattern += r"\s+"
    return rf"^(?i:{pattern})$"
