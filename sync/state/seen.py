"""What was seen of our contacts when the whole audience was read back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from sync.portions import PER_STATEMENT, portions
from sync.state import bodies
from sync.state.observations import Ended
from sync.state.schema import contact, observation
from sync.state.store import Store


@dataclass(frozen=True, slots=True)
class Known:
    """A contact as we believe it to be there."""

    email: str
    body: str
    list_set_id: int
    tag_set_id: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A contact that is there with other values than we believed."""

    email: str
    body: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Unseen:
    """A contact of ours that is not there; `seen_before` when it was there once.

    `in_source` when the last run that read the whole source found it there.
    """

    email: str
    seen_before: bool
    in_source: bool


def known(connection: Connection, account: str, emails: Iterable[str]) -> list[Known]:
    """Those of the addresses that are contacts of ours."""
    columns = (contact.c.email, contact.c.body_id, contact.c.list_set_id, contact.c.tag_set_id)
    found: list[Known] = []
    for some in portions(emails):
        rows = connection.execute(
            select(*columns).where(contact.c.account == account, contact.c.email.in_(some))
        ).all()
        texts = bodies.read(connection, account, (row.body_id for row in rows))
        found += [
            Known(row.email, body, row.list_set_id, row.tag_set_id)
            for row, body in zip(rows, texts, strict=True)
        ]
    return found


def see(connection: Connection, account: str, emails: Iterable[str], now: datetime) -> None:
    """Note that they are there now."""
    for some in portions(emails):
        connection.execute(
            update(contact)
            .where(contact.c.account == account, contact.c.email.in_(some))
            .values(seen_at=now)
        )


def believe(connection: Connection, account: str, seen: Iterable[Seen]) -> None:
    """Believe what was seen, so that the next comparison finds these contacts changed."""
    seen = list(seen)
    first = bodies.keep(connection, account, bodies.packed([each.body for each in seen]))
    rows = [
        {"of_email": each.email, "body_id": first + number, "fingerprint": each.fingerprint}
        for number, each in enumerate(seen)
    ]
    if rows:
        ours = and_(contact.c.account == account, contact.c.email == bindparam("of_email"))
        connection.execute(update(contact).where(ours), rows)


def forget(connection: Connection, account: str, emails: Iterable[str]) -> None:
    """Believe no longer that they are there, so that the next comparison finds them new."""
    for some in portions(emails):
        connection.execute(
            delete(contact).where(contact.c.account == account, contact.c.email.in_(some))
        )


def unseen(store: Store, account: str, since: datetime) -> Iterator[Unseen]:
    """Our contacts that were not seen since then, and that nobody is known to have ended."""
    ended = exists().where(
        observation.c.account == account,
        observation.c.email == contact.c.email,
        observation.c.kind.in_((Ended.UNSUBSCRIBED, Ended.DELETED)),
    )
    wanted = and_(
        contact.c.account == account,
        contact.c.removed_at.is_(None),
        or_(contact.c.seen_at.is_(None), contact.c.seen_at < since),
        ~ended,
    )
    after = ""
    while True:
        with store.read() as connection:
            rows = connection.execute(
                select(
                    contact.c.email,
                    contact.c.seen_at,
                    contact.c.contact_id,
                    contact.c.missing_runs,
                )
                .where(wanted, contact.c.email > after)
                .order_by(contact.c.email)
                .limit(PER_STATEMENT)
            ).all()
        if not rows:
            return
        after = rows[-1].email
        for row in rows:
            yield Unseen(row.email, bool(row.seen_at or row.contact_id), not row.missing_runs)
