"""Constant Contact's own ids of the contacts, and whether it was we who made them.

They are learnt when they are needed: imports go by address, all other bulk changes by id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from sync.portions import portions
from sync.state.schema import contact

# The service's clock and ours may differ a little.
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Identity:
    """A contact as Constant Contact shows it; `by_account` unless the person signed up."""

    email: str
    contact_id: str
    created_at: datetime | None
    by_account: bool


def note(connection: Connection, account: str, identities: Iterable[Identity]) -> None:
    """Note the ids of those who are ours; who was there before we sent them was not made by us."""
    for some in portions(identities):
        found = {identity.email: identity for identity in some}
        rows = connection.execute(
            select(contact.c.email, contact.c.first_sent_at).where(
                contact.c.account == account, contact.c.email.in_(found)
            )
        ).all()
        values = [
            {
                "of_email": row.email,
                "contact_id": found[row.email].contact_id,
                "made_here": _made_here(found[row.email], row.first_sent_at),
            }
            for row in rows
        ]
        if values:
            connection.execute(
                update(contact).where(
                    contact.c.account == account, contact.c.email == bindparam("of_email")
                ),
                values,
            )


def _made_here(identity: Identity, first_sent_at: datetime | None) -> bool:
    if first_sent_at is None or identity.created_at is None:
        return False
    return identity.by_account and identity.created_at >= first_sent_at - _CLOCK_SKEW
