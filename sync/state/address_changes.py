"""People whose address has changed: the company's key of them is known, the address is not.

Compared with the state: nothing of it is remembered. A key that the source has twice, or that
several contacts had, tells nobody apart, and is told instead.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, Row, Update, and_, case, delete, func, or_, select, update

from sync.portions import PER_STATEMENT, portions
from sync.state.comparison import Action, OptedOut
from sync.state.observations import OPT_OUTS, Ended, Told, end
from sync.state.schema import contact, observation, staged


@dataclass(frozen=True, slots=True)
class AddressChange:
    """A row whose person is there under another address."""

    row: int
    email: str
    former: str
    contact_id: str | None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A row with an unknown address, whose key does not tell who it is."""

    row: int
    email: str
    key: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the rows with an unknown address and a known key."""

    changes: tuple[AddressChange, ...] = ()
    opted_out: tuple[OptedOut, ...] = ()
    ambiguous: tuple[Ambiguous, ...] = ()


class _Match(NamedTuple):
    """A row, and a contact that had its key."""

    row: int
    email: str
    source_key: str
    former: str
    contact_id: str | None


@dataclass(frozen=True, slots=True)
class _Former:
    """The same, with what is known of the contact; `ended` is the kind of what ended it there."""

    match: _Match
    repeated: bool
    in_source: bool
    ended: str | None


def decide(
    connection: Connection, account: str, run_id: int, *, revive_deleted: bool = False
) -> Decided:
    """After the comparison: whose address has changed is a changed contact, not a new one.

    Whoever ended it under a former address is left out under the new one too. With
    `revive_deleted` a contact that somebody deleted there stays so, and the person is a new one.
    """
    formers = _formers(connection, account, run_id)
    if revive_deleted:
        formers = [each for each in formers if each.ended != Ended.DELETED]
    changes, opted_out, ambiguous = [], [], []
    for _, group in groupby(formers, key=lambda each: each.match.row):
        some = list(group)
        row, email, key, *_ = some[0].match
        ended = [each for each in some if each.ended]
        away = [each.match for each in some if not each.in_source]
        if some[0].repeated or (len(away) > 1 and not ended):
            ambiguous.append(Ambiguous(row, email, key))
        elif ended:
            opted_out.append(OptedOut(row, email, str(ended[0].ended), ended[0].match.former))
        elif away:
            changes.append(AddressChange(row, email, away[0].former, away[0].contact_id))
    for change in changes:
        values = {"action": Action.CHANGED, "former": change.former}
        connection.execute(_row(run_id, change).values(values))
    for rows in portions(each.row for each in opted_out):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == run_id, staged.c.row.in_(rows))
            .values(action=Action.OPTED_OUT)
        )
    return Decided(tuple(changes), tuple(opted_out), tuple(ambiguous))


def leave_for_later(connection: Connection, run_id: int, changes: Iterable[AddressChange]) -> None:
    """Take these people in this run for what they are there: under the former address, unchanged.

    The next run finds them as this one did.
    """
    for change in changes:
        values = {"action": Action.UNCHANGED, "email": change.former, "former": None}
        connection.execute(_row(run_id, change).values(values))


def take_for_others(connection: Connection, run_id: int, rows: Iterable[int]) -> None:
    """Treat these rows as anybody else's, whatever their keys say."""
    for some in portions(rows):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == run_id, staged.c.row.in_(some))
            .values(source_key=None)
        )


def left_lists(connection: Connection, account: str, email: str) -> list[str]:
    """The lists that the person has left, as far as it is known."""
    left = and_(observation.c.account == account, observation.c.kind == Ended.LEFT_LIST)
    return list(
        connection.scalars(select(observation.c.list_id).where(left, observation.c.email == email))
    )


def note_id(connection: Connection, account: str, email: str, contact_id: str) -> None:
    """Note Constant Contact's id, by which a change is recognised whose answer was lost."""
    connection.execute(
        update(contact)
        .where(contact.c.account == account, contact.c.email == email)
        .values(contact_id=contact_id)
    )


def rename(connection: Connection, account: str, former: str, email: str, now: datetime) -> None:
    """Note that a contact is there under another address, with all that is known of it.

    But for what was told of the former address alone: that mails came back, or a refusal.
    """
    end(connection, account, [former], list(Told), now)
    left = and_(observation.c.account == account, observation.c.kind == Ended.LEFT_LIST)
    lists = left_lists(connection, account, former)
    connection.execute(
        delete(observation).where(
            left, observation.c.email == email, observation.c.list_id.in_(lists)
        )
    )
    for table, ours in ((observation, left), (contact, contact.c.account == account)):
        connection.execute(update(table).where(ours, table.c.email == former).values(email=email))


