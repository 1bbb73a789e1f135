"""An account's custom fields, of nine types, and which values each type takes.

The types and their metadata are those of POST /contact_custom_fields (new in 2025; older accounts
know only string and date). How an import spells a select's, a boolean's or a number's value is
not documented: labels, choice ids or both are taken for selects, true and false for booleans.
"""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync.sandbox.audience.rules import FIELD_VALUE_MAX, read_date
from sync.sandbox.database import Database

TYPES = (
    "string",
    "date",
    "datetime",
    "text_area",
    "number",
    "currency",
    "boolean",
    "single_select",
    "multi_select",
)
_NUMBER = re.compile(r"-?\d{1,15}(?:\.(\d{1,10}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CustomField:
    seq: int
    account: int
    custom_field_id: str
    label: str
    name: str
    type: str
    metadata: dict[str, Any]
    choices: list[dict[str, Any]]
    version: int | None
    created_at: int
    updated_at: int

    def read(self, text: str, *, strict: bool, choices: str = "both") -> str | list[int] | None:
        """A value as it is stored; None if the field does not take it.

        The choices of a select are stored as a list of their ids; `choices` says what the text
        names them by: labels, ids or both.
        """
        if len(text) > FIELD_VALUE_MAX:
            return None
        if self.type in ("single_select", "multi_select"):
            return self._choose(text, strict=strict, choices=choices)
        if not strict or self.type in ("string", "text_area"):
            return text
        if self.type == "date":
            found = read_date(text)
            return text if found and self.version != 2 else found
        if self.type == "datetime":
            return text if _is_datetime(text) else None
        if self.type == "boolean":
            return text.lower() if text.lower() in ("true", "false") else None
        return text if self._is_number(text) else None

    def choose_ids(self, ids: list[str]) -> list[int] | None:
        """Choices by their ids; None if one does not exist or there are too many."""
        numbers = [choice_number(one) for one in ids]
        living = {choice["choice_id"] for choice in self._living()}
        if not living.issuperset(numbers) or (self.type == "single_select" and len(ids) > 1):
            return None
        return [number for number in numbers if number is not None]

    def label_of(self, written: str) -> str:
        """The label of a choice, by its id in either form."""
        number = choice_number(written)
        return next(
            (str(c["choice_label"]) for c in self.choices if c["choice_id"] == number), written
        )

    def _living(self) -> list[dict[str, Any]]:
        return [choice for choice in self.choices if not choice.get("deleted_at")]

    def _choose(self, text: str, *, strict: bool, choices: str) -> list[int] | None:
        by_name: dict[str, int] = {}
        for choice in self._living() if choices != "labels" else ():
            by_name[str(choice["choice_id"])] = choice["choice_id"]
            by_name[choice_id(choice["choice_id"], "text").lower()] = choice["choice_id"]
        for choice in self._living() if choices != "ids" else ():
            by_name[str(choice["choice_label"]).lower()] = choice["choice_id"]
        if text.strip().lower() in by_name:
            return [by_name[text.strip().lower()]]
        if self.type == "single_select":
            return None if strict else []
        parts = [part.strip().lower() for part in re.split(r"[,;]", text) if part.strip()]
        if strict and any(part not in by_name for part in parts):
            return None
        return [by_name[part] for part in parts if part in by_name]

    def _is_number(self, text: str) -> bool:
        match = _NUMBER.fullmatch(text)
        if match is None:
            return False
        if (
            text.startswith("-")
            and self.type == "number"
            and not self.metadata.get("allow_negative", False)
        ):
            return False
        places = len(match[1] or "")
        allowed = 0 if self.metadata.get("integer") else int(self.metadata.get("decimal_places", 4))
        return places <= allowed


def choice_id(number: int, form: str) -> str:
    """A choice's id as the API writes it.

    The contract's schema has an integer, its example a text such as 9A63BC.
    """
    return str(number) if form == "integer" else f"{number:06X}"


def choice_number(text: object) -> int | None:
    """The number of a choice, by its id in either form; None for what is none."""
    written = str(text)
    if re.fullmatch(r"[0-9A-Fa-f]{6}", written):
        return int(written, 16)
    return int(written) if written.isdecimal() else None


class Fields:
    """Finds and changes custom fields."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, account: int) -> list[CustomField]:
        sql = "SELECT * FROM field WHERE account = ? ORDER BY seq"
        return [_field(row) for row in self._database.all(sql, (account,))]

    def get(self, account: int, custom_field_id: str) -> CustomField | None:
        sql = "SELECT * FROM field WHERE account = ? AND custom_field_id = ?"
        row = self._database.one(sql, (account, custom_field_id.lower()))
        return None if row is None else _field(row)

    def by_name(self, account: int) -> dict[str, CustomField]:
        return {field.name: field for field in self.all(account)}

    def by_seq(self, account: int) -> dict[int, CustomField]:
        return {field.seq: field for field in self.all(account)}

    def add(
        self,
        account: int,
        label: str,
        type_: str,
        now: int,
        *,
        metadata: dict[str, Any] | None = None,
        choices: list[dict[str, Any]] | None = None,
        version: int | None = None,
    ) -> CustomField:
        """Create a field; its name is the label with blanks as underscores."""
        sql = (
            "INSERT INTO field (account, custom_field_id, label, name, type, metadata, choices,"
            " version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        custom_field_id, name = str(uuid.uuid4()), name_of(label)
        metadata, choices = metadata or {}, choices or []
        documents = (json.dumps(metadata), json.dumps(choices))
        values = (account, custom_field_id, label, name, type_, *documents, version, now, now)
        seq = self._database.run(sql, values)
        return CustomField(
            seq, account, custom_field_id, label, name, type_, metadata, choices, version, now, now
        )

    def change(
        self, which: CustomField, label: str, choices: list[dict[str, Any]], now: int
    ) -> None:
        sql = "UPDATE field SET label = ?, choices = ?, updated_at = ? WHERE seq = ?"
        self._database.run(sql, (label, json.dumps(choices), now, which.seq))

    def delete(self, which: CustomField) -> None:
        """Delete a field and its value in every contact."""
        self._database.run("DELETE FROM field WHERE seq = ?", (which.seq,))
        sql = (
            "UPDATE contact SET doc = json_remove(doc, ?) WHERE account = ?"
            " AND json_type(doc, ?) IS NOT NULL"
        )
        place = f'$.fields."{which.seq}"'
        self._database.run(sql, (place, which.account, place))


def name_of(label: str) -> str:
    """The read-only name that an import uses after cf: (the contract's CustomField)."""
    return label.strip().replace(" ", "_")[:50]


def _is_datetime(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _field(row: sqlite3.Row) -> CustomField:
    return CustomField(
        seq=row["seq"],
        account=row["account"],
        custom_field_id=row["custom_field_id"],
        label=row["label"],
        name=row["name"],
        type=row["type"],
        metadata=json.loads(row["metadata"]),
        choices=json.loads(row["choices"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
