"""An account's lists and tags."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sync.sandbox.audience.list_sets import ListSets
from sync.sandbox.database import Database

FIRST_LIST = "General Interest"
"""The list that real accounts start with."""


@dataclass(frozen=True, slots=True)
class ContactList:
    seq: int
    account: int
    list_id: str
    name: str
    description: str
    favorite: bool
    created_at: int
    updated_at: int
    deleted_at: int | None


@dataclass(frozen=True, slots=True)
class Tag:
    seq: int
    account: int
    tag_id: str
    name: str
    source: str
    created_at: int
    updated_at: int


class Lists:
    """Finds and changes lists."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sets = ListSets(database)

    def all(self, account: int) -> list[ContactList]:
        sql = "SELECT * FROM list WHERE account = ? ORDER BY seq"
        return [_list(row) for row in self._database.all(sql, (account,))]

    def get(self, account: int, list_id: str) -> ContactList | None:
        sql = "SELECT * FROM list WHERE account = ? AND list_id = ?"
        row = self._database.one(sql, (account, list_id.lower()))
        return None if row is None else _list(row)

    def by_name(self, account: int, name: str) -> ContactList | None:
        sql = "SELECT * FROM list WHERE account = ? AND name = ? AND deleted_at IS NULL"
        row = self._database.one(sql, (account, name))
        return None if row is None else _list(row)

    def numbers(self, account: int, list_ids: Iterable[str]) -> tuple[list[int], list[str]]:
        """The numbers of the living lists among these ids, and the ids that are none."""
        known, unknown = [], []
        for list_id in list_ids:
            found = self.get(account, list_id)
            if found is None or found.deleted_at is not None:
                unknown.append(list_id)
            else:
                known.append(found.seq)
        return known, unknown

    def ids(self, account: int) -> dict[int, str]:
        """list_id by number, for all lists of an account."""
        sql = "SELECT seq, list_id FROM list WHERE account = ?"
        return {row[0]: row[1] for row in self._database.all(sql, (account,))}

    def add(
        self, account: int, name: str, now: int, *, description: str = "", favorite: bool = False
    ) -> ContactList:
        sql = (
            "INSERT INTO list (account, list_id, name, description, favorite, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        list_id = str(uuid.uuid4())
        seq = self._database.run(sql, (account, list_id, name, description, favorite, now, now))
        return ContactList(seq, account, list_id, name, description, favorite, now, now, None)

    def change(
        self, which: ContactList, name: str, description: str, favorite: bool, now: int
    ) -> None:
        sql = (
            "UPDATE list SET name = ?, description = ?, favorite = ?, updated_at = ? WHERE seq = ?"
        )
        self._database.run(sql, (name, description, favorite, now, which.seq))

    def delete(self, which: ContactList, now: int) -> None:
        """Delete a list and its memberships; the contacts stay."""
        sql = "UPDATE list SET deleted_at = ?, updated_at = ? WHERE seq = ?"
        self._database.run(sql, (now, now, which.seq))
        for number in self.sets.containing_any(which.account, [which.seq]):
            smaller = self.sets.minus(which.account, number, [which.seq])
            sql = "UPDATE contact SET list_set = ? WHERE account = ? AND list_set = ?"
            self._database.run(sql, (smaller, which.account, number))

    def membership_counts(self, account: int, *, active_only: bool) -> dict[int, int]:
        """How many contacts are on each list, by the list's number."""
        sql = "SELECT list_set, count(*) FROM contact WHERE account = ? AND deleted_at IS NULL"
        if active_only:
            sql += " AND permission IN ('explicit', 'implicit', 'pending_confirmation')"
        counts: dict[int, int] = {}
        for number, people in self._database.all(sql + " GROUP BY list_set", (account,)):
            for seq in self.sets.members(number):
                counts[seq] = counts.get(seq, 0) + people
        return counts


class Tags:
    """Finds and changes tags and taggings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, account: int) -> list[Tag]:
        sql = "SELECT * FROM tag WHERE account = ? ORDER BY seq"
        return [_tag(row) for row in self._database.all(sql, (account,))]

    def get(self, account: int, tag_id: str) -> Tag | None:
        sql = "SELECT * FROM tag WHERE account = ? AND tag_id = ?"
        row = self._database.one(sql, (account, tag_id.lower()))
        return None if row is None else _tag(row)

    def by_name(self, account: int, name: str) -> Tag | None:
        sql = "SELECT * FROM tag WHERE account = ? AND name = ?"
        row = self._database.one(sql, (account, name))
        return None if row is None else _tag(row)

    def add(self, account: int, name: str, source: str, now: int) -> Tag:
        sql = (
            "INSERT INTO tag (account, tag_id, name, source, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        tag_id = str(uuid.uuid4())
        seq = self._database.run(sql, (account, tag_id, name, source, now, now))
        return Tag(seq, account, tag_id, name, source, now, now)

    def rename(self, which: Tag, name: str, now: int) -> None:
        sql = "UPDATE tag SET name = ?, updated_at = ? WHERE seq = ?"
        self._database.run(sql, (name, now, which.seq))

    def delete(self, which: Tag) -> None:
        self._database.run("DELETE FROM tagging WHERE tag = ?", (which.seq,))
        self._database.run("DELETE FROM tag WHERE seq = ?", (which.seq,))

    def counts(self, account: int) -> dict[int, int]:
        sql = (
            "SELECT tag, count(*) FROM tagging JOIN tag ON tag.seq = tag"
            " JOIN contact ON contact.seq = contact AND contact.deleted_at IS NULL"
            " WHERE tag.account = ? GROUP BY tag"
        )
        return {row[0]: row[1] for row in self._database.all(sql, (account,))}

    def of(self, contact: int) -> list[str]:
        """The tag ids of one contact."""
        sql = "SELECT tag_id FROM tagging JOIN tag ON tag.seq = tag WHERE contact = ? ORDER BY tag"
        return [row[0] for row in self._database.all(sql, (contact,))]

    def assign(self, tags: Iterable[int], contacts: Iterable[int]) -> None:
        people = list(contacts)
        pairs = ((tag, person) for tag in tags for person in people)
        self._database.run_many("INSERT OR IGNORE INTO tagging (tag, contact) VALUES (?, ?)", pairs)

    def unassign(self, tags: Iterable[int], contacts: Iterable[int]) -> None:
        people = list(contacts)
        pairs = ((tag, person) for tag in tags for person in people)
        self._database.run_many("DELETE FROM tagging WHERE tag = ? AND contact = ?", pairs)

    def replace(self, contact: int, tags: Iterable[int]) -> None:
        self._database.run("DELETE FROM tagging WHERE contact = ?", (contact,))
        self.assign(tags, [contact])


def _list(row: sqlite3.Row) -> ContactList:
    return ContactList(
        seq=row["seq"],
        account=row["account"],
        list_id=row["list_id"],
        name=row["name"],
        description=row["description"],
        favorite=bool(row["favorite"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
    )


def _tag(row: sqlite3.Row) -> Tag:
    return Tag(
        seq=row["seq"],
        account=row["account"],
        tag_id=row["tag_id"],
        name=row["name"],
        source=row["source"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