def note_keys(connection: Connection, account: str, run_id: int) -> None:
    """Note the keys of those of whom nothing is sent; the others get theirs when they are.

    From the rows to the contacts: the other way round MariaDB may read all rows for each contact,
    as long as it has not counted them.
    """
    other = or_(contact.c.source_key.is_(None), contact.c.source_key != staged.c.source_key)
    after = -1
    while True:
        rows = connection.execute(
            select(staged.c.row, staged.c.email, staged.c.source_key)
            .join(contact, and_(contact.c.account == account, contact.c.email == staged.c.email))
            .where(staged.c.run_id == run_id, staged.c.row > after)
            .where(staged.c.action == Action.UNCHANGED, staged.c.source_key.is_not(None), other)
            .order_by(staged.c.row)
            .limit(PER_STATEMENT)
        ).all()
        if rows:
            keys = {row.email: row.source_key for row in rows}
            connection.execute(
                update(contact)
                .where(contact.c.account == account, contact.c.email.in_(keys))
                .values(source_key=case(keys, value=contact.c.email))
            )
        if len(rows) < PER_STATEMENT:
            return
        after = rows[-1].row


def _formers(connection: Connection, account: str, run_id: int) -> list[_Former]:
    """The contacts that had the key of a row with an unknown address, by row.

    Some rows at a time, since a join of all of them by the key is planned well by no database.
    """
    matches = [
        match
        for rows in _new_rows(connection, account, run_id)
        for match in _matches(connection, account, rows)
    ]
    if not matches:
        return []
    repeated = _repeated(connection, run_id, {match.source_key for match in matches})
    formers: list[_Former] = []
    for some in portions(matches):
        emails = {match.former for match in some}
        in_source = set(
            connection.scalars(
                select(staged.c.email).where(staged.c.run_id == run_id, staged.c.email.in_(emails))
            )
        )
        ended = {
            row.email: row.kind
            for row in connection.execute(
                select(observation.c.email, observation.c.kind)
                .where(
                    observation.c.account == account,
                    observation.c.email.in_(emails),
                    observation.c.kind.in_(OPT_OUTS),
                )
                # Who has unsubscribed and is deleted too has unsubscribed.
                .order_by(observation.c.kind)
            )
        }
        formers += [
            _Former(
                match,
                match.source_key in repeated,
                match.former in in_source,
                ended.get(match.former),
            )
            for match in some
        ]
    return formers


def _new_rows(
    connection: Connection, account: str, run_id: int
) -> Iterator[Sequence[Row[int, str, str]]]:
    """The rows with a key that are new, some at a time; none while nobody's key is known."""
    ours = (contact.c.account == account, contact.c.source_key.is_not(None))
    if connection.scalar(select(contact.c.email).where(*ours).limit(1)) is None:
        return
    after = -1
    while True:
        rows = connection.execute(
            select(staged.c.row, staged.c.email, staged.c.source_key)
            .where(staged.c.run_id == run_id, staged.c.row > after)
            .where(staged.c.action == Action.NEW, staged.c.source_key.is_not(None))
            .order_by(staged.c.row)
            .limit(PER_STATEMENT)
        ).all()
        yield rows
        if len(rows) < PER_STATEMENT:
            return
        after = rows[-1].row


def _matches(
    connection: Connection, account: str, rows: Sequence[Row[int, str, str]]
) -> list[_Match]:
    """The contacts that had the keys of these rows, by row.

    What this program deleted itself says nothing of the person's will.
    """
    held: dict[str, list[tuple[str, str | None]]] = {}
    for found in connection.execute(
        select(contact.c.source_key, contact.c.email, contact.c.contact_id)
        .where(contact.c.account == account)
        .where(contact.c.source_key.in_({row.source_key for row in rows}))
        .where(contact.c.removed_at.is_(None))
    ):
        held.setdefault(found.source_key, []).append((found.email, found.contact_id))
    return [
        _Match(row.row, row.email, row.source_key, former, contact_id)
        for row in rows
        for former, contact_id in sorted(held.get(row.source_key, ()))
    ]


def _repeated(connection: Connection, run_id: int, keys: set[str]) -> set[str]:
    """Those of the keys that several rows have."""
    counted = (
        select(staged.c.source_key)
        .where(staged.c.run_id == run_id, staged.c.source_key.is_not(None))
        .group_by(staged.c.source_key)
        .having(func.count() > 1)
    )
    return keys.intersection(connection.scalars(counted))


def _row(run_id: int, change: AddressChange) -> Update:
    return update(staged).where(staged.c.run_id == run_id, staged.c.row == change.row)
