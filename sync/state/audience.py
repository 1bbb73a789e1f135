"""What people did on the other side: who unsubscribed, was deleted, or left a list."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, func, select, update

from sync.portions import portions
from sync.state.list_sets import list_set_id, lists_of_set
from sync.state.schema import contact, observation, observed
from sync.state.upsert import upsert


class Ended(StrEnum):
    """What ended."""

    UNSUBSCRIBED = "unsubscribed"
    DELETED = "deleted"
    LEFT_LIST = "left_list"


def size(connection: Connection, account: str) -> int:
    """How many contacts Constant Contact is known to hold through us."""
    counted = select(func.count()).select_from(contact).where(contact.c.account == account)
    return connection.scalar(counted) or 0


def note_opt_outs(
    connection: Connection, account: str, opt_outs: Iterable[tuple[str, Ended]], now: datetime
) -> None:
    """Note some of those who are unsubscribed or deleted now."""
    rows = [
        {"account": account, "email": email, "kind": kind, "list_id": "", "observed_at": now}
        for email, kind in dict(opt_outs).items()
    ]
    upsert(connection, observation, rows, update=("observed_at",))


def forget_opt_outs_before(connection: Connection, account: str, now: datetime) -> None:
    """Once all of them are noted: those who were not noted since `now` are free again."""
    connection.execute(
        delete(observation).where(
            observation.c.account == account,
            observation.c.kind.in_((Ended.UNSUBSCRIBED, Ended.DELETED)),
            observation.c.observed_at < now,
        )
    )


def note_memberships(
    connection: Connection, account: str, memberships: dict[str, frozenset[str]], now: datetime
) -> None:
    """Compare people's lists (by address) with those that we put them on.

    A list that is missing there was left by the person, or taken by somebody; it is noted, and
    is no longer part of what we believe to be there. A list that is there again is free again.
    """
    for some in portions(memberships):
        rows = connection.execute(
            select(contact.c.email, contact.c.list_set_id).where(
                contact.c.account == account, contact.c.email.in_(some)
            )
        ).all()
        sets = {row.list_set_id for row in rows}
        expected = {set_id: frozenset(lists_of_set(connection, set_id)) for set_id in sets}
        for email, set_id in rows:
            left = expected[set_id] - memberships[email]
            if left:
                leave(connection, account, email, left, expected[set_id] - left, now)
        _return(connection, account, {email: memberships[email] for email in some})


def note_left(
    connection: Connection, account: str, email: str, list_ids: Iterable[str], now: datetime
) -> None:
    """Note that a person is not on these lists any more."""
    upsert(
        connection,
        observation,
        [
            {
                "account": account,
                "email": email,
                "kind": Ended.LEFT_LIST,
                "list_id": list_id,
                "observed_at": now,
            }
            for list_id in list_ids
        ],
        update=("observed_at",),
    )


def observed_until(connection: Connection, account: str) -> datetime | None:
    """Until when the last observation of changed contacts reaches."""
    until: datetime | None = connection.scalar(
        select(observed.c.until).where(observed.c.account == account)
    )
    return until


def set_observed_until(connection: Connection, account: str, until: datetime) -> None:
    """Note that all changes until then are known."""
    upsert(connection, observed, [{"account": account, "until": until}], update=("until",))


def leave(
    connection: Connection,
    account: str,
    email: str,
    left: frozenset[str],
    remaining: frozenset[str],
    now: datetime,
) -> None:
    """Note that a contact of ours left lists; `remaining` are those that it is on."""
    note_left(connection, account, email, left, now)
    connection.execute(
        update(contact)
        .where(contact.c.account == account, contact.c.email == email)
        .values(list_set_id=list_set_id(connection, account, remaining))
    )


def _return(connection: Connection, account: str, memberships: dict[str, frozenset[str]]) -> None:
    rows = connection.execute(
        select(observation.c.email, observation.c.list_id).where(
            observation.c.account == account,
            observation.c.kind == Ended.LEFT_LIST,
            observation.c.email.in_(list(memberships)),
        )
    ).all()
    for email, list_id in rows:
        if list_id in memberships[email]:
            _forget_left(connection, account, email, [list_id])


def _forget_left(connection: Connection, account: str, email: str, list_ids: Sequence[str]) -> None:
    connection.execute(
        delete(observation).where(
            observation.c.account == account,
            observation.c.email == email,
            observation.c.kind == Ended.LEFT_LIST,
            observation.c.list_id.in_(list_ids),
        )
    )
