"""The source's contacts of one run, and their comparison with what Constant Contact holds.

All of it is set-based SQL, so that a million contacts are compared in the database and memory
does not grow with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from sync.state.list_sets import list_set_id, lists_of_set
from sync.state.schema import batch, contact, observation, run, staged

_ROWS_PER_STATEMENT = 500


class Action(StrEnum):
    """What the plan makes of a staged contact."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted_out"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row whose address a later row has too."""

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
    """Add checked contacts (row, email, body, size, fingerprint) to the run."""
    if contacts.empty:
        return
    columns = zip(
        contacts["row"].tolist(),
        contacts["email"].tolist(),
        contacts["fingerprint"].tolist(),
        contacts["body"].tolist(),
        contacts["size"].tolist(),
        list_names,
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
            }
            for row, email, fingerprint, body, size, name in columns
        ],
    )


def drop_duplicates(connection: Connection, run_id: int) -> list[Duplicate]:
    """Keep the last row of each address; returns the others, which are gone then."""
    last = (
        select(staged.c.email, func.max(staged.c.row).label("winner"))
        .where(staged.c.run_id == run_id)
        .group_by(staged.c.email)
        .having(func.count() > 1)
        .subquery()
    )
    losers = connection.execute(
        select(staged.c.row, staged.c.email, last.c.winner)
        .join(last, last.c.email == staged.c.email)
        .where(staged.c.run_id == run_id, staged.c.row < last.c.winner)
        .order_by(staged.c.row)
    ).all()
    for start in range(0, len(losers), _ROWS_PER_STATEMENT):
        rows = [loser.row for loser in losers[start : start + _ROWS_PER_STATEMENT]]
        connection.execute(delete(staged).where(staged.c.run_id == run_id, staged.c.row.in_(rows)))
    return [Duplicate(loser.row, loser.email, loser.winner) for loser in losers]


def compare(connection: Connection, account: str, run_id: int) -> None:
    """Give each staged contact its action; nobody who opted out is new or changed."""
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
        observation.c.kind.in_(("unsubscribed", "deleted")),
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
        )
        .group_by(staged.c.row, staged.c.email)
        .order_by(staged.c.row)
    )
    return [OptedOut(row.row, row.email, row.kind) for row in rows]


def to_send(connection: Connection, run_id: int) -> Iterator[tuple[int, int, int]]:
    """(list set, row, encoded bytes) of what must be sent, one list set after the other."""
    rows = connection.execution_options(yield_per=10_000).execute(
        select(staged.c.list_set_id, staged.c.row, staged.c.size)
        .where(staged.c.run_id == run_id, staged.c.action.in_((Action.NEW, Action.CHANGED)))
        .order_by(staged.c.list_set_id, staged.c.row)
    )
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
            observation.c.kind == "left_list",
        )
    ).all()
    left: dict[tuple[int, int], set[str]] = {}
    for row, wanted, list_id in rows:
        left.setdefault((row, wanted), set()).add(list_id)
    for (row, wanted), list_ids in left.items():
        remaining = set(lists_of_set(connection, wanted)) - list_ids
        change: dict[str, object] = {"list_set_id": list_set_id(connection, account, remaining)}
        if not remaining:
            change["action"] = Action.OPTED_OUT
        connection.execute(
            update(staged).where(staged.c.run_id == run_id, staged.c.row == row).values(change)
        )
