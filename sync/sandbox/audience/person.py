"""One contact as the sandbox keeps it, and its row in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings

COLUMNS = (
    "account",
    "email_key",
    "email",
    "sms",
    "permission",
    "list_set",
    "created_at",
    "updated_at",
    "doc",
    "create_source",
    "update_source",
    "opt_in_source",
    "opt_in_at",
    "opt_out_source",
    "opt_out_at",
    "opt_out_reason",
    "confirm_status",
    "deleted_at",
    "resubscribe_sent",
)
INSERT = (
    f"INSERT INTO contact ({', '.join(COLUMNS)})"  # noqa: S608 (constants)
    f" VALUES ({', '.join('?' for _ in COLUMNS)})"
)
UPDATE = f"UPDATE contact SET {', '.join(f'{c} = ?' for c in COLUMNS)} WHERE seq = ?"  # noqa: S608

# Contact ids are computed from the row's number, so that they need no index of their own. The
# first part is scrambled by an odd factor, which a modulus of 2**32 lets one undo.
_FACTOR = 2654435761
_INVERSE = pow(_FACTOR, -1, 2**32)
_TAIL = "-1e6d-11f0-8a58-fa163e6b01c1"


@dataclass(slots=True)
class Person:
    """A contact; times are milliseconds since the epoch."""

    account: int
    email: str | None
    permission: str
    created_at: int
    updated_at: int
    doc: dict[str, Any]
    """Core fields by their names, and: phones, addresses, fields, notes, sms."""
    seq: int = 0
    list_set: int = 0
    sms: str | None = None
    create_source: str = "Account"
    update_source: str = "Account"
    opt_in_source: str | None = None
    opt_in_at: int | None = None
    opt_out_source: str | None = None
    opt_out_at: int | None = None
    opt_out_reason: str | None = None
    confirm_status: str = "off"
    deleted_at: int | None = None
    resubscribe_sent: bool = False

    @property
    def contact_id(self) -> str:
        return contact_id(self.seq)

    def opt_in(self, permission: str, source: str, now: int) -> None:
        """Give a permission and forget an earlier opt-out."""
        self.permission = permission
        self.opt_in_source, self.opt_in_at = source, now
        self.opt_out_source = self.opt_out_at = self.opt_out_reason = None

    def opt_out(self, source: str, now: int, reason: str | None) -> None:
        """Unsubscribe from everything."""
        self.permission = "unsubscribed"
        self.opt_out_source, self.opt_out_at, self.opt_out_reason = source, now, reason
        self.list_set = 0

    def row(self, email_key: str | None) -> tuple[Any, ...]:
        return (
            self.account,
            email_key,
            self.email,
            self.sms,
            self.permission,
            self.list_set,
            self.created_at,
            self.updated_at,
            orjson.dumps(self.doc).decode(),
            self.create_source,
            self.update_source,
            self.opt_in_source,
            self.opt_in_at,
            self.opt_out_source,
            self.opt_out_at,
            self.opt_out_reason,
            self.confirm_status,
            self.deleted_at,
            int(self.resubscribe_sent),
        )


class People:
    """Finds and saves contacts of any account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, account: int, seq: int) -> Person | None:
        sql = "SELECT * FROM contact WHERE account = ? AND seq = ?"
        row = self._database.one(sql, (account, seq))
        return None if row is None else read_row(row)

    def by_email(self, account: int, email: str, settings: SandboxSettings) -> Person | None:
        sql = "SELECT * FROM contact WHERE account = ? AND email_key = ?"
        row = self._database.one(sql, (account, email_key(email, settings)))
        return None if row is None else read_row(row)

    def by_sms(self, account: int, number: str) -> Person | None:
        sql = "SELECT * FROM contact WHERE account = ? AND sms = ?"
        row = self._database.one(sql, (account, number))
        return None if row is None else read_row(row)

    def many(self, account: int, seqs: Iterable[int]) -> list[Person]:
        wanted = orjson.dumps(list(seqs)).decode()
        sql = (
            "SELECT contact.* FROM json_each(?) AS wanted CROSS JOIN contact ON seq = wanted.value"
            " WHERE account = ? ORDER BY seq"
        )
        return [read_row(row) for row in self._database.all(sql, (wanted, account))]

    def save(self, person: Person, settings: SandboxSettings) -> None:
        """Write a new or changed contact; a new one gets its number."""
        self.save_many([person], settings)

    def save_many(self, people: Iterable[Person], settings: SandboxSettings) -> None:
        changed: list[tuple[Any, ...]] = []
        for person in people:
            key = None if person.email is None else email_key(person.email, settings)
            if person.seq:
                changed.append((*person.row(key), person.seq))
            else:
                person.seq = self._database.run(INSERT, person.row(key))
        self._database.run_many(UPDATE, changed)


def read_row(row: sqlite3.Row) -> Person:
    return Person(
        account=row["account"],
        email=row["email"],
        permission=row["permission"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        doc=orjson.loads(row["doc"]),
        seq=row["seq"],
        list_set=row["list_set"],
        sms=row["sms"],
        create_source=row["create_source"],
        update_source=row["update_source"],
        opt_in_source=row["opt_in_source"],
        opt_in_at=row["opt_in_at"],
        opt_out_source=row["opt_out_source"],
        opt_out_at=row["opt_out_at"],
        opt_out_reason=row["opt_out_reason"],
        confirm_status=row["confirm_status"],
        deleted_at=row["deleted_at"],
        resubscribe_sent=bool(row["resubscribe_sent"]),
    )


def email_key(email: str, settings: SandboxSettings) -> str:
    """What two addresses must share to be one contact's."""
    return email.strip().lower() if settings.email_case == "insensitive" else email.strip()


def contact_id(seq: int) -> str:
    return f"{seq * _FACTOR % 2**32:08x}{_TAIL}"


def contact_seq(text: str) -> int:
    """The row's number of a contact id; 0 for an id that was never given out."""
    if not text.lower().endswith(_TAIL):
        return 0
    return int(text[:8], 16) * _INVERSE % 2**32
