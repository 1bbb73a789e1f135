"""Fields that the source has emptied, and that the account may still hold.

An import can't be relied on to clear a field, so what a contact's new body lacks is noted beside
it, and beside the contact once the body is confirmed; it stays there until it was seen to be gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import ColumnElement, Connection, Join, Row, and_, exists, func, or_, select, update

from sync.portions import PER_STATEMENT, portions
from sync.state import bodies
from sync.state.comparison import Action
from sync.state.observations import Ended
from sync.state.schema import contact, observation, staged
from sync.state.store import Store

_FETCHED_AT_ONCE = 1_000
Emptied = Callable[[str, str, Iterable[str]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Uncleared:
    """A contact of whom some fields are to be cleared; `row` is the source's, if it has one."""

    email: str
    row: int
    body: str
    fields: tuple[str, ...]


def note(connection: Connection, account: str, run_id: int, emptied: Emptied) -> None:
    """Note of each changed contact what the source has emptied.

    `emptied` is given the old body, the new one, and what was not cleared before.
    """
    here = staged.c.run_id == run_id
    alike: dict[tuple[str, ...], list[int]] = {}
    for rows in _changed(connection, account, run_id):
        before = bodies.read(connection, account, [row.before for row in rows])
        now = bodies.read(connection, account, [row.now for row in rows])
        for row, old, new in zip(rows, before, now, strict=True):
            if fields := emptied(old, new, _read(row.uncleared)):
                alike.setdefault(fields, []).append(row.row)
    for fields, numbers in alike.items():
        for some in portions(numbers):
            connection.execute(
                update(staged)
                .where(here, staged.c.row.in_(some))
                .values(uncleared=orjson.dumps(fields).decode())
            )


def count(connection: Connection, account: str, run_id: int, *, changed: int) -> int:
    """Of how many contacts a run would clear fields once its `changed` ones are confirmed."""
    others = or_(staged.c.action.is_(None), staged.c.action != Action.CHANGED)
    to_clear = select(func.count()).select_from(_beside(run_id)).where(_to_clear(account), others)
    left = connection.scalar(to_clear) or 0
    if not changed:
        return left
    # What they had left is noted of them, too (`note`), and who is revived has ended it until then.
    emptied = select(func.count()).where(
        staged.c.run_id == run_id,
        staged.c.action == Action.CHANGED,
        staged.c.uncleared.is_not(None),
    )
    return left + (connection.scalar(emptied) or 0)


def waiting(store: Store, account: str, run_id: int) -> Iterator[Uncleared]:
    """The contacts whose fields are to be cleared now, by address.

    Left out is who ended it there, and whose new body is not confirmed: it may fill the field.
    """
    after = ""
    while True:
        with store.read() as connection:
            rows = connection.execute(
                select(contact.c.email, staged.c.row, contact.c.body_id, contact.c.uncleared)
                .select_from(_beside(run_id))
                .where(_to_clear(account), contact.c.email > after)
                .order_by(contact.c.email)
                .limit(PER_STATEMENT)
            ).all()
            texts = bodies.read(connection, account, [row.body_id for row in rows])
        for row, body in zip(rows, texts, strict=True):
            yield Uncleared(row.email, row.row or 0, body, _read(row.uncleared))
        if len(rows) < PER_STATEMENT:
            return
        after = rows[-1].email


def cleared(connection: Connection, account: str, email: str) -> None:
    """Note that the account holds nothing of a contact that it should not."""
    connection.execute(
        update(contact)
        .where(contact.c.account == account, contact.c.email == email)
        .values(uncleared=None)
    )


def _changed(
    connection: Connection, account: str, run_id: int
) -> Iterator[Sequence[Row[int, int, int, str | None]]]:
    """The changed rows of which something may have been emptied, some at a time."""
    after = -1
    while True:
        rows = connection.execute(
            select(
                staged.c.row,
                contact.c.body_id.label("before"),
                staged.c.body_id.label("now"),
                contact.c.uncleared,
            )
            .join(contact, contact.c.email == func.coalesce(staged.c.former, staged.c.email))
            .where(
                contact.c.account == account,
                staged.c.run_id == run_id,
                staged.c.row > after,
                staged.c.action == Action.CHANGED,
                or_(
                    contact.c.fingerprint != staged.c.fingerprint, contact.c.uncleared.is_not(None)
                ),
            )
            .order_by(staged.c.row)
            .limit(_FETCHED_AT_ONCE)
        ).all()
        yield rows
        if len(rows) < _FETCHED_AT_ONCE:
            return
        after = rows[-1].row


def _beside(run_id: int) -> Join:
    """The contacts, each with what is staged of it."""
    return contact.outerjoin(
        staged, and_(staged.c.run_id == run_id, staged.c.email == contact.c.email)
    )


def _to_clear(account: str) -> ColumnElement[bool]:
    confirmed = or_(staged.c.email.is_(None), staged.c.fingerprint == contact.c.fingerprint)
    ended = exists().where(
        observation.c.account == account,
        observation.c.email == contact.c.email,
        observation.c.kind.in_((Ended.UNSUBSCRIBED, Ended.DELETED)),
    )
    ours = and_(contact.c.account == account, contact.c.uncleared.is_not(None))
    return and_(ours, confirmed, ~ended)


def _read(fields: str | None) -> tuple[str, ...]:
    return tuple(orjson.loads(fields)) if fields else ()
