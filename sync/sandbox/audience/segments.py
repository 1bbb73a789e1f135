"""Segments: searches that the product's user has saved under a name.

The language of the contract's `segment_criteria` is not spoken here. A segment holds the filters of
GET /contacts, which is enough to see what a client makes of one: the answer that comes later (202),
pages, and memberships and exports by segment.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sync.sandbox.audience.search import Search, from_cursor, to_cursor
from sync.sandbox.database import Database


@dataclass(frozen=True, slots=True)
class Segment:
    segment_id: int
    account: int
    name: str
    search: Search
    evaluated: bool
    """Whether it was asked for before, so that its contacts are known."""


class Segments:
    """Finds and makes segments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, account: int) -> list[Segment]:
        sql = "SELECT * FROM segment WHERE account = ? ORDER BY segment_id"
        return [_segment(row) for row in self._database.all(sql, (account,))]

    def get(self, account: int, segment_id: int) -> Segment | None:
        sql = "SELECT * FROM segment WHERE account = ? AND segment_id = ?"
        row = self._database.one(sql, (account, segment_id))
        return None if row is None else _segment(row)

    def add(self, account: int, name: str, search: Search) -> Segment:
        sql = "INSERT INTO segment (account, name, search) VALUES (?, ?, ?)"
        number = self._database.run(sql, (account, name, to_cursor(search)))
        return Segment(number, account, name, search, evaluated=False)

    def note_evaluated(self, segment: Segment) -> None:
        sql = "UPDATE segment SET evaluated = 1 WHERE segment_id = ?"
        self._database.run(sql, (segment.segment_id,))


def _segment(row: sqlite3.Row) -> Segment:
    return Segment(
        segment_id=row["segment_id"],
        account=row["account"],
        name=row["name"],
        search=from_cursor(row["search"]),
        evaluated=bool(row["evaluated"]),
    )
