"""The source's contacts of one run held against what Constant Contact is known to hold.

Set-based SQL, so that a million contacts are compared in the database and memory does not grow
with them. Most contacts of a day are what they were: only those whose action differs from the one
that they have are told to the program, and written.
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from statistics import mode

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from sync.portions import portions
from sync.state.fetching import streamed
from sync.state.id_sets import LISTS
from sync.state.observations import Ended
from sync.state.schema import contact, observation, staged, tag_set


class Action(StrEnum):
    """What the plan makes of a staged contact."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OPTED_OUT = "opted_out"
    REFUSED = "refused"
    # Of an approved plan, but not among those whom it sends.
    LEFT_OUT = "left_out"


TO_SEND = (Action.NEW, Action.CHANGED)

_SAMPLE = 1_000


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A row that is left out since the person or somebody there ended it.

    `former` is the address under which it was ended, where that was another one.
    """

    row: int
    email: str
    kind: str
    former: str = ""


def compare(
    connection: Connection, account: str, run_id: int, *, revive_deleted: bool = False
) -> None:
    """Give each staged contact its action; nobody who opted out is new or changed.

    What was decided before is decided anew, but for those whom an approved plan leaves out.
    With `revive_deleted` whom somebody deleted there is changed, though nothing is new of them.
    """
    left_all = _leave_ended_lists(connection, account, run_id)
    action = _action(connection, account, revive_deleted=revive_deleted)
    _decide(connection, account, run_id, action, staged.c.action != Action.LEFT_OUT)
    _set_action(connection, run_id, left_all, Action.OPTED_OUT)


def forget(connection: Connection, run_id: int) -> None:
    """Forget what follows from an earlier comparison, before the next one."""
    derived = (staged.c.former, staged.c.held_set_id, staged.c.uncleared)
    connection.execute(
        update(staged)
        .where(staged.c.run_id == run_id, or_(*(column.is_not(None) for column in derived)))
        .values(dict.fromkeys(derived))
    )


def anybody(connection: Connection, account: str) -> bool:
    """Whether the account is known to have any contact."""
    return bool(connection.scalar(select(exists().where(contact.c.account == account))))


def counts(connection: Connection, run_id: int) -> dict[Action, int]:
    """How many staged contacts have each action."""
    ours = staged.c.run_id == run_id
    some = connection.scalars(select(staged.c.action).where(ours).limit(_SAMPLE)).all()
    if not some:
        return dict.fromkeys(Action, 0)
    # What most have, as far as some tell, is not grouped: SQLite sorts whatever is.
    usual = mode(some)
    is_usual = func.sum(case((staged.c.action == usual, 1), else_=0))
    all_of_them, most = connection.execute(select(func.count(), is_usual).where(ours)).one()
    others = (
        select(staged.c.action, func.count())
        .where(ours, staged.c.action != usual)
        .group_by(staged.c.action)
    )
    counted = dict.fromkeys(Action, 0) | {Action(usual): int(most)}
    if most < all_of_them:
        counted |= {Action(action): count for action, count in connection.execute(others)}
    return counted


def other_tags() -> ColumnElement[bool]:
    """Whether a contact has other tags than are wanted; no number stands for none."""
    return func.coalesce(contact.c.tag_set_id, 0) != func.coalesce(staged.c.tag_set_id, 0)


def has_tags(connection: Connection, account: str) -> bool:
    """Whether anybody of an account has tags, or is to have some, or had any."""
    return bool(connection.scalar(select(exists().where(tag_set.c.account == account))))


def missing(run_id: int) -> ColumnElement[bool]:
    """Whether the source of a run has no contact with a contact's address."""
    row = staged.alias()
    return ~exists().where(row.c.run_id == run_id, row.c.email == contact.c.email)


def absent(connection: Connection, run_id: int) -> ColumnElement[bool]:
    """The same while addresses are to be changed: nor is the contact there under a new one."""
    formers = select(staged.c.former).where(
        staged.c.run_id == run_id,
        staged.c.action == Action.CHANGED,
        staged.c.former.is_not(None),
    )
    # Asked only when there is any: MariaDB looks through all of them for each contact.
    if connection.scalar(formers.limit(1)) is None:
        return missing(run_id)
    return and_(missing(run_id), contact.c.email.not_in(formers))


