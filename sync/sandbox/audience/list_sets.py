"""Sets of lists, each kept once: a contact's memberships are the number of its set.

Most contacts of an account share a few sets, so that counting and searching by list needs only a
handful of numbers. Set 0 is the empty one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sync.sandbox.database import Database


class ListSets:
    """Numbers of sets of list numbers, for all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._members: dict[int, tuple[int, ...]] = {0: ()}
        self._numbers: dict[tuple[int, tuple[int, ...]], int] = {}

    def members(self, number: int) -> tuple[int, ...]:
        """The lists of a set, ascending."""
        known = self._members.get(number)
        if known is None:
            text = self._database.value("SELECT members FROM list_set WHERE seq = ?", (number,))
            known = self._members[number] = tuple(json.loads(text))
        return known

    def number(self, account: int, lists: Iterable[int]) -> int:
        """The number of the set of exactly these lists."""
        members = tuple(sorted(set(lists)))
        if not members:
            return 0
        known = self._numbers.get((account, members))
        if known is None:
            values = (account, json.dumps(members))
            self._database.run(
                "INSERT OR IGNORE INTO list_set (account, members) VALUES (?, ?)", values
            )
            sql = "SELECT seq FROM list_set WHERE account = ? AND members = ?"
            known = int(self._database.value(sql, values))
            self._numbers[account, members] = known
            self._members[known] = members
        return known

    def plus(self, account: int, number: int, lists: Iterable[int]) -> int:
        return self.number(account, {*self.members(number), *lists})

    def minus(self, account: int, number: int, lists: Iterable[int]) -> int:
        return self.number(account, set(self.members(number)).difference(lists))

    def containing_any(self, account: int, lists: Iterable[int]) -> list[int]:
        """The numbers of all sets that hold at least one of these lists."""
        wanted = set(lists)
        rows = self._database.all("SELECT seq, members FROM list_set WHERE account = ?", (account,))
        return [row["seq"] for row in rows if wanted.intersection(json.loads(row["members"]))]
