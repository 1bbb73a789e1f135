"""What people did on the other side, kept as long as it holds, and afterwards as past.

Whoever unsubscribed, was deleted or left a list must not be sent, so these hold until the person is
seen to have come back; that somebody isn't seen any more proves nothing. What is only told to the
company (mails that came back, refusals) ends as soon as it is not so any more.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from sync.state.schema import (
    contact,
    known_list,
    observation,
    past_observation,
    refusal,
    staged,
)
from sync.state.upsert import upsert, upsert_selected


class Ended(StrEnum):
    """What ended."""

    UNSUBSCRIBED = "unsubscribed"
    DELETED = "deleted"
    LEFT_LIST = "left_list"


class Told(StrEnum):
    """What ends nothing: it is told to the company, and hinders no import."""

    HELD = "held"
    REFUSED = "refused"


# They end all of the account's mails to a person, not those of one list.
OPT_OUTS = (Ended.UNSUBSCRIBED, Ended.DELETED)
_KEY = tuple(column.name for column in observation.primary_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that was seen.

    Attributes:
        list_id: The list that was left; empty for what is about the whole account.
        happened_at: The service's own date of it, where it gives one.
        reason: What the person or the service gave as the reason.
        source: Who did it, where the service says so: Contact or Account.
    """

    email: str
    kind: Ended | Told
    list_id: str = ""
    happened_at: datetime | None = None
    reason: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """How many things happened since some instant."""

    unsubscribed: int = 0
    deleted: int = 0
    left_list: int = 0
    returned: int = 0


def note(connection: Connection, account: str, seen: Iterable[Observation], now: datetime) -> None:
    """Note what is so now; what is known of it already keeps the instant when it was first seen."""
    rows = {
        (each.email, each.kind, each.list_id): {
            "account": account,
            "email": each.email,
            "kind": each.kind,
            "list_id": each.list_id,
            "observed_at": now,
            "first_seen_at": now,
            "happened_at": each.happened_at,
            "reason": each.reason,
            "source": each.source,
        }
        for each in seen
    }
    newest = ("observed_at", "happened_at", "reason", "source")
    upsert(connection, observation, list(rows.values()), update=newest)


def holding(
    connection: Connection, account: str, emails: Collection[str]
) -> dict[Ended | Told, set[str]]:
    """Of whom of these (at most as many as a statement takes) it holds, of each kind."""
    found: dict[Ended | Told, set[str]] = {kind: set() for kind in (*Ended, *Told)}
    rows = connection.execute(
        select(observation.c.email, observation.c.kind).where(
            observation.c.account == account,
            observation.c.email.in_(emails),
            observation.c.kind.in_(list(found)),
        )
    )
    for email, kind in rows:
        found[kind].add(email)
    return found


def end(
    connection: Connection,
    account: str,
    emails: Collection[str],
    kinds: Collection[Ended | Told],
    now: datetime,
    *,
    list_ids: Collection[str] = ("",),
) -> None:
    """End what holds for these people (at most as many as a statement takes)."""
    if emails:
        _end(
            connection,
            and_(
                observation.c.account == account,
                observation.c.email.in_(emails),
                observation.c.kind.in_(kinds),
                observation.c.list_id.in_(list_ids),
            ),
            now,
        )


def end_refusals(
    connection: Connection, account: str, now: datetime, *, before: datetime | None
) -> None:
    """End the refusals of contacts that were taken since, and all from before an instant.

    Who is not sent again for having been refused is refused still.
    """
    since_taken = exists().where(
        contact.c.account == account,
        contact.c.email == observation.c.email,
        contact.c.last_synced_at > observation.c.observed_at,
    )
    over = since_taken if before is None else or_(since_taken, observation.c.observed_at < before)
    lasts = exists().where(refusal.c.account == account, refusal.c.email == observation.c.email)
    refusals = and_(observation.c.account == account, observation.c.kind == Told.REFUSED)
    _end(connection, and_(refusals, over, ~lasts), now)


def end_revived(connection: Connection, account: str, now: datetime) -> None:
    """End the deletions of contacts that an import has revived since."""
    revived = exists().where(
        contact.c.account == account,
        contact.c.email == observation.c.email,
        contact.c.last_synced_at > observation.c.observed_at,
    )
    deletions = and_(observation.c.account == account, observation.c.kind == Ended.DELETED)
    _end(connection, and_(deletions, revived), now)


def count(connection: Connection, account: str, kinds: Collection[Ended | Told]) -> int:
    """How many hold."""
    counted = select(func.count()).where(
        observation.c.account == account, observation.c.kind.in_(kinds)
    )
    return connection.scalar(counted) or 0


def news(connection: Connection, account: str, since: datetime | None) -> News:
    """What was first seen after `since`, and who came back after it; all when it is None."""
    new: Counter[str] = Counter()
    for table in (observation, past_observation):
        first = table.c.first_seen_at
        rows = connection.execute(
            select(table.c.kind, func.count(table.c.email.distinct()))
            .where(table.c.account == account, *([] if since is None else [first > since]))
            .group_by(table.c.kind)
        )
        new.update(dict(rows.all()))
    ended = past_observation.c.ended_at
    returned = connection.scalar(
        select(func.count(past_observation.c.email.distinct())).where(
            past_observation.c.account == account,
            past_observation.c.kind.in_(list(Ended)),
            *([] if since is None else [ended > since]),
        )
    )
    return News(
        unsubscribed=new[Ended.UNSUBSCRIBED],
        deleted=new[Ended.DELETED],
        left_list=new[Ended.LEFT_LIST],
        returned=returned or 0,
    )


def name_lists(connection: Connection, account: str) -> None:
    """Write the lists' names, as last read, beside their ids: a list may be deleted later."""
    name = (
        select(known_list.c.name)
        .where(known_list.c.account == account, known_list.c.list_id == observation.c.list_id)
        .scalar_subquery()
    )
    connection.execute(
        update(observation)
        .where(
            observation.c.account == account,
            observation.c.kind == Ended.LEFT_LIST,
            observation.c.list_name.is_(None),
        )
        .values(list_name=name)
    )


def name_people(connection: Connection, account: str, run_id: int) -> None:
    """Write what the company calls the people, as the run's source says, beside their addresses."""
    key = (
        select(func.max(staged.c.source_key))
        .where(staged.c.run_id == run_id, staged.c.email == observation.c.email)
        .scalar_subquery()
    )
    there = exists().where(
        staged.c.run_id == run_id,
        staged.c.email == observation.c.email,
        staged.c.source_key.is_not(None),
        or_(observation.c.source_key.is_(None), observation.c.source_key != staged.c.source_key),
    )
    connection.execute(
        update(observation).where(observation.c.account == account, there).values(source_key=key)
    )


def _end(connection: Connection, over: ColumnElement[bool], now: datetime) -> None:
    ended_at = literal(now, past_observation.c.ended_at.type).label("ended_at")
    rows = select(*observation.columns, ended_at)
    details = [column.name for column in past_observation.columns if column.name not in _KEY]
    upsert_selected(connection, past_observation, rows.where(over), update=details)
    connection.execute(delete(observation).where(over))
