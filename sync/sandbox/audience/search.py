"""Searching contacts: the filters of GET /contacts, in pages that a cursor continues.

A cursor holds the whole search, as the vendor's does: the next page is asked for by it alone.
Pages follow the row's number, or the time that is searched by, so that a page never skips a
contact because another one was added or removed meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from sync.sandbox.audience.catalog import Lists
from sync.sandbox.audience.person import Person, read_row
from sync.sandbox.audience.rules import PERMISSIONS
from sync.sandbox.database import Database

ACTIVE = ("explicit", "implicit")
SUM_BYTES = 6


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; times are milliseconds, lists and tags are numbers."""

    status: tuple[str, ...] = ()
    email_key: str | None = None
    lists: tuple[int, ...] | None = None
    tags: tuple[int, ...] | None = None
    updated_after: int | None = None
    updated_before: int | None = None
    created_after: int | None = None
    created_before: int | None = None
    optout_after: int | None = None
    optout_before: int | None = None
    sms_status: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    limit: int = 50
    include_count: bool = False
    shifting: bool = False
    """Count the rows of earlier pages, so that what goes meanwhile makes later ones skip."""
    after: tuple[int, int] | None = None
    """The place where the page before ended: (value of the order's column, row's number)."""

    @property
    def order(self) -> str:
        """The column that pages follow."""
        if self.updated_after is not None or self.updated_before is not None:
            return "updated_at"
        if self.optout_after is not None or self.optout_before is not None:
            return "opt_out_at"
        return "seq"


def run_search(
    database: Database, lists: Lists, account: int, search: Search
) -> tuple[list[Person], Search | None]:
    """One page, and the search for the next one if there is more."""
    where, values = _conditions(lists, account, search)
    order, skipped = search.order, 0
    if search.after is not None and search.shifting:
        skipped = search.after[0]
    elif search.after is not None:
        where += f" AND ({order}, seq) > (?, ?)"
        values += search.after
    sql = f"SELECT * FROM contact WHERE {where} ORDER BY {order}, seq LIMIT ? OFFSET ?"  # noqa: S608
    rows = database.all(sql, (*values, search.limit + 1, skipped))
    page = [read_row(row) for row in rows[: search.limit]]
    if len(rows) <= search.limit:
        return page, None
    if search.shifting:
        return page, replace(search, after=(skipped + search.limit, 0))
    last = rows[search.limit - 1]
    return page, replace(search, after=(last[order], last["seq"]))


def count(database: Database, lists: Lists, account: int, search: Search) -> int:
    where, values = _conditions(lists, account, search)
    return int(database.value(f"SELECT count(*) FROM contact WHERE {where}", values))  # noqa: S608


def numbers(database: Database, lists: Lists, account: int, search: Search) -> list[int]:
    """The numbers of all contacts that are found."""
    where, values = _conditions(lists, account, search)
    sql = f"SELECT seq FROM contact WHERE {where} ORDER BY seq"  # noqa: S608
    return [row[0] for row in database.all(sql, values)]


def to_cursor(search: Search) -> str:
    packed = {key: value for key, value in asdict(search).items() if value not in (None, (), False)}
    payload = orjson.dumps(packed)
    return base64.urlsafe_b64encode(_sum(payload) + payload).rstrip(b"=").decode()


def from_cursor(text: str) -> Search:
    """Raises ValueError for anything that `to_cursor` did not make."""
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        sealed = b""
    if not sealed.startswith(_sum(sealed[SUM_BYTES:])):
        raise ValueError("the cursor is not valid")
    packed: dict[str, Any] = orjson.loads(sealed[SUM_BYTES:])
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in packed.items()}
    return Search(**fields)


def _sum(payload: bytes) -> bytes:
    """What a cursor begins with, so that one that somebody has changed is told."""
    return hashlib.blake2b(payload, digest_size=SUM_BYTES).digest()


def _conditions(lists: Lists, account: int, search: Search) -> tuple[str, tuple[Any, ...]]:
    # With a plus the column can't choose an index: pages in the order of rows need none, and
    # SQLite would sort all contacts of the account for each page.
    plain = search.order != "seq" or search.email_key is not None
    parts, values = ["account = ?" if plain else "+account = ?"], [account]
    extra: list[Any] = []
    parts.append(status_condition(search.status, account))
    if search.email_key is not None:
        parts.append("email_key = ?")
        extra.append(search.email_key)
    if search.lists is not None:
        sets = lists.sets.containing_any(account, search.lists)
        parts.append(f"list_set IN ({', '.join(map(str, sets))})")
    if search.tags is not None:
        tags = ", ".join(str(int(tag)) for tag in search.tags)
        parts.append(f"seq IN (SELECT contact FROM tagging WHERE tag IN ({tags}))")  # noqa: S608
    for column, sign, value in (
        ("updated_at", ">", search.updated_after),
        ("updated_at", "<", search.updated_before),
        ("created_at", ">", search.created_after),
        ("created_at", "<", search.created_before),
        ("opt_out_at", ">", search.optout_after),
        ("opt_out_at", "<", search.optout_before),
    ):
        if value is not None:
            parts.append(f"{column} {sign} ?")
            extra.append(value)
    if search.sms_status and "all" not in search.sms_status:
        marks = ", ".join("?" for _ in search.sms_status)
        parts.append(f"sms IS NOT NULL AND json_extract(doc, '$.sms.permission') IN ({marks})")
        extra.extend(search.sms_status)
    return " AND ".join(parts), (*values, *extra)


def status_condition(wanted: tuple[str, ...], account: int) -> str:
    """SQL that is true for these of a contact's states, the values of GET /contacts' `status`.

    Without a status everybody but the deleted is found.
    """
    if not wanted:
        return "deleted_at IS NULL"
    if "all" in wanted:
        return "1"
    found = []
    for status in wanted:
        if status == "active":
            found.append(f"(deleted_at IS NULL AND permission IN {ACTIVE})")
        elif status == "deleted":
            found.append(_few(account, "deleted_at IS NOT NULL"))
        elif status in PERMISSIONS:
            living = f"permission = '{status}' AND deleted_at IS NULL"
            found.append(_few(account, f"permission NOT IN ('explicit', 'implicit') AND {living}"))
    return "(" + (" OR ".join(found) or "0") + ")"


def _few(account: int, condition: str) -> str:
    """Those whom an index of the few finds; the condition's first words are the index's."""
    return f"seq IN (SELECT seq FROM contact WHERE account = {account} AND {condition})"  # noqa: S608
