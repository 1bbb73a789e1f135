"""Imports for measuring clients: taken in at once, worked on when somebody looks at a contact.

In the fast mode an import is not even parsed when it arrives: its contacts are counted and its
bytes put aside, which takes a few milliseconds for four megabytes. No value is checked. What was
put aside becomes contacts as soon as contacts are asked for, by the rules that matter for what a
benchmark reads back: new ones are implicit, the unsubscribed stay untouched, everything else is
merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from sync.sandbox.audience.fields import CustomField, Fields
from sync.sandbox.audience.import_rows import ADDRESS_KEYS, PHONE_KEYS
from sync.sandbox.audience.list_sets import ListSets
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.audience.person import email_key
from sync.sandbox.audience.rules import CORE_LENGTHS
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings

_LIST_IDS = re.compile(rb'"list_ids"\s*:\s*(\[[^\]]*\])')
_CORE = (*CORE_LENGTHS, "birthday_month", "birthday_day", "anniversary")

Convert = Callable[[dict[str, Any]], dict[str, Any]]


def peek(body: bytes) -> tuple[list[Any], int]:
    """The list ids and the number of contacts of an import, without parsing it."""
    match = _LIST_IDS.search(body)
    return (orjson.loads(match[1]) if match else []), body.count(b'"email":')


def put_aside(
    database: Database, settings: SandboxSettings, account: int, payload: bytes, now: int
) -> Outcome:
    """Keep an import for later; `payload` is what `wrap` made."""
    lists, _, body = payload.partition(b"\n")
    sql = "INSERT INTO aside (account, lists, body, at) VALUES (?, ?, ?, ?)"
    database.run(sql, (account, lists.decode(), body, now))
    people = body.count(b'"email":')
    return Outcome(
        {
            "items_total_count": people + int(settings.header_row_counted),
            "person_count": people,
            "error_count": 0,
            "correctable_count": 0,
            "cannot_add_to_list_count": 0,
        }
    )


def wrap(lists: list[int], body: bytes) -> bytes:
    return orjson.dumps(lists) + b"\n" + body


def apply_aside(database: Database, settings: SandboxSettings) -> None:
    """Make contacts of everything that was put aside, in its order."""
    if database.value("SELECT 1 FROM aside LIMIT 1") is None:
        return
    for seq in [row[0] for row in database.all("SELECT seq FROM aside ORDER BY seq")]:
        with database.transaction():
            row = database.one("SELECT * FROM aside WHERE seq = ?", (seq,))
            if row is not None:
                lists = orjson.loads(row["lists"])
                job = _Job(database, settings, row["account"], lists, row["at"])
                job.run(orjson.loads(row["body"])["import_data"])
                database.run("DELETE FROM aside WHERE seq = ?", (seq,))


@dataclass(frozen=True, slots=True)
class _Job:
    database: Database
    settings: SandboxSettings
    account: int
    lists: list[int]
    now: int

    def run(self, contacts: list[dict[str, Any]]) -> None:
        fields = Fields(self.database).by_name(self.account)
        converters: dict[tuple[str, ...], Convert] = {}
        rows = []
        for contact in contacts:
            keys = tuple(contact)
            convert = converters.get(keys)
            if convert is None:
                convert = converters[keys] = _converter(keys, fields)
            email = contact["email"]
            doc = orjson.dumps(convert(contact)).decode()
            rows.append((email_key(email, self.settings), email, doc))
        self.database.run_many(self._upsert(), rows)

    def _upsert(self) -> str:
        """One statement for new and known contacts; the numbers in it are this module's own."""
        sets = ListSets(self.database)
        joined = sets.number(self.account, self.lists)
        sql = "SELECT seq FROM list_set WHERE account = ?"
        grown = [
            f"WHEN {number} THEN {sets.plus(self.account, number, self.lists)}"
            for number in (0, *(row[0] for row in self.database.all(sql, (self.account,))))
        ]
        return (
            "INSERT INTO contact (account, email_key, email, permission, list_set, created_at,"  # noqa: S608
            f" updated_at, opt_in_source, opt_in_at, doc) VALUES ({self.account}, ?, ?,"
            f" 'implicit', {joined}, {self.now}, {self.now}, 'Account', {self.now}, ?)"
            " ON CONFLICT (account, email_key) DO UPDATE SET doc = json_patch(doc, excluded.doc),"
            f" updated_at = {self.now}, deleted_at = NULL,"
            f" list_set = CASE list_set {' '.join(grown)} END WHERE permission <> 'unsubscribed'"
        )


def _converter(keys: tuple[str, ...], fields: dict[str, CustomField]) -> Convert:
    """A function that turns contacts with exactly these properties into documents."""
    core = [key for key in keys if key in _CORE]
    phones = [(PHONE_KEYS[key], key) for key in keys if key in PHONE_KEYS]
    addresses = [(*ADDRESS_KEYS[key], key) for key in keys if key in ADDRESS_KEYS]
    custom = [(fields[k[3:]], k) for k in keys if k.startswith("cf:") and k[3:] in fields]

    def convert(contact: dict[str, Any]) -> dict[str, Any]:
        doc: dict[str, Any] = {key: contact[key] for key in core if contact[key]}
        if phones:
            doc["phones"] = {kind: contact[key] for kind, key in phones if contact[key]}
        for kind, part, key in addresses:
            if value := contact[key]:
                target = doc.setdefault("addresses", {}).setdefault(kind, {})
                if part == "street2":
                    target["street"] = f"{target.get('street', '')} {value}".strip()
                else:
                    target["postal_code" if part == "zip" else part] = value
        if custom:
            doc["fields"] = {
                str(field.seq): field.read(contact[key], strict=False)
                for field, key in custom
                if contact[key]
            }
        return doc

    return convert
