"""The source's contacts of one run, and their comparison with what Constant Contact holds.

All of it is set-based SQL, so that a million contacts are compared in the database and memory
does not grow with them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from sync.portions import portions
from sync.state.audience import Ended
from sync.state.list_sets import list_set_id, lists_of_set
from sync.state.schema import batch, contact, observation, run, staged


class Action(StrEnum):
    """What the plan makes of a staged contact."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted_out"
    REFUSED = "refused"


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


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row whose address another row has too, the winner."""

    row: int
    email: str
    winner: int


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A row that is left out since the person or somebody there ended it."""

    row: int
    email: str
    kind: str


def stage(
    connection: Connection,
    run_id: int,
    contacts: pd.DataFrame,
    list_names: Sequence[str | None],
    list_sets: Mapping[str | None, int],
) -> None:
    """Add checked contacts (row, email, body, size, fingerprint, precedence) to the run."""
    if contacts.empty:
        return
    precedence: list[str | None] = [None] * len(contacts)
    if "precedence" in contacts and contacts["precedence"].notna().any():
        column = contacts["precedence"].astype(object)
        precedence = column.where(column.notna(), None).tolist()
    columns = zip(
        contacts["row"].tolist(),
        contacts["email"].tolist(),
        contacts["fingerprint"].tolist(),
        contacts["body"].tolist(),
        contacts["size"].tolist(),
        list_names,
        precedence,
        strict=True,
    )
    connection.execute(
        insert(staged),
        [
            {
                "run_id": run_id,
                "row": row,
                "email": email,
                "fingerprint": fingerprint,
                "body": body,
                "size": size,
                "list_set_id": list_sets[name],
                "action": Action.UNCHANGED,
                "precedence": newest,
            }
            for row, email, fingerprint, body, size, name, newest in columns
        ],
    )


def drop_duplicates(
    connection: Connection,
    run_id: int,
    keep: Keep = Keep.LAST,
    merge: Callable[[Sequence[str]], Merged] | None = None,
) -> list[Duplicate]:
    """Keep one row of each address; returns the others, which are gone then.

    To merge, `merge` makes one contact of the bodies of an address in the order of their rows, and
    it goes on the lists of all of them.
    """
    account = connection.scalar(select(run.c.account).where(run.c.id == run_id)) or ""
    if keep is Keep.MERGE and merge is not None:
        _merge(connection, account, run_id, merge)
    repeated = _repeated(run_id)
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
    losers = connection.execute(
        select(ranked.c.row, ranked.c.email, ranked.c.winner)
        .where(ranked.c.place > 1)
        .order_by(ranked.c.row)
    ).all()
    for rows in portions(loser.row for loser in losers):
        connection.execute(delete(staged).where(staged.c.run_id == run_id, staged.c.row.in_(rows)))
    return [Duplicate(loser.row, loser.email, loser.winner) for loser in losers]


def _repeated(run_id: int) -> Subquery:
    """The addresses of more than one row."""
    return (
        select(staged.c.email)
        .where(staged.c.run_id == run_id)
        .group_by(staged.c.email)
        .having(func.count() > 1)
        .subquery()
    )


def _merge(
    connection: Connection, account: str, run_id: int, merge: Callable[[Sequence[str]], Merged]
) -> None:
    """Write what all rows of an address say into its last row."""
    repeated = _repeated(run_id)
    rows = connection.execute(
        select(staged.c.email, staged.c.row, staged.c.body, staged.c.list_set_id)
        .join(repeated, repeated.c.email == staged.c.email)
        .where(staged.c.run_id == run_id)
        .order_by(staged.c.email, staged.c.row)
    ).all()
    for _, group in groupby(rows, key=lambda each: each.email):
        same = list(group)
        merged = merge([each.body for each in same])
        lists = {each.list_set_id for each in same}
        list_ids = {list_id for each in lists for list_id in lists_of_set(connection, each)}
        connection.execute(
            update(staged)
            .where(staged.c.run_id == run_id, staged.c.row == same[-1].row)
            .values(
                body=merged.body,
                size=merged.size,
                fingerprint=merged.fingerprint,
                list_set_id=lists.pop()
                if len(lists) == 1
                else list_set_id(connection, account, list_ids),
            )
        )


def compare(connection: Connection, account: str, run_id: int) -> None:
    """Give each staged contact its action; nobody who opted out is new or changed.

    What was decided before is decided anew.
    """
    _set_action(
        connection,
        and_(staged.c.run_id == run_id, staged.c.action != Action.UNCHANGED),
        Action.UNCHANGED,
    )
    _leave_ended_lists(connection, account, run_id)
    here = staged.c.run_id == run_id
    undecided = and_(here, staged.c.action == Action.UNCHANGED)
    known = and_(contact.c.account == account, contact.c.email == staged.c.email)
    differs = or_(
        contact.c.fingerprint != staged.c.fingerprint,
        contact.c.list_set_id != staged.c.list_set_id,
    )
    ended = exists().where(
        observation.c.account == account,
        observation.c.email == staged.c.email,
        observation.c.kind.in_((Ended.UNSUBSCRIBED, Ended.DELETED)),
    )
    _set_action(connection, and_(here, ended), Action.OPTED_OUT)
    _set_action(connection, and_(undecided, exists().where(known, differs)), Action.CHANGED)
    _set_action(connection, and_(undecided, ~exists().where(known)), Action.NEW)


