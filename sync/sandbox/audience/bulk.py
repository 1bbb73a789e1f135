"""Bulk work on contacts that are there already: memberships, taggings, deletion.

The contacts are named by one of several mutually exclusive sources, looked up when the work is
done. Adding to a list revives a deleted contact (the guide's page on deleting contacts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.audience.person import People, Person
from sync.sandbox.audience.rules import LISTS_PER_CONTACT, TAGS_PER_CONTACT
from sync.sandbox.audience.search import ACTIVE
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings

NEW_SUBSCRIBER_MS = 30 * 24 * 3600 * 1000
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Source:
    """Which contacts to work on; exactly one member but `exclude` is set. All are row numbers."""

    contacts: tuple[int, ...] | None = None
    lists: tuple[int, ...] | None = None
    tags: tuple[int, ...] | None = None
    all_active: bool = False
    new_subscriber: bool = False
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
        found = [seq for seq in self._numbers(source) if seq not in set(source.exclude)]
        return found[: int(len(found) * share)]

    def add_to_lists(self, contacts: list[int], lists: list[int]) -> Outcome:
        sets = Lists(self.database).sets
        refused = 0

        def add(person: Person) -> bool:
            nonlocal refused
            unsubscribed = person.permission == "unsubscribed"
            if unsubscribed and not self.settings.add_unsubscribed_to_lists:
                refused += 1
                return False
            larger = sets.plus(self.account, person.list_set, lists)
            if len(sets.members(larger)) > LISTS_PER_CONTACT:
                refused += 1
                return False
            person.list_set, person.deleted_at = larger, None
            person.updated_at = self.now
            return True

        self._each(contacts, add)
        return self._outcome(contacts, refused, {"list_count": len(lists)}, "added to a list")

    def remove_from_lists(self, contacts: list[int], lists: list[int]) -> Outcome:
        sets = Lists(self.database).sets

        def remove(person: Person) -> bool:
            person.list_set = sets.minus(self.account, person.list_set, lists)
            if self.settings.list_removal_moves_updated_at:
                person.updated_at = self.now
            return True

        self._each(contacts, remove)
        return self._outcome(contacts, 0, {"list_count": len(lists)}, "removed")

    def delete(self, contacts: list[int], list_count: int) -> Outcome:
        def delete(person: Person) -> bool:
            person.deleted_at, person.list_set = self.now, 0
            if self.settings.delete_moves_updated_at:
                person.updated_at = self.now
            return True

        self._each(contacts, delete)
        more = {"list_count": list_count} if list_count else {}
        return self._outcome(contacts, 0, more, "deleted")

    def tag(self, contacts: list[int], tags: list[int]) -> Outcome:
        wanted = Tags(self.database)
        refused = 0
        for seq in contacts:
            sql = "SELECT count(*) FROM tagging WHERE contact = ?"
            if int(self.database.value(sql, (seq,))) + len(tags) > TAGS_PER_CONTACT:
                refused += 1
            else:
                wanted.assign(tags, [seq])
        return self._outcome(contacts, refused, {}, "tagged")

    def untag(self, contacts: list[int], tags: list[int]) -> Outcome:
        Tags(self.database).unassign(tags, contacts)
        return self._outcome(contacts, 0, {}, "untagged")

    def _numbers(self, source: Source) -> Iterable[int]:
        living = "SELECT seq FROM contact WHERE account = ? AND deleted_at IS NULL"
        values: tuple[Any, ...] = (self.account,)
        if source.contacts is not None:
            return [p.seq for p in People(self.database).many(self.account, source.contacts)]
        if source.lists is not None:
            sets = Lists(self.database).sets.containing_any(self.account, source.lists)
            living += f" AND list_set IN ({', '.join(map(str, sets))})"
        elif source.tags is not None:
            numbers = ", ".join(map(str, source.tags))
            living += f" AND seq IN (SELECT contact FROM tagging WHERE tag IN ({numbers}))"  # noqa: S608
        elif source.new_subscriber:
            living += f" AND permission IN {ACTIVE} AND opt_in_at > ?"
            values += (self.now - NEW_SUBSCRIBER_MS,)
        else:
            living += f" AND permission IN {ACTIVE}"
        return [row[0] for row in self.database.all(living + " ORDER BY seq", values)]

    def _each(self, contacts: list[int], work: Callable[[Person], bool]) -> None:
        people = People(self.database)
        for start in range(0, len(contacts), CHUNK):
            chunk = people.many(self.account, contacts[start : start + CHUNK])
            people.save_many([person for person in chunk if work(person)], self.settings)

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
