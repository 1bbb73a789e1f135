"""Rows of one address: which of them counts, and what becomes of the others."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, Row, Subquery, delete, func, select, update

from sync.portions import portions
from sync.state import bodies
from sync.state.fetching import streamed
from sync.state.id_sets import LISTS, TAGS
from sync.state.schema import run, staged

_MERGED_AT_ONCE = 1_000


class Keep(StrEnum):
    """Which of several rows of one address counts."""

    LAST = "last"
    FIRST = "first"
    NEWEST = "newest"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Merged:
    """One contact of many rows."""

    body: str
    size: int
    fingerprint: bytes
    owned: str | None = None
    owned_size: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row whose address another row has too, the winner."""

    row: int
    email: str
    winner: int


def drop_duplicates(
    connection: Connection,
    run_id: int,
    tell: Callable[[Duplicate], None],
    *,
    keep: Keep = Keep.LAST,
    merge: Callable[[Sequence[str]], Merged] | None = None,
) -> int:
    """Keep one row of each address; tells the others in their order, and returns how many.

    To merge, `merge` makes one contact of the bodies of an address in the order of their rows, and
    it goes on the lists of all of them, and gets the tags of all.
    """
    account = connection.scalar(select(run.c.account).where(run.c.id == run_id)) or ""
    if keep is Keep.MERGE and merge is not None:
        _merge(connection, account, run_id, merge)
    losers = _losers(run_id, keep)
    # Eight bytes a row. As a subquery of the deletion, PostgreSQL would work the losers out anew
    # for each row.
    rows = array("q")
    for loser in streamed(connection, select(losers).order_by(losers.c.row)):
        tell(Duplicate(loser.row, loser.email, loser.winner))
        rows.append(loser.row)
    for some in portions(rows):
        connection.execute(delete(staged).where(staged.c.run_id == run_id, staged.c.row.in_(some)))
    return len(rows)


def _losers(run_id: int, keep: Keep) -> Subquery:
    """The rows whose address another row has too, which is the one that counts."""
    repeated = (
        select(staged.c.email)
        .where(staged.c.run_id == run_id)
        .group_by(staged.c.email)
        .having(func.count() > 1)
        .subquery()
    )
    last_first = staged.c.row if keep is Keep.FIRST else staged.c.row.desc()
    order: tuple[ColumnElement[object], ...] = (last_first,)
    if keep is Keep.NEWEST:
        # An empty text sorts before all, as a row should that doesn't say how old it is.
        order = (func.coalesce(staged.c.precedence, "").desc(), last_first)
    place = func.row_number().over(partition_by=staged.c.email, order_by=order)
    winner = func.first_value(staged.c.row).over(partition_by=staged.c.email, order_by=order)
    ranked = (
        select(staged.c.row, staged.c.email, place.label("place"), winner.label("winner"))
        .join(repeated, repeated.c.email == staged.c.email)
        .where(staged.c.run_id == run_id)
        .subquery()
    )
    return (
        select(ranked.c.row, ranked.c.email, ranked.c.winner).where(ranked.c.place > 1).subquery()
    )


def _merge(
    connection: Connection, account: str, run_id: int, merge: Callable[[Sequence[str]], Merged]
) -> None:
    """Write what all rows of an address say into its last row."""
    after = ""
    while addresses := _repeated_after(connection, run_id, after):
        after = addresses[-1]
        rows = connection.execute(
            select(staged)
            .where(staged.c.run_id == run_id, staged.c.email.in_(addresses))
            .order_by(staged.c.email, staged.c.row)
        ).all()
        texts = bodies.read(connection, account, (row.body_id for row in rows))
        alike = [
            list(group)
            for _, group in groupby(zip(rows, texts, strict=True), key=lambda each: each[0].email)
        ]
        merged_ones = [merge([_whole(*each) for each in group]) for group in alike]
        packed = bodies.packed([merged.body for merged in merged_ones])
        first = bodies.keep(connection, account, packed)
        for number, (group, merged) in enumerate(zip(alike, merged_ones, strict=True)):
            same = [row for row, _ in group]
            connection.execute(
                update(staged)
                .where(staged.c.run_id == run_id, staged.c.row == same[-1].row)
                .values(
                    body_id=first + number,
                    size=merged.size,
                    fingerprint=merged.fingerprint,
                    owned=merged.owned,
                    owned_size=merged.owned_size,
                    list_set_id=LISTS.union(connection, account, [e.list_set_id for e in same]),
                    tag_set_id=TAGS.union(connection, account, [e.tag_set_id for e in same]),
                )
            )


def _whole(row: Row[tuple[object, ...]], body: str) -> str:
    """The body with what Constant Contact owns."""
    return body if row.owned is None else row.owned + body[1:]


def _repeated_after(connection: Connection, run_id: int, after: str) -> Sequence[str]:
    """The next addresses that more than one row has."""
    return connection.scalars(
        select(staged.c.email)
        .where(staged.c.run_id == run_id, staged.c.email > after)
        .group_by(staged.c.email)
        .having(func.count() > 1)
        .order_by(staged.c.email)
        .limit(_MERGED_AT_ONCE)
    ).all()
