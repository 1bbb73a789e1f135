"""Rows of the source become contacts, or rejects with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.address import check_addresses
from sync.contact.canonical import canonical_bodies, canonical_starts, fingerprints
from sync.contact.fields import (
    BIRTHDAY,
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    EMAIL,
    FIELDS,
    PHONES,
    SMS_CONSENT_DATE,
    SMS_NUMBER,
    Kind,
    field_of,
)
from sync.contact.findings import Finding, Problem, Severity, rejected, told
from sync.contact.groups import names_of_rows
from sync.contact.mapping import ColumnMapping, MappedField
from sync.contact.ownership import owned_by_constant_contact
from sync.contact.precedence import precedences
from sync.contact.recipes import cook
from sync.contact.regions import with_countries, with_states
from sync.contact.rules import Rules
from sync.contact.text import as_mask, text_column, tidy
from sync.contact.values import (
    Findings,
    check_amount,
    check_birthday,
    check_birthday_parts,
    check_boolean,
    check_choices,
    check_date,
    check_moment,
    check_phone,
    check_sms,
    check_text,
    limit_phones,
)
from sync.settings.options import FieldMapping

__all__ = ["Checked", "Problem", "Rows", "Severity", "check"]

_REGIONS = frozenset(
    name for name, field in FIELDS.items() if field.kind in {Kind.STATE, Kind.COUNTRY}
)
_KEY_LONGEST = 100
# Fields that are checked together with another one.
_BY_PAIRS = frozenset({BIRTHDAY, BIRTHDAY_MONTH, BIRTHDAY_DAY, SMS_NUMBER, SMS_CONSENT_DATE})


class Rows(Protocol):
    """Some rows of a source, with their numbers."""

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def rows(self) -> npt.NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the rows: each is in `contacts`, or has a problem that ends it.

    Attributes:
        contacts: The columns are `row` (the row's number), `email` (the normal form that keys the
            contact), `body` (its canonical JSON), `size` (the body's encoded bytes), `fingerprint`
            (16 bytes), `lists` and `tags` (dictionaries of lists of names), `precedence` (what
            sorts rows of one address by age, or null) and `source_key` (what the company calls the
            person, or null). Fields that Constant Contact owns are not in the body: `owned` is the
            start of an object with them, or null, and `owned_size` the bytes that it adds; both
            are there only when there are such fields.
        problems: Rejects, withheld rows and warnings in the order of the rows.
        withheld: How many rows the company itself doesn't allow to be sent.
    """

    contacts: pa.RecordBatch
    problems: tuple[Problem, ...]
    withheld: int


def check(chunk: Rows, mapping: ColumnMapping, rules: Rules) -> Checked:
    """Tidy and validate the mapped columns and write each row's contact.

    Whatever text the cells hold, nothing is raised and no row is lost. A bad value of an optional
    field is left out with a warning; without a usable address a row is rejected. What the company
    doesn't allow is withheld, and nothing else is told of it.
    """
    rows = np.asarray(chunk.rows, dtype=np.int64)
    cells, columns, findings = _check_fields(mapping.fields, chunk.frame, rules.mapping)
    lists, lists_found = names_of_rows(chunk.frame, rules.lists, "list")
    tags, tags_found = names_of_rows(chunk.frame, rules.tags, "tag")
    findings += lists_found + tags_found
    withheld = _withheld(chunk.frame, columns[EMAIL], rules)
    if withheld:
        cells |= {finding.field: columns[EMAIL] for finding in withheld if finding.field != EMAIL}
        allowed = ~rejected(withheld, len(rows))
        findings = (*withheld, *(finding.only(allowed) for finding in findings))
    ended = rejected(findings, len(rows))
    problems = told(findings, ended, rows, columns[EMAIL], cells) if findings else ()
    precedence = precedences(chunk.frame, rules.duplicates, rules.mapping.date_formats)
    keys = _keys(chunk.frame, rules.key_column)
    if ended.any():
        kept = pa.array(~ended)
        rows = rows[~ended]
        columns = {field: column.filter(kept) for field, column in columns.items()}
        lists, tags = lists.filter(kept), tags.filter(kept)
        precedence, keys = precedence.filter(kept), keys.filter(kept)
    owned = owned_by_constant_contact(columns, rules.mapping.owned_by_constant_contact)
    bodies = canonical_bodies({name: columns[name] for name in columns if name not in owned})
    contacts = {
        "row": pa.array(rows),
        "email": columns[EMAIL],
        "body": bodies,
        "size": pc.binary_length(bodies),
        "fingerprint": fingerprints(bodies),
        "lists": lists,
        "tags": tags,
        "precedence": precedence,
        "source_key": keys,
    }
    if owned:
        starts = canonical_starts({name: columns[name] for name in owned})
        contacts["owned"] = starts
        # What it adds to the body, whose brace it has already.
        contacts["owned_size"] = pc.subtract(pc.binary_length(pc.fill_null(starts, "{")), 1)
    withheld_rows = sum(len(finding.positions) for finding in withheld)
    return Checked(pa.record_batch(contacts), problems, withheld_rows)


