"""The account's contacts as we believe them to be, and which lists people have left."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from sync.portions import portions
from sync.state.id_sets import LISTS
from sync.state.observations import Ended, Observation, end, note
from sync.state.schema import contact, observation, observed
from sync.state.upsert import upsert


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """How far the other side was read.

    Attributes:
        until: All changes until then are known, as far as the service tells of changes.
        full_at: When everything was read last; None before the first time.
        runs_since_full: How often only the changes were read since then.
        own_from, own_until: When the service worked on a large import of ours, by its own clock:
            whom it has changed in between is mostly our own doing.
    """

    until: datetime
    full_at: datetime | None = None
    runs_since_full: int = 0
    own_from: datetime | None = None
    own_until: datetime | None = None


def size(connection: Connection, account: str) -> int:
    """How many contacts Constant Contact is known to hold through us."""
    counted = select(func.count()).select_from(contact).where(contact.c.account == account)
    return connection.scalar(counted) or 0


def deleted_by_us(connection: Connection, account: str, emails: Collection[str]) -> set[str]:
    """Which of these (at most as many as a statement takes) this program deleted itself."""
    return set(
        connection.scalars(
            select(contact.c.email).where(
                contact.c.account == account,
                contact.c.email.in_(emails),
                contact.c.removed_at.is_not(None),
            )
        )
    )


def note_memberships(
    connection: Connection,
    account: str,
    memberships: dict[str, frozenset[str]],
    now: datetime,
    *,
    returned: Collection[str] = (),
) -> None:
    """Compare people's lists (by address) with those that we put them on.

    A list that is missing there was left by the person, or taken by somebody; it is noted, and
    is no longer part of what we believe to be there. A list that is there again is free again.
    Who has `returned` after an opt-out was taken off the lists by that, and has left none.
    """
    for some in portions(memberships):
        rows = connection.execute(
            select(contact.c.email, contact.c.list_set_id).where(
                contact.c.account == account, contact.c.email.in_(some)
            )
        ).all()
        sets = {row.list_set_id for row in rows}
        expected = {set_id: frozenset(LISTS.ids_of(connection, set_id)) for set_id in sets}
        for email, set_id in rows:
            left = expected[set_id] - memberships[email]
            if left and email in returned:
                _believe_on(connection, account, email, expected[set_id] - left)
            elif left:
                leave(connection, account, email, left, expected[set_id] - left, now)
        _return(connection, account, {email: memberships[email] for email in some}, now)


def note_left(
    connection: Connection, account: str, email: str, list_ids: Iterable[str], now: datetime
) -> None:
    """Note that a person is not on these lists any more."""
    left = [Observation(email=email, kind=Ended.LEFT_LIST, list_id=list_id) for list_id in list_ids]
    note(connection, account, left, now)


def observed_until(connection: Connection, account: str) -> Observed | None:
    """How far the other side was read; None before the first time."""
    row = connection.execute(select(observed).where(observed.c.account == account)).first()
    if row is None:
        return None
    return Observed(
        until=row.until,
        full_at=row.full_at,
        runs_since_full=row.runs_since_full,
        own_from=row.own_from,
        own_until=row.own_until,
    )


def set_observed(connection: Connection, account: str, so_far: Observed) -> None:
    """Note how far the other side was read."""
    values = asdict(so_far)
    upsert(connection, observed, [{"account": account, **values}], update=tuple(values))


def note_own_import(
    connection: Connection, account: str, own_from: datetime, own_until: datetime
) -> None:
    """Note when the service worked on a large import of ours."""
    connection.execute(
        update(observed)
        .where(observed.c.account == account)
        .values(own_from=own_from, own_until=own_until)
    )


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
    _believe_on(connection, account, email, remaining)


def _believe_on(connection: Connection, account: str, email: str, list_ids: frozenset[str]) -> None:
    connection.execute(
        update(contact)
        .where(contact.c.account == account, contact.c.email == email)
        .values(list_set_id=LISTS.set_id(connection, account, list_ids))
    )


def _return(
    connection: Connection, account: str, memberships: dict[str, frozenset[str]], now: datetime
) -> None:
    rows = connection.execute(
        select(observation.c.email, observation.c.list_id).where(
            observation.c.account == account,
            observation.c.kind == Ended.LEFT_LIST,
            observation.c.email.in_(list(memberships)),
        )
    ).all()
    for email, list_id in rows:
        if list_id in memberships[email]:
            end(connection, account, [email], [Ended.LEFT_LIST], now, list_ids=[list_id])
