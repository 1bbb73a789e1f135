"""Lists that contacts of ours may have left without a trace.

Whether leaving a list moves a contact's `updated_at` is not stated by Constant Contact, so the
changed contacts, which an import would put back, are looked at before they are sent. All their
lists are doubted first; who is seen is doubted no longer; those who are not are on none of them.
"""

from collections.abc import Collection
from datetime import datetime
from itertools import groupby

from sqlalchemy import (
    Connection,
    and_,
    delete,
    insert,
    literal,
    select,
)

from sync.portions import PER_STATEMENT, portions
from sync.state.audience import leave
from sync.state.comparison import Action
from sync.state.id_sets import LISTS
from sync.state.schema import contact, observation, staged

# Doubts are observations of this kind, which nothing else looks at.
_DOUBTED = "doubted"


def addresses(connection: Connection, run_id: int, action: Action) -> list[str]:
    """The addresses of those who are to be sent as new, or as changed ones; when they are few."""
    wanted = (staged.c.run_id == run_id, staged.c.action == action)
    return list(connection.scalars(select(staged.c.email).where(*wanted)))


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
        for list_id in LISTS.ids_of(connection, set_id):
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
    if doubted and connection.dialect.name == "postgresql":
        # Else it goes through all of them for each portion of people of whom nothing is doubted.
        connection.exec_driver_sql("ANALYZE observation")
    return doubted


def dismiss(connection: Connection, account: str, emails: Collection[str]) -> None:
    """Doubt nothing of these people any more, since they were looked at."""
    for some in portions(emails):
        connection.execute(
            delete(observation).where(
                observation.c.account == account,
                observation.c.kind == _DOUBTED,
                observation.c.email.in_(some),
            )
        )


def doubted(connection: Connection, account: str, most: int) -> list[str]:
    """Some of those of whom something is doubted still."""
    return list(
        connection.scalars(
            select(observation.c.email)
            .distinct()
            .where(observation.c.account == account, observation.c.kind == _DOUBTED)
            .order_by(observation.c.email)
            .limit(most)
        )
    )


def believe(connection: Connection, account: str, now: datetime) -> None:
    """Take what is doubted still as left."""
    of_ours = and_(contact.c.account == account, contact.c.email == observation.c.email)
    while emails := doubted(connection, account, PER_STATEMENT):
        rows = connection.execute(
            select(observation.c.email, observation.c.list_id, contact.c.list_set_id)
            .join(contact, of_ours)
            .where(
                observation.c.account == account,
                observation.c.kind == _DOUBTED,
                observation.c.email.in_(emails),
            )
            .order_by(observation.c.email)
        ).all()
        for (email, set_id), doubts in groupby(rows, key=lambda row: (row.email, row.list_set_id)):
            left = frozenset(doubt.list_id for doubt in doubts)
            remaining = frozenset(LISTS.ids_of(connection, set_id)) - left
            leave(connection, account, email, left, remaining, now)
        dismiss(connection, account, emails)