def counts(connection: Connection, run_id: int) -> dict[Action, int]:
    """How many staged contacts have each action."""
    rows = connection.execute(
        select(staged.c.action, func.count())
        .where(staged.c.run_id == run_id)
        .group_by(staged.c.action)
    ).all()
    return dict.fromkeys(Action, 0) | {Action(action): count for action, count in rows}


def gone(connection: Connection, account: str, run_id: int) -> int:
    """How many synced contacts the source has no more."""
    present = exists().where(staged.c.run_id == run_id, staged.c.email == contact.c.email)
    return (
        connection.scalar(
            select(func.count()).select_from(contact).where(contact.c.account == account, ~present)
        )
        or 0
    )


def opted_out(connection: Connection, account: str, run_id: int) -> list[OptedOut]:
    """The rows that are left out, with what ended them, in the source's order."""
    rows = connection.execute(
        select(staged.c.row, staged.c.email, func.max(observation.c.kind).label("kind"))
        .join(observation, observation.c.email == staged.c.email)
        .where(
            staged.c.run_id == run_id,
            staged.c.action == Action.OPTED_OUT,
            observation.c.account == account,
            observation.c.kind.in_(list(Ended)),
        )
        .group_by(staged.c.row, staged.c.email)
        .order_by(staged.c.row)
    )
    return [OptedOut(row.row, row.email, row.kind) for row in rows]


def to_send(connection: Connection, run_id: int) -> Iterator[tuple[int, int, int]]:
    """(list set, row, encoded bytes) of what must be sent, one list set after the other."""
    wanted = (
        select(staged.c.list_set_id, staged.c.row, staged.c.size)
        .where(staged.c.run_id == run_id, staged.c.action.in_((Action.NEW, Action.CHANGED)))
        .order_by(staged.c.list_set_id, staged.c.row)
    )
    # For this statement alone: as the connection's own option it would hold for all that follow.
    rows = connection.execute(wanted, execution_options={"yield_per": 10_000})
    for row in rows:
        yield row.list_set_id, row.row, row.size


def lists_to_send(connection: Connection, run_id: int) -> dict[int, tuple[str, ...]]:
    """The list ids of every list set that something must be sent to."""
    sets = connection.scalars(
        select(staged.c.list_set_id)
        .distinct()
        .where(staged.c.run_id == run_id, staged.c.action.in_((Action.NEW, Action.CHANGED)))
    ).all()
    return {set_id: lists_of_set(connection, set_id) for set_id in sets}


def discard_settled(connection: Connection, account: str) -> None:
    """Forget the staged contacts of runs that have nothing left to settle."""
    needed = select(batch.c.run_id).where(batch.c.account == account, batch.c.settled_at.is_(None))
    ours = select(run.c.id).where(run.c.account == account)
    connection.execute(
        delete(staged).where(staged.c.run_id.in_(ours), staged.c.run_id.not_in(needed))
    )


def _set_action(connection: Connection, where: ColumnElement[bool], action: Action) -> None:
    connection.execute(update(staged).where(where).values(action=action))


def _leave_ended_lists(connection: Connection, account: str, run_id: int) -> None:
    """Take the lists that a person left out of what is wanted; without any, the row is left out."""
    rows = connection.execute(
        select(staged.c.row, staged.c.list_set_id, observation.c.list_id)
        .join(observation, observation.c.email == staged.c.email)
        .where(
            staged.c.run_id == run_id,
            observation.c.account == account,
            observation.c.kind == Ended.LEFT_LIST,
        )
        .order_by(staged.c.row)
    ).all()
    alike: dict[tuple[int, frozenset[str]], list[int]] = {}
    for (row, wanted), left in groupby(rows, key=lambda each: (each.row, each.list_set_id)):
        alike.setdefault((wanted, frozenset(each.list_id for each in left)), []).append(row)
    for (wanted, list_ids), numbers in alike.items():
        lists = frozenset(lists_of_set(connection, wanted))
        if not lists & list_ids:
            continue
        change: dict[str, object] = {
            "list_set_id": list_set_id(connection, account, lists - list_ids)
        }
        if lists <= list_ids:
            change["action"] = Action.OPTED_OUT
        for some in portions(numbers):
            connection.execute(
                update(staged)
                .where(staged.c.run_id == run_id, staged.c.row.in_(some))
                .values(change)
            )
