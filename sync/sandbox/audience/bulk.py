"""Bulk work on contacts that are there already: memberships, taggings, deletion.

The contacts are named by one of several mutually exclusive sources, looked up when the work is
done. Adding to a list revives a deleted contact (the guide's page on deleting contacts).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.audience.rules import LISTS_PER_CONTACT, TAGS_PER_CONTACT
from sync.sandbox.audience.search import ACTIVE, from_cursor, numbers, status_condition
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings

NEW_SUBSCRIBER_MS = 30 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Source:
    """Which contacts to work on: all that are not deleted, or those whom every member names.

    Contacts, lists and tags are row numbers.
    """

    contacts: tuple[int, ...] | None = None
    """They may be deleted, unless a status is named."""
    lists: tuple[int, ...] | None = None
    tags: tuple[int, ...] | None = None
    segment: str | None = None
    """A segment's search, as a cursor."""
    engagement: str | None = None
    all_active: bool = False
    new_subscriber: bool = False
    status: tuple[str, ...] = ()
    exclude: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bulk:
    """Works on the contacts of one account at one instant."""

    database: Database
    settings: SandboxSettings
    account: int
    now: int

    def find(self, source: Source, share: float = 1.0) -> list[int]:
        """The numbers of a source's contacts, or the first share of them."""
        excluded = frozenset(source.exclude)
        found = [seq for seq in self._numbers(source) if seq not in excluded]
        return found[: int(len(found) * share)]

    def add_to_lists(self, contacts: list[int], lists: list[int]) -> Outcome:
        sets = Lists(self.database).sets
        willing = 0

        def larger(row: sqlite3.Row) -> int | None:
            nonlocal willing
            unsubscribed = row["permission"] == "unsubscribed"
            if unsubscribed and not self.settings.add_unsubscribed_to_lists:
                return None
            joined = sets.plus(self.account, row["list_set"], lists)
            if len(sets.members(joined)) > LISTS_PER_CONTACT:
                return None
            willing += 1
            return joined

        self._put_on_lists(contacts, larger, ", deleted_at = NULL", moves=True)
        refused = len(contacts) - willing
        return self._outcome(contacts, refused, {"list_count": len(lists)}, "added to a list")

    def remove_from_lists(self, contacts: list[int], lists: list[int]) -> Outcome:
        sets = Lists(self.database).sets

        def smaller(row: sqlite3.Row) -> int:
            return sets.minus(self.account, row["list_set"], lists)

        moves = self.settings.list_removal_moves_updated_at
        self._put_on_lists(contacts, smaller, "", moves=moves)
        return self._outcome(contacts, 0, {"list_count": len(lists)}, "removed")

    def delete(self, contacts: list[int], list_count: int) -> Outcome:
        sql = "UPDATE contact SET deleted_at = ?, list_set = 0 WHERE seq = ? AND deleted_at IS NULL"
        self.database.run_many(sql, ((self.now, seq) for seq in contacts))
        if self.settings.delete_moves_updated_at:
            sql = "UPDATE contact SET updated_at = deleted_at WHERE seq = ? AND deleted_at = ?"
            self.database.run_many(sql, ((seq, self.now) for seq in contacts))
        more = {"list_count": list_count} if list_count else {}
        return self._outcome(contacts, 0, more, "deleted")

    def tag(self, contacts: list[int], tags: list[int]) -> Outcome:
        sql = (
            "SELECT contact FROM tagging WHERE contact IN (SELECT value FROM json_each(?))"
            " AND tag NOT IN (SELECT value FROM json_each(?)) GROUP BY contact HAVING count(*) > ?"
        )
        most = TAGS_PER_CONTACT - len(tags)
        rows = self.database.all(sql, (json.dumps(contacts), json.dumps(tags), most))
        full = {row[0] for row in rows}
        Tags(self.database).assign(tags, [seq for seq in contacts if seq not in full])
        return self._outcome(contacts, len(full), {}, "tagged")

    def untag(self, contacts: list[int], tags: list[int]) -> Outcome:
        Tags(self.database).unassign(tags, contacts)
        return self._outcome(contacts, 0, {}, "untagged")

    def _numbers(self, source: Source) -> Iterable[int]:
        if source.segment is not None:
            segment = from_cursor(source.segment)
            return numbers(self.database, Lists(self.database), self.account, segment)
        status = source.status or (("all",) if source.contacts is not None else ())
        # With a plus the account chooses no index: the rows come in their own order, or by number.
        parts = ["+account = ?", status_condition(status, self.account)]
        values: list[Any] = [self.account]
        if source.contacts is not None:
            parts.append("seq IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(source.contacts))
        if source.lists is not None:
            sets = Lists(self.database).sets.containing_any(self.account, source.lists)
            parts.append(f"list_set IN ({', '.join(map(str, sets))})")
        if source.tags is not None:
            tags = ", ".join(map(str, source.tags))
            parts.append(f"seq IN (SELECT contact FROM tagging WHERE tag IN ({tags}))")  # noqa: S608
        if source.engagement is not None:
            parts.append("json_extract(doc, '$.engagement') = ?")
            values.append(source.engagement)
        if source.all_active or source.new_subscriber:
            parts.append(f"permission IN {ACTIVE}")
        if source.new_subscriber:
            parts.append("opt_in_at > ?")
            values.append(self.now - NEW_SUBSCRIBER_MS)
        sql = f"SELECT seq FROM contact WHERE {' AND '.join(parts)} ORDER BY seq"  # noqa: S608
        return [row[0] for row in self.database.all(sql, values)]

    def _put_on_lists(
        self,
        contacts: list[int],
        choose: Callable[[sqlite3.Row], int | None],
        more: str,
        *,
        moves: bool,
    ) -> None:
        """Give each contact the set of lists that is chosen for it; None leaves it as it is."""
        sql = (
            "SELECT seq, list_set, permission, updated_at FROM json_each(?) AS wanted"
            " CROSS JOIN contact ON seq = wanted.value"
        )
        rows = self.database.all(sql, (json.dumps(contacts),))
        chosen = ((row, choose(row)) for row in rows)
        self.database.run_many(
            f"UPDATE contact SET list_set = ?, updated_at = ?{more} WHERE seq = ?",  # noqa: S608
            [
                (number, self.now if moves else row["updated_at"], row["seq"])
                for row, number in chosen
                if number is not None
            ],
        )

    def _outcome(
        self, contacts: list[int], refused: int, more: dict[str, int], what: str
    ) -> Outcome:
        status = {
            "items_total_count": len(contacts),
            "items_completed_count": len(contacts) - refused,
            **more,
        }
        errors = (f"{refused} contacts could not be {what}.",) if refused else ()
        return Outcome(status, errors)
