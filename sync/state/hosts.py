"""The workers of a cluster: which process of which host lives, and what it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from sync.state.schema import host
from sync.state.store import Store
from sync.state.upsert import upsert

# A worker tells of itself every few seconds; one that has been silent for longer is dead, or its
# host is cut off from the database.
SILENT_AFTER = timedelta(minutes=1)
# So long a silent one is shown to people.
_FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Host:
    """A worker; `id` is this process's alone, and `doing` has a line for each account in hand."""

    id: str
    name: str
    pid: int
    version: str
    began_at: datetime
    seen_at: datetime
    doing: tuple[str, ...] = ()

    def is_silent(self, now: datetime) -> bool:
        """Whether it has not been heard of for too long."""
        return now - self.seen_at > SILENT_AFTER


def show(store: Store, present: Host) -> None:
    """Tell that a worker lives; raises StateError."""
    values = {
        "name": present.name,
        "pid": present.pid,
        "version": present.version,
        "began_at": present.began_at,
        "seen_at": present.seen_at,
        "doing": "\n".join(present.doing),
    }
    with store.write() as connection:
        upsert(connection, host, [{"id": present.id, **values}], update=[*values])
        old = present.seen_at - _FORGOTTEN_AFTER
        connection.execute(delete(host).where(host.c.seen_at < old))


def leave(store: Store, id_: str) -> None:
    """Forget a worker that has ended in peace; raises StateError."""
    with store.write() as connection:
        connection.execute(delete(host).where(host.c.id == id_))


def present(store: Store) -> Sequence[Host]:
    """All workers by host, those that are silent included; raises StateError."""
    with store.read() as connection:
        rows = connection.execute(select(host).order_by(host.c.name, host.c.began_at)).all()
    return [
        Host(
            id=row.id,
            name=row.name,
            pid=row.pid,
            version=row.version,
            began_at=row.began_at,
            seen_at=row.seen_at,
            doing=tuple(row.doing.splitlines()),
        )
        for row in rows
    ]
