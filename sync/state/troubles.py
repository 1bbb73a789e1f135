"""The troubles that people were told of and that go on."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, select

from sync.state.schema import trouble
from sync.state.upsert import upsert


@dataclass(frozen=True, slots=True)
class Told:
    """The trouble of a topic that people know of."""

    cause: str
    since: datetime
    last_told_at: datetime


def told(connection: Connection, account: str, topic: str) -> Told | None:
    """What people know of; None when all is well as far as they know."""
    row = connection.execute(
        select(trouble.c.cause, trouble.c.since, trouble.c.last_told_at).where(
            trouble.c.account == account, trouble.c.topic == topic
        )
    ).one_or_none()
    return Told(row.cause, row.since, row.last_told_at) if row else None


def note(connection: Connection, account: str, topic: str, known: Told | None) -> None:
    """Note what people know of now; None: that it is well again."""
    if known is None:
        gone = and_(trouble.c.account == account, trouble.c.topic == topic)
        connection.execute(delete(trouble).where(gone))
        return
    values = {"cause": known.cause, "since": known.since, "last_told_at": known.last_told_at}
    upsert(connection, trouble, [{"account": account, "topic": topic, **values}], update=[*values])
