"""What the company is told of what people did, page by page, and how far it was told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    exists,
    null,
    or_,
    select,
)

from sync.portions import PER_STATEMENT
from sync.state.observations import Ended, Told
from sync.state.schema import fed_back, observation, past_observation
from sync.state.store import Store
from sync.state.upsert import upsert

_KINDS = (*Ended, *Told)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to one address; the names are those of the company's columns.

    Attributes:
        what: unsubscribed, deleted, left_list, held or refused.
        list_id: The list that was left; empty for what is about the whole account.
        happened_at: Constant Contact's own date of it, where it gives one.
        opt_out_source: Who unsubscribed the person: Contact or Account.
        first_seen_at, last_seen_at: When this program first and last saw that it was so.
        ended_at: When the person was seen to have come back; None while it is so.
        source_key: What the company calls the person, when the source says so.
    """

    email: str
    what: str
    list_name: str | None
    list_id: str
    happened_at: datetime | None
    reason: str | None
    opt_out_source: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    source_key: str | None
    account: str


def pages(store: Store, account: str, since: datetime | None) -> Iterator[list[Line]]:
    """What holds and what has ended; only what was seen or ended from `since` on, unless None."""
    held: list[ColumnElement[bool]] = []
    ended = [~_holds_again()]
    if since is not None:
        held.append(observation.c.observed_at >= since)
        ended.append(past_observation.c.ended_at >= since)
    yield from _pages(store, account, observation, held)
    yield from _pages(store, account, past_observation, ended)


def told_until(connection: Connection, account: str, configuration: str) -> datetime | None:
    """Until when this target was told; None when it was told nothing yet."""
    until: datetime | None = connection.scalar(
        select(fed_back.c.until).where(
            fed_back.c.account == account, fed_back.c.configuration == configuration
        )
    )
    return until


def set_told_until(
    connection: Connection, account: str, configuration: str, until: datetime
) -> None:
    """Note that this target knows everything until then."""
    row = {"account": account, "configuration": configuration, "until": until}
    upsert(connection, fed_back, [row], update=("configuration", "until"))


def _pages(
    store: Store, account: str, table: Table, wanted: list[ColumnElement[bool]]
) -> Iterator[list[Line]]:
    columns = [*table.columns, *([] if "ended_at" in table.c else [null().label("ended_at")])]
    key = (table.c.email, table.c.kind, table.c.list_id)
    chosen = (
        select(*columns)
        .where(table.c.account == account, table.c.kind.in_(_KINDS), *wanted)
        .order_by(*key)
        .limit(PER_STATEMENT)
    )
    after: Row[tuple[object, ...]] | None = None
    while True:
        with store.read() as connection:
            statement = chosen if after is None else chosen.where(_behind(table, after))
            rows = connection.execute(statement).all()
        if not rows:
            return
        yield [_line(row) for row in rows]
        after = rows[-1]


def _behind(table: Table, after: Row[tuple[object, ...]]) -> ColumnElement[bool]:
    # The first condition says what the others do, and lets every database use the key's index.
    same = table.c.email == after.email
    return and_(
        table.c.email >= after.email,
        or_(
            table.c.email > after.email,
            and_(same, table.c.kind > after.kind),
            and_(same, table.c.kind == after.kind, table.c.list_id > after.list_id),
        ),
    )


def _holds_again() -> ColumnElement[bool]:
    return exists().where(
        *(observation.c[name] == past_observation.c[name] for name in ("account", "email")),
        *(observation.c[name] == past_observation.c[name] for name in ("kind", "list_id")),
    )


def _line(row: Row[tuple[object, ...]]) -> Line:
    return Line(
        email=row.email,
        what=row.kind,
        list_name=row.list_name,
        list_id=row.list_id,
        happened_at=row.happened_at,
        reason=row.reason,
        opt_out_source=row.source,
        first_seen_at=row.first_seen_at or row.observed_at,
        last_seen_at=row.observed_at,
        ended_at=row.ended_at,
        source_key=row.source_key,
        account=row.account,
    )