def gone(
    connection: Connection, account: str, run_id: int, counted: Mapping[Action, int], *, known: int
) -> int:
    """How many of the `known` contacts the source has no more; `counted` are the compared actions.

    Who is changed or unchanged is one of them, under the former address perhaps; of the others it
    is looked up. Each address is there once.
    """
    if not known:
        return 0
    kept = (Action.UNCHANGED, Action.CHANGED)
    known -= sum(counted[action] for action in kept)
    if not known or not any(counted[action] for action in counted if action not in kept):
        return known
    others = (staged.c.run_id == run_id, staged.c.action.not_in(kept))
    there = (contact.c.account == account, contact.c.email == staged.c.email)
    return known - (connection.scalar(select(func.count()).where(*others, *there)) or 0)


def opted_out(connection: Connection, account: str, run_id: int) -> Iterator[OptedOut]:
    """The rows that are left out, with what ended them, in the source's order."""
    left_out = (
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
    for row in streamed(connection, left_out):
        yield OptedOut(row.row, row.email, row.kind)


def _held_against_contact() -> ColumnElement[str]:
    differs = or_(
        contact.c.fingerprint != staged.c.fingerprint,
        contact.c.list_set_id != staged.c.list_set_id,
        other_tags(),
    )
    return case(
        (contact.c.email.is_(None), Action.NEW),
        (differs, Action.CHANGED),
        else_=Action.UNCHANGED,
    )


def _action(connection: Connection, account: str, *, revive_deleted: bool) -> ColumnElement[str]:
    """The same, and what people have ended."""
    action = _held_against_contact()
    opt_outs = (Ended.UNSUBSCRIBED, Ended.DELETED)
    any_ended = exists().where(observation.c.account == account, observation.c.kind.in_(opt_outs))
    if not connection.scalar(select(any_ended)):
        return action
    seen = (observation.c.account == account, observation.c.email == staged.c.email)
    unsubscribed = exists().where(*seen, observation.c.kind == Ended.UNSUBSCRIBED)
    deleted = exists().where(*seen, observation.c.kind == Ended.DELETED)
    ended = (unsubscribed, Action.OPTED_OUT)
    if revive_deleted:
        revived = and_(contact.c.email.is_not(None), deleted)
        return case(ended, (revived, Action.CHANGED), else_=action)
    # Whom this program has deleted itself is free to come back.
    theirs = and_(deleted, contact.c.removed_at.is_(None))
    return case(ended, (theirs, Action.OPTED_OUT), else_=action)


def _decide(
    connection: Connection,
    account: str,
    run_id: int,
    action: ColumnElement[str],
    which: ColumnElement[bool],
) -> None:
    known = and_(contact.c.account == account, contact.c.email == staged.c.email)
    others = (
        select(staged.c.row, action.label("fresh"))
        .select_from(staged.outerjoin(contact, known))
        .where(staged.c.run_id == run_id, which, staged.c.action != action)
    )
    # Eight bytes a row, for those whose action is another than it was.
    rows = {action: array("q") for action in Action}
    for row in streamed(connection, others):
        rows[Action(row.fresh)].append(row.row)
    for fresh, numbers in rows.items():
        _set_action(connection, run_id, numbers, fresh)


def _set_action(
    connection: Connection, run_id: int, rows: "array[int] | list[int]", action: Action
) -> None:
    for some in portions(rows):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == run_id, staged.c.row.in_(some))
            .values(action=action)
        )


def _leave_ended_lists(connection: Connection, account: str, run_id: int) -> list[int]:
    """Take the lists that a person left out of what is wanted; returns the rows that have none."""
    left_any = exists().where(
        observation.c.account == account, observation.c.kind == Ended.LEFT_LIST
    )
    if not connection.scalar(select(left_any)):
        return []
    rows = streamed(
        connection,
        select(staged.c.row, staged.c.list_set_id, observation.c.list_id)
        .join(observation, observation.c.email == staged.c.email)
        .where(
            staged.c.run_id == run_id,
            staged.c.action != Action.LEFT_OUT,
            observation.c.account == account,
            observation.c.kind == Ended.LEFT_LIST,
        )
        .order_by(staged.c.row),
    )
    alike: dict[tuple[int, frozenset[str]], list[int]] = {}
    for (row, wanted), left in groupby(rows, key=lambda each: (each.row, each.list_set_id)):
        alike.setdefault((wanted, frozenset(each.list_id for each in left)), []).append(row)
    left_all: list[int] = []
    for (wanted, list_ids), numbers in alike.items():
        lists = frozenset(LISTS.ids_of(connection, wanted))
        if lists <= list_ids:
            left_all += numbers
        if not lists & list_ids:
            continue
        remaining = LISTS.set_id(connection, account, lists - list_ids)
        for some in portions(numbers):
            connection.execute(
                update(staged)
                .where(staged.c.run_id == run_id, staged.c.row.in_(some))
                .values(list_set_id=remaining)
            )
    return left_all
