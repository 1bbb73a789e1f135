"""Rows of the source become contacts, or rejects with their reasons."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.address import check_addresses
from sync.contact.canonical import canonical_bodies, fingerprints
from sync.contact.fields import (
    BIRTHDAY,
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    EMAIL,
    PHONES,
    Kind,
    field_of,
)
from sync.contact.findings import Finding, Problem, Severity, rejected, told
from sync.contact.mapping import ColumnMapping
from sync.contact.text import text_column, tidy
from sync.contact.values import (
    Birthdays,
    check_birthday,
    check_birthday_parts,
    check_date,
    check_phone,
    check_text,
    limit_phones,
)
from sync.settings.options import FieldMapping, Lists

__all__ = ["Checked", "Problem", "Rows", "Severity", "check"]


class Rows(Protocol):
    """Some rows of a source, with their numbers."""

    @property
    def frame(self) -> pd.DataFrame: ...

    @property
    def rows(self) -> npt.NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the rows: each is in `contacts`, or has problems of severity REJECT.

    Attributes:
        contacts: The columns are `row` (the row's number), `email` (the normal form that keys the
            contact), `body` (its canonical JSON), `size` (the body's encoded bytes), `fingerprint`
            (16 bytes) and `list_name` (the list that the row names, or missing).
        problems: Rejects and warnings in the order of the rows.
    """

    contacts: pd.DataFrame
    problems: tuple[Problem, ...]


def check(chunk: Rows, mapping: ColumnMapping, rules: FieldMapping, lists: Lists) -> Checked:
    """Tidy and validate the mapped columns and write each row's contact.

    Whatever text the cells hold, nothing is raised and no row is lost. A bad value of an optional
    field is left out with a warning; without a usable address a row is rejected.
    """
    rows = np.asarray(chunk.rows, dtype=np.int64)
    cells = {field: text_column(chunk.frame[column]) for field, column in mapping.fields}
    columns, findings = _check_columns(cells, rules)
    rejects = rejected(findings, len(rows))
    problems = told(findings, rejects, rows, columns[EMAIL], cells) if findings else ()
    list_names = _list_names(chunk.frame, lists)
    if rejects.any():
        kept = pa.array(~rejects)
        rows = rows[~rejects]
        columns = {field: column.filter(kept) for field, column in columns.items()}
        list_names = list_names.filter(kept)
    bodies = canonical_bodies(columns)
    contacts = pd.DataFrame(
        {
            "row": rows,
            "email": _series(columns[EMAIL]),
            "body": _series(bodies),
            "size": pc.binary_length(bodies).to_numpy(zero_copy_only=False).astype(np.int64),
            "fingerprint": pd.Series(fingerprints(bodies), dtype=object),
            "list_name": _series(list_names),
        }
    )
    return Checked(contacts, problems)


def _check_columns(
    cells: dict[str, pa.Array], rules: FieldMapping
) -> tuple[dict[str, pa.Array], tuple[Finding, ...]]:
    """The import's fields as columns, null where a contact goes without, and what was wrong."""
    columns: dict[str, pa.Array] = {}
    findings: tuple[Finding, ...] = ()
    for name, raw in cells.items():
        if name in {BIRTHDAY, BIRTHDAY_MONTH, BIRTHDAY_DAY}:
            continue
        field = field_of(name)
        match field.kind:
            case Kind.ADDRESS:
                columns[name], found = check_addresses(raw)
            case Kind.PHONE:
                columns[name], found = check_phone(field, raw, rules.too_long)
            case Kind.DATE:
                columns[name], found = check_date(field, raw, rules.date_formats)
            case _:
                columns[name], found = check_text(field, raw, rules.too_long)
        findings += found
    phones, found = limit_phones({name: columns[name] for name in PHONES if name in columns})
    birthdays = _birthdays(cells, rules)
    if birthdays:
        columns |= {BIRTHDAY_MONTH: birthdays.month, BIRTHDAY_DAY: birthdays.day}
        found += birthdays.findings
    return columns | phones, findings + found


def _birthdays(cells: dict[str, pa.Array], rules: FieldMapping) -> Birthdays | None:
    if BIRTHDAY in cells:
        return check_birthday(cells[BIRTHDAY], rules.date_formats)
    if BIRTHDAY_MONTH in cells and BIRTHDAY_DAY in cells:
        return check_birthday_parts(cells[BIRTHDAY_MONTH], cells[BIRTHDAY_DAY])
    return None


def _list_names(frame: pd.DataFrame, lists: Lists) -> pa.Array:
    """The list that each row names, translated by the configured values; null if it names none."""
    if lists.column is None:
        return pa.nulls(len(frame), pa.large_string())
    names = tidy(text_column(frame[lists.column])).dictionary_encode()
    translated = [lists.values.get(name, name) for name in names.dictionary.to_pylist()]
    return pa.array(translated, pa.large_string()).take(names.indices)


def _series(column: pa.Array) -> pd.Series:
    return pd.Series(pd.array(column, dtype="str"))
