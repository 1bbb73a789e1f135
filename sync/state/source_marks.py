"""How far an incremental read of the source has come.

A mark counts only with the configuration it was made with: another query, mapping or rule can
change contacts whose rows did not change, and then all rows must be read.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from sync.state.schema import source_mark
from sync.state.upsert import upsert


@dataclass(frozen=True, slots=True)
class SourceMark:
    """The greatest value of the changed column that is synced, and when all rows were read."""

    configuration: str
    newest: str
    full_at: datetime

    def allows_partial(self, configuration: str, now: datetime, full_every: timedelta) -> bool:
        """Whether reading what changed since then is enough."""
        return self.configuration == configuration and now - self.full_at < full_every


def source_mark_of(connection: Connection, account: str) -> SourceMark | None:
    """The account's mark, None before the first whole sync."""
    row = connection.execute(select(source_mark).where(source_mark.c.account == account)).first()
    return SourceMark(row.configuration, row.newest, row.full_at) if row else None


def set_source_mark(connection: Connection, account: str, mark: SourceMark) -> None:
    """Keep the mark; only for a run whose contacts are confirmed to the last."""
    row = {"account": account, **asdict(mark)}
    upsert(connection, source_mark, [row], update=tuple(asdict(mark)))
