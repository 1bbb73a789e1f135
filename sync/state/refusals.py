"""Contacts that Constant Contact has refused, and that are not sent again as they were.

Who is sent in vain each night costs requests, and a search among all that travels with them. So a
contact waits until its row says something else, or until so much time has passed that the service
may think otherwise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, exists, literal, or_, select, update

from sync.state.comparison import TO_SEND, Action
from sync.state.fetching import streamed
from sync.state.schema import contact, refusal, staged
from sync.state.upsert import upsert_selected

_WHAT = ("fingerprint", "list_set_id", "refused_at", "code", "reason")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was refused, at `refused_at`."""

    row: int
    email: str
    code: str
    reason: str
    refused_at: datetime


def hold_back(connection: Connection, account: str, run_id: int, after: datetime) -> int:
    """Take those whom nothing has changed of since they were refused, `after` then, for refused.

    Returns how many they are.
    """
    as_it_was = exists().where(
        refusal.c.account == account,
        refusal.c.email == staged.c.email,
        refusal.c.fingerprint == staged.c.fingerprint,
        refusal.c.list_set_id == staged.c.list_set_id,
        refusal.c.refused_at > after,
    )
    held = connection.execute(
        update(staged)
        .where(staged.c.run_id == run_id, staged.c.action.in_(TO_SEND))
        # From the few that were refused to their rows, not the other way round.
        .where(staged.c.email.in_(select(refusal.c.email).where(refusal.c.account == account)))
        .where(staged.c.former.is_(None), as_it_was)
        .values(action=Action.REFUSED)
    )
    return held.rowcount


def held_back(connection: Connection, account: str, run_id: int) -> Iterator[Refusal]:
    """Who is held back, in the source's order; before anything of the run is sent."""
    rows = (
        select(staged.c.row, staged.c.email, refusal.c.code, refusal.c.reason, refusal.c.refused_at)
        .join(refusal, and_(refusal.c.account == account, refusal.c.email == staged.c.email))
        .where(staged.c.run_id == run_id, staged.c.action == Action.REFUSED)
        .order_by(staged.c.row)
    )
    for row in streamed(connection, rows):
        yield Refusal(row.row, row.email, row.code, row.reason, row.refused_at)


def note(connection: Connection, account: str, run_id: int, refused: Iterable[Refusal]) -> None:
    """Note what of a run was refused just now, as it was sent."""
    for each in refused:
        rows = select(
            literal(account).label("account"),
            staged.c.email,
            staged.c.fingerprint,
            staged.c.list_set_id,
            literal(each.refused_at, refusal.c.refused_at.type).label("refused_at"),
            literal(each.code).label("code"),
            literal(each.reason).label("reason"),
        ).where(staged.c.run_id == run_id, staged.c.row == each.row)
        upsert_selected(connection, refusal, rows, update=_WHAT)


def forget(connection: Connection, account: str, run_id: int, *, whole: bool) -> None:
    """Forget the refusals of whom the service has taken since, or the source has no more so.

    Only a run that has read the `whole` source knows the latter.
    """
    taken = exists().where(
        contact.c.account == account,
        contact.c.email == refusal.c.email,
        contact.c.last_synced_at > refusal.c.refused_at,
    )
    waits = exists().where(
        staged.c.run_id == run_id,
        staged.c.email == refusal.c.email,
        staged.c.action.in_((Action.REFUSED, Action.LEFT_OUT)),
    )
    over = or_(taken, ~waits) if whole else taken
    connection.execute(delete(refusal).where(refusal.c.account == account, over))
