"""Lists that contacts of ours may have left without a trace.

Whether leaving a list moves a contact's `updated_at` is not stated by Constant Contact, so the
changed contacts, which an import would put back, are looked at before they are sent. All their
lists are doubted first; each that they are seen on is trusted again; what is left then was left.
"""

from datetime import datetime
from itertools import groupby

from sqlalchemy import (
    Connection,
    and_,
    delete,
    func,
    insert,
    literal,
    select,
)

from sync.state.audience import leave
from sync.state.list_sets import lists_of_set
from sync.state.schema import contact, observation, staged
from sync.state.staging import Action

# Doubts are observations of this kind, which nothing else looks at.
_DOUBTED = "doubted"


def changed(connection: Connection, run_id: int) -> int:
    """How many of the run's contacts are changed ones."""
    counted = select(func.count()).where(
        staged.c.run_id == run_id, staged.c.action == Action.CHANGED
    )
    return connection.scalar(counted) or 0


def changed_addresses(connection: Connection, run_id: int) -> list[str]:
    """The addresses of the changed contacts; for when they are few."""
    return list(
        connection.scalars(
            select(staged.c.email).where(
                staged.c.run_id == run_id, staged.c.action == Action.CHANGED
            )
        )
    )


def doubt(connection: Connection, account: str, run_id: int, now: datetime) -> set[str]:
    """Doubt every list that we put the changed contacts on; returns these lists."""
    connection.execute(
        delete(observation).where(observation.c.account == account, observation.c.kind == _DOUBTED)
    )
    ours = and_(
        contact.c.account == account,
        staged.c.run_id == run_id,
        staged.c.action == Action.CHANGED,
    )
    together = contact.join(staged, staged.c.email == contact.c.email)
    sets = connection.scalars(
        select(contact.c.list_set_id).distinct().select_from(together).where(ours)
    ).all()
    doubted: set[str] = set()
    for set_id in sets:
        for list_id in lists_of_set(connection, set_id):
            doubted.add(list_id)
            rows = (
                select(
                    literal(account),
                    contact.c.email,
                    literal(_DOUBTED),
                    literal(list_id),
                    literal(now, observation.c.observed_at.type),
                )
                .select_from(together)
                .where(ours, contact.c.list_set_id == set_id)
            )
            names = ["account", "email", "kind", "list_id", "observed_at"]
            connection.execute(insert(observation).from_select(names, rows))
    return doubted


def trust(connection: Connection, account: str, memberships: dict[str, frozenset[str]]) -> None:
    """Doubt no longer the lists on which people (by address) were seen."""
    alike: dict[frozenset[str], list[str]] = {}
    for email, list_ids in memberships.items():
        alike.setdefault(list_ids, []).append(email)
    for list_ids, emails in alike.items():
        connection.execute(
            delete(observation).where(
                observation.c.account == account,
                observation.c.kind == _DOUBTED,
                observation.c.list_id.in_(sorted(list_ids)),
                observation.c.email.in_(emails),
            )
        )


def believe(connection: Connection, account: str, now: datetime) -> int:
    """Take what is doubted still as left; returns how many contacts left a list."""
    of_ours = and_(contact.c.account == account, contact.c.email == observation.c.email)
    rows = connection.execute(
        select(observation.c.email, observation.c.list_id, contact.c.list_set_id)
        .join(contact, of_ours)
        .where(observation.c.account == account, observation.c.kind == _DOUBTED)
        .order_by(observation.c.email)
    ).all()
    people = 0
    for (email, set_id), doubts in groupby(rows, key=lambda row: (row.email, row.list_set_id)):
        left = frozenset(doubt.list_id for doubt in doubts)
        remaining = frozenset(lists_of_set(connection, set_id)) - left
        leave(connection, account, email, left, remaining, now)
        people += 1
    connection.execute(
        delete(observation).where(observation.c.account == account, observation.c.kind == _DOUBTED)
    )
    return people