def _withheld(frame: pd.DataFrame, emails: pa.Array, rules: Rules) -> tuple[Finding, ...]:
    """The rows without consent, and of the others those on the list of who is never sent."""
    findings = []
    allowed = np.ones(len(frame), np.bool_)
    if rules.consent.column is not None:
        answers = tidy(text_column(frame[rules.consent.column]))
        values = pa.array([value.strip().casefold() for value in rules.consent.values])
        folded = pc.cast(pc.utf8_lower(answers), pa.large_string())
        allowed = as_mask(pc.is_in(folded, value_set=pc.cast(values, pa.large_string())))
        refused = np.flatnonzero(~allowed)
        if len(refused):
            reason = f"The column “{rules.consent.column}” does not say that the person agreed."
            told_values = pc.fill_null(answers.take(pa.array(refused)), "").to_pylist()
            findings.append(
                Finding(Severity.WITHHELD, "", "no_consent", reason, refused, told_values)
            )
    suppressed = np.flatnonzero(allowed & rules.suppressed.holds(emails))
    if len(suppressed):
        reason = "The address, or its domain, is on the list of those who are never sent."
        findings.append(Finding(Severity.WITHHELD, EMAIL, "suppressed", reason, suppressed))
    return tuple(findings)


def _check_fields(
    mapped: Sequence[MappedField], frame: pd.DataFrame, rules: FieldMapping
) -> tuple[dict[str, pa.Array], dict[str, pa.Array], Findings]:
    """The cells, the import's fields, null where a contact goes without, and what was wrong."""
    cells: dict[str, pa.Array] = {}
    columns: dict[str, pa.Array] = {}
    findings: Findings = ()
    formats: dict[str, tuple[str, ...]] = {}
    for each in mapped:
        cells[each.name], found = cook(each.name, each.recipe, frame, rules.date_formats)
        formats[each.name] = _formats(each, rules)
        findings += found
        if each.name not in _BY_PAIRS:
            columns[each.name], found = _check_one(each, cells[each.name], rules)
            findings += found
    _name_regions(columns, rules)
    phones, found = limit_phones({name: columns[name] for name in PHONES if name in columns})
    birthdays, more_found = _birthdays(cells, formats)
    sms, sms_found = _sms(cells, formats)
    return cells, columns | phones | birthdays | sms, findings + found + more_found + sms_found


def _check_one(
    mapped: MappedField, cells: pa.Array, rules: FieldMapping
) -> tuple[pa.Array, Findings]:
    field = mapped.field
    match field.kind:
        case Kind.ADDRESS:
            return check_addresses(cells)
        case Kind.PHONE:
            return check_phone(field, cells, rules.too_long, rules.phone_region, rules.phone_format)
        case Kind.DATE:
            return check_date(field, cells, _formats(mapped, rules))
        case Kind.AMOUNT:
            return check_amount(field, cells)
        case Kind.BOOLEAN:
            return check_boolean(field, cells)
        case Kind.MOMENT:
            return check_moment(field, cells, _formats(mapped, rules))
        case Kind.CHOICES if mapped.choices:
            several = mapped.custom_type == "multi_select"
            return check_choices(field, cells, mapped.choices, several=several)
        case _:
            return check_text(field, cells, rules.too_long)


def _formats(mapped: MappedField, rules: FieldMapping) -> tuple[str, ...]:
    """How the cells' dates are written: as the recipe wrote them, as it says, or as usual."""
    recipe = mapped.recipe
    if recipe.date_as is not None:
        return (recipe.date_as,)
    return recipe.date_formats or rules.date_formats


def _name_regions(columns: dict[str, pa.Array], rules: FieldMapping) -> None:
    for name in [name for name in columns if name in _REGIONS]:
        if field_of(name).kind is Kind.STATE:
            country = columns.get(name.replace("state", "country"), columns.get("country"))
            columns[name] = with_states(columns[name], rules.states, country)
        else:
            columns[name] = with_countries(columns[name], rules.countries)


def _birthdays(
    cells: dict[str, pa.Array], formats: dict[str, tuple[str, ...]]
) -> tuple[dict[str, pa.Array], Findings]:
    if BIRTHDAY in cells:
        found = check_birthday(cells[BIRTHDAY], formats[BIRTHDAY])
    elif BIRTHDAY_MONTH in cells and BIRTHDAY_DAY in cells:
        found = check_birthday_parts(cells[BIRTHDAY_MONTH], cells[BIRTHDAY_DAY])
    else:
        return {}, ()
    return {BIRTHDAY_MONTH: found.month, BIRTHDAY_DAY: found.day}, found.findings


def _sms(
    cells: dict[str, pa.Array], formats: dict[str, tuple[str, ...]]
) -> tuple[dict[str, pa.Array], Findings]:
    if SMS_NUMBER not in cells or SMS_CONSENT_DATE not in cells:
        return {}, ()
    return check_sms(
        cells[SMS_NUMBER],
        cells[SMS_CONSENT_DATE],
        formats[SMS_CONSENT_DATE],
        field_of(SMS_CONSENT_DATE),
    )


def _keys(frame: pd.DataFrame, column: str | None) -> pa.Array:
    """The company's keys of the rows; null where there is none, or one that is too long for one."""
    if column is None:
        return pa.nulls(len(frame), pa.large_string())
    keys = tidy(text_column(frame[column]))
    return pc.if_else(pc.less_equal(pc.utf8_length(keys), _KEY_LONGEST), keys, None)
