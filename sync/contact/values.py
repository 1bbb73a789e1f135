"""One column of one kind of value: tidied, checked, and what was wrong with it.

A bad value costs the contact that value only, with a warning, unless the configuration says that
what is too long rejects the contact.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.dates import Days, exists, parse_days
from sync.contact.fields import (
    BIRTHDAY,
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    CUSTOM_PREFIX,
    MAX_PHONES,
    SMS_CONSENT_DATE,
    SMS_NUMBER,
    Field,
)
from sync.contact.findings import Finding, Severity
from sync.contact.fixed_dates import iso_dates
from sync.contact.moments import as_moments
from sync.contact.phones import PhoneFormat, checked_phones, us_numbers
from sync.contact.recipes import by_value
from sync.contact.text import (
    Positions,
    as_mask,
    blank_at,
    cut,
    longer_than,
    tidy,
    where,
    without_empty,
)
from sync.text_bytes import raw_bytes

TooLong = Literal["cut", "drop", "reject"]
Findings = tuple[Finding, ...]

_AMOUNT = r"^(?P<number>-?(?:0|[1-9]\d{0,29})(?:\.\d{1,30})?)$"
_BOOLEANS = {
    text: answer
    for answer, texts in {
        "true": "true t yes y 1 on x ja j oui si sí",
        "false": "false f no n 0 off nein non",
    }.items()
    for text in texts.split()
}
_SHEET_ERRORS = pa.array(
    ["#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"],
    pa.large_string(),
)
_SHORTENED = r"^\d(?:[.,]\d+)?E\+\d{1,2}$"  # 15085550133 as 1.50856E+10
_SMALL = pa.array([str(number) for number in range(100)], pa.large_string())
_FIRST_YEAR = 1900  # the older V2 API refused anniversaries before it


@dataclass(frozen=True, slots=True)
class Birthdays:
    """Month and day as texts of numbers, null where there is no birthday."""

    month: pa.Array
    day: pa.Array
    findings: Findings


def check_text(field: Field, cells: pa.Array, too_long: TooLong) -> tuple[pa.Array, Findings]:
    """A single-line text of at most so many characters."""
    column, findings = _without_spoilt(field, tidy(cells))
    positions = longer_than(column, field.longest)
    if not len(positions):
        return column, findings
    findings += (_too_long(field, too_long, positions),)
    if too_long == "cut":
        return cut(column, field.longest), findings
    return blank_at(column, positions), findings


def check_phone(
    field: Field,
    cells: pa.Array,
    too_long: TooLong,
    region: str | None = None,
    form: PhoneFormat = "as_written",
) -> tuple[pa.Array, Findings]:
    """A phone number; one that is too long is never cut, but left out.

    Without a region it stays as it is written; with one, it must be of a numbering plan.
    """
    column, spoilt = _without_spoilt(field, tidy(cells))
    findings = [*spoilt]
    no_number = where(pc.invert(pc.match_substring_regex(column, r"\p{Nd}")))
    if len(no_number):
        reason = "This is no phone number, since it has no digit; the contact goes without it."
        findings.append(_warning(field.name, "phone_invalid", reason, no_number))
        column = blank_at(column, no_number)
    if region is not None:
        numbers = checked_phones(column, region, form)
        wrong = where(pc.and_(pc.is_valid(column), pc.is_null(numbers)))
        if len(wrong):
            reason = "No numbering plan has this phone number; the contact goes without it."
            findings.append(_warning(field.name, "phone_invalid", reason, wrong))
        column = numbers
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


def check_sms(
    numbers: pa.Array, dates: pa.Array, date_formats: tuple[str, ...], date_field: Field
) -> tuple[dict[str, pa.Array], Findings]:
    """US numbers with the day of consent; neither goes without the other."""
    written = tidy(numbers)
    number = us_numbers(written)
    date, findings = check_date(date_field, dates, date_formats)
    wrong = where(pc.and_(pc.is_valid(written), pc.is_null(number)))
    if len(wrong):
        reason = "This is no US phone number, which text messages need; the contact goes without "
        reason += "it."
        findings += (_warning(SMS_NUMBER, "sms_number_invalid", reason, wrong),)
    alone = where(pc.and_(pc.is_valid(number), pc.is_null(date)))
    if len(alone):
        reason = "There is no day on which the person agreed to text messages; the contact goes "
        reason += "without this number."
        findings += (_warning(SMS_NUMBER, "sms_without_consent", reason, alone),)
    lost = where(pc.and_(pc.is_valid(date), pc.is_null(written)))
    if len(lost):
        reason = "There is no number for text messages; the contact goes without this date."
        findings += (_warning(SMS_CONSENT_DATE, "sms_without_number", reason, lost),)
    both = pc.and_(pc.is_valid(number), pc.is_valid(date))
    columns = {SMS_NUMBER: number, SMS_CONSENT_DATE: date}
    return {name: pc.if_else(both, column, None) for name, column in columns.items()}, findings


def check_amount(field: Field, cells: pa.Array) -> tuple[pa.Array, Findings]:
    """A number without thousands separators and currency signs, with a point."""
    column = tidy(cells)
    parts = pc.extract_regex(column, pattern=_AMOUNT)
    number = by_value(column, _amount) if pc.any(pc.is_null(parts)).as_py() else column
    wrong = where(pc.and_(pc.is_valid(column), pc.is_null(number)))
    if not len(wrong):
        return number, ()
    reason = "This is no number; the contact goes without it."
    return number, (_warning(field.name, "number_invalid", reason, wrong),)


def check_boolean(field: Field, cells: pa.Array) -> tuple[pa.Array, Findings]:
    """true or false, of the usual words for yes and no."""
    column = tidy(cells)
    found = by_value(column, lambda text: _BOOLEANS.get(text.casefold()))
    wrong = where(pc.and_(pc.is_valid(column), pc.is_null(found)))
    if not len(wrong):
        return found, ()
    reason = "This is neither yes nor no; the contact goes without it."
    return found, (_warning(field.name, "boolean_invalid", reason, wrong),)


def check_choices(
    field: Field, cells: pa.Array, choices: tuple[str, ...], *, several: bool
) -> tuple[pa.Array, Findings]:
    """One of the choices, or several with commas between them; capitals don't matter.

    With one wrong choice among several the others go.
    """
    column = tidy(cells)
    by_key = {choice.casefold(): choice for choice in choices}

    def chosen(text: str) -> list[str | None]:
        parts = re.split("[,;]", text) if several else [text]
        return [by_key.get(part.strip().casefold()) for part in parts if part.strip()]

    found = by_value(column, lambda text: ",".join(filter(None, dict.fromkeys(chosen(text)))))
    found = without_empty(found)
    wrong = where(by_value(column, lambda text: text if None in chosen(text) else None).is_valid())
    findings: Findings = ()
    if len(wrong):
        reason = f"This is none of the choices ({', '.join(choices)}); the contact goes without it."
        findings = (_warning(field.name, "choice_unknown", reason, wrong),)
    too_long = longer_than(found, field.longest)
    if len(too_long):
        findings += (_too_long(field, "drop", too_long),)
        found = blank_at(found, too_long)
    return found, findings


def check_moment(
    field: Field, cells: pa.Array, formats: tuple[str, ...]
) -> tuple[pa.Array, Findings]:
    """A date with its time of day."""
    column = tidy(cells)
    found = as_moments(column, formats)
    wrong = where(pc.and_(pc.is_valid(column), pc.is_null(found)))
    if not len(wrong):
        return found, ()
    reason = "This is no date, with or without a time, in ISO 8601 or a form that is configured "
    reason += f"({', '.join(formats)}); the contact goes without it."
    return found, (_warning(field.name, "datetime_invalid", reason, wrong),)


def check_date(
    field: Field, cells: pa.Array, formats: tuple[str, ...]
) -> tuple[pa.Array, Findings]:
    """A whole date, as YYYY-MM-DD."""
    column = tidy(cells)
    days = parse_days(column, formats)
    first_year = _FIRST_YEAR if field.name == "anniversary" else 1
    good = days.valid & (days.year >= first_year)
    early = np.flatnonzero(days.valid & ~good)
    findings = _date_findings(field.name, column, days, formats)
    if len(early):
        reason = f"The year is missing or lies before {first_year}; the contact goes without it."
        findings += (_warning(field.name, _date_code(field.name), reason, early),)
    dates = iso_dates(days.year, days.month, days.day)
    return pc.if_else(pa.array(good), dates, None), findings


def check_birthday(cells: pa.Array, formats: tuple[str, ...]) -> Birthdays:
    """Month and day of a date, whatever its year; 29 February may come without a year."""
    column = tidy(cells)
    days = parse_days(column, formats)
    valid = pa.array(days.valid)
    return Birthdays(
        month=pc.if_else(valid, _small(days.month), None),
        day=pc.if_else(valid, _small(days.day), None),
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
        month=pc.if_else(pa.array(good), _small(month), None),
        day=pc.if_else(pa.array(good), _small(day), None),
        findings=tuple(findings),
    )


def _without_spoilt(field: Field, column: pa.Array) -> tuple[pa.Array, Findings]:
    """Without what a spreadsheet has made of a formula that failed, or of a long number."""
    findings: Findings = ()
    letters = raw_bytes(column).tobytes()
    if b"#" in letters:
        failed = where(pc.is_in(column, value_set=_SHEET_ERRORS))
        reason = "This is a spreadsheet's word for a failed formula; the contact goes without it."
        column, findings = _without(field, column, failed, "formula_failed", reason)
    if b"E+" in letters:
        short = where(pc.match_substring_regex(column, _SHORTENED))
        reason = "A spreadsheet has shortened this number; the contact goes without it."
        column, found = _without(field, column, short, "number_shortened", reason)
        findings += found
    return column, findings


def _without(
    field: Field, column: pa.Array, positions: Positions, code: str, reason: str
) -> tuple[pa.Array, Findings]:
    if not len(positions):
        return column, ()
    return blank_at(column, positions), (_warning(field.name, code, reason, positions),)


def _amount(text: str) -> str | None:
    """One number in the one form: 1,234.50 and $ 12 are understood, 1.234,50 is not guessed at."""
    bare = re.sub(r"[\s$€£¥]|\b[A-Z]{3}\b", "", text)
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", bare, re.ASCII):
        bare = bare.replace(",", "")
    if not re.fullmatch(r"-?\d{1,30}(?:\.\d{1,30})?", bare, re.ASCII):
        return None
    sign, digits = ("-", bare[1:]) if bare.startswith("-") else ("", bare)
    whole, point, rest = digits.partition(".")
    return f"{sign}{whole.lstrip('0') or '0'}{point}{rest}"


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
    code = _date_code(name)
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


def _date_code(name: str) -> str:
    return "date_invalid" if name.startswith(CUSTOM_PREFIX) else f"{name}_invalid"


def _warning(name: str, code: str, reason: str, positions: Positions) -> Finding:
    return Finding(Severity.WARNING, name, code, reason, positions)


def _small_numbers(column: pa.Array) -> Positions:
    """Whole numbers of one or two digits, also as `07` or `7.0`; 0 for anything else."""
    digits = pc.extract_regex(column, pattern=r"^(?P<number>\d{1,2})(?:\.0+)?$")
    numbers: Positions = pc.fill_null(
        pc.cast(pc.struct_field(digits, "number"), pa.int64()), 0
    ).to_numpy(zero_copy_only=False)
    return numbers


def _small(numbers: Positions) -> pa.Array:
    """The texts of numbers of at most two digits."""
    return _SMALL.take(pa.array(numbers))
