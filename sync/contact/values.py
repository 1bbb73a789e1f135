"""One column of one kind of value: tidied, checked, and what was wrong with it.

A bad value costs the contact that value only, with a warning, unless the configuration says that
what is too long rejects the contact.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.dates import Days, exists, parse_days
from sync.contact.fields import BIRTHDAY, BIRTHDAY_DAY, BIRTHDAY_MONTH, MAX_PHONES, Field
from sync.contact.findings import Finding, Severity
from sync.contact.text import Positions, as_mask, blank_at, cut, literal, longer_than, tidy, where

TooLong = Literal["cut", "drop", "reject"]
Findings = tuple[Finding, ...]

_FIRST_YEAR = 1900  # the older V2 API refused anniversaries before it


@dataclass(frozen=True, slots=True)
class Birthdays:
    """Month and day as texts of numbers, null where there is no birthday."""

    month: pa.Array
    day: pa.Array
    findings: Findings


def check_text(field: Field, cells: pa.Array, too_long: TooLong) -> tuple[pa.Array, Findings]:
    """A single-line text of at most so many characters."""
    column = tidy(cells)
    positions = longer_than(column, field.longest)
    if not len(positions):
        return column, ()
    finding = _too_long(field, too_long, positions)
    if too_long == "cut":
        return cut(column, field.longest), (finding,)
    return blank_at(column, positions), (finding,)


def check_phone(field: Field, cells: pa.Array, too_long: TooLong) -> tuple[pa.Array, Findings]:
    """A phone number as it is written; one that is too long is never cut, but left out."""
    column = tidy(cells)
    findings = []
    no_number = where(pc.invert(pc.match_substring_regex(column, r"\p{Nd}")))
    if len(no_number):
        reason = "This is no phone number, since it has no digit; the contact goes without it."
        findings.append(_warning(field.name, "phone_invalid", reason, no_number))
        column = blank_at(column, no_number)
    positions = longer_than(column, field.longest)
    if len(positions):
        findings.append(_too_long(field, "drop" if too_long == "cut" else too_long, positions))
        column = blank_at(column, positions)
    return column, tuple(findings)


def limit_phones(phones: dict[str, pa.Array]) -> tuple[dict[str, pa.Array], Findings]:
    """At most as many phones as a contact holds; the later kinds are left out."""
    if len(phones) <= MAX_PHONES:
        return phones, ()
    kept = {}
    findings = []
    count = np.zeros(len(next(iter(phones.values()))), np.int64)
    for name, column in phones.items():
        filled = as_mask(pc.is_valid(column))
        count += filled
        surplus = np.flatnonzero(filled & (count > MAX_PHONES))
        if len(surplus):
            reason = f"A contact holds {MAX_PHONES} phone numbers; it goes without this one."
            findings.append(_warning(name, "too_many_phones", reason, surplus))
        kept[name] = blank_at(column, surplus)
    return kept, tuple(findings)


def check_date(
    field: Field, cells: pa.Array, formats: tuple[str, ...]
) -> tuple[pa.Array, Findings]:
    """A whole date, as YYYY-MM-DD."""
    column = tidy(cells)
    days = parse_days(column, formats)
    good = days.valid & (days.year >= _FIRST_YEAR)
    early = np.flatnonzero(days.valid & ~good)
    findings = _date_findings(field.name, column, days, formats)
    if len(early):
        reason = f"The year lies before {_FIRST_YEAR}; the contact goes without this date."
        findings += (_warning(field.name, f"{field.name}_invalid", reason, early),)
    parts = (_digits(days.year, 4), _digits(days.month, 2), _digits(days.day, 2))
    dates = pc.binary_join_element_wise(*parts, literal("-"))
    return pc.if_else(pa.array(good), dates, None), findings


def check_birthday(cells: pa.Array, formats: tuple[str, ...]) -> Birthdays:
    """Month and day of a date, whatever its year; 29 February may come without a year."""
    column = tidy(cells)
    days = parse_days(column, formats)
    valid = pa.array(days.valid)
    return Birthdays(
        month=pc.if_else(valid, _digits(days.month), None),
        day=pc.if_else(valid, _digits(days.day), None),
        findings=_date_findings(BIRTHDAY, column, days, formats),
    )


def check_birthday_parts(month_cells: pa.Array, day_cells: pa.Array) -> Birthdays:
    """Month and day from columns of their own; only both together, and only a day that exists."""
    columns = [tidy(month_cells), tidy(day_cells)]
    month, day = (_small_numbers(column) for column in columns)
    good = exists(month, day)
    findings = []
    for name, column in zip((BIRTHDAY_MONTH, BIRTHDAY_DAY), columns, strict=True):
        bad = np.flatnonzero(as_mask(pc.is_valid(column)) & ~good)
        if len(bad):
            reason = "Month and day are not a day of the year; the contact goes without a birthday."
            findings.append(_warning(name, "birthday_invalid", reason, bad))
    return Birthdays(
        month=pc.if_else(pa.array(good), _digits(month), None),
        day=pc.if_else(pa.array(good), _digits(day), None),
        findings=tuple(findings),
    )


def _too_long(field: Field, too_long: TooLong, positions: Positions) -> Finding:
    measure = f"has more than {field.longest} characters"
    match too_long:
        case "cut":
            reason = f"The value {measure} and was cut."
            return _warning(field.name, "too_long_cut", reason, positions)
        case "drop":
            reason = f"The value {measure}; the contact goes without it."
            return _warning(field.name, "too_long_dropped", reason, positions)
        case "reject":
            reason = f"The value {measure}, and such contacts are not sent."
            return Finding(Severity.REJECT, field.name, "too_long", reason, positions)


def _date_findings(name: str, column: pa.Array, days: Days, formats: tuple[str, ...]) -> Findings:
    code = f"{name}_invalid"
    findings = []
    impossible = np.flatnonzero(days.impossible)
    if len(impossible):
        reason = "There is no such day; the contact goes without this date."
        findings.append(_warning(name, code, reason, impossible))
    filled = as_mask(pc.is_valid(column))
    unread = np.flatnonzero(filled & ~days.valid & ~days.impossible)
    if len(unread):
        reason = f"This is no date in a form that is configured ({', '.join(formats)}); the "
        reason += "contact goes without it."
        findings.append(_warning(name, code, reason, unread))
    return tuple(findings)


def _warning(name: str, code: str, reason: str, positions: Positions) -> Finding:
    return Finding(Severity.WARNING, name, code, reason, positions)


def _small_numbers(column: pa.Array) -> Positions:
    """Whole numbers of one or two digits, also as `07` or `7.0`; 0 for anything else."""
    digits = pc.extract_regex(column, pattern=r"^(?P<number>\d{1,2})(?:\.0+)?$")
    numbers: Positions = pc.fill_null(
        pc.cast(pc.struct_field(digits, "number"), pa.int64()), 0
    ).to_numpy(zero_copy_only=False)
    return numbers


def _digits(numbers: Positions, width: int = 1) -> pa.Array:
    text = pc.cast(pa.array(numbers), pa.large_string())
    return pc.utf8_lpad(text, width, "0") if width > 1 else text
