"""The record of each run."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select, true, update

from sync.errors import Busy, ExitCode
from sync.state.schema import run
from sync.state.store import Store


class RunKind(StrEnum):
    """What a run was begun for."""

    SYNC = "sync"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the source's rows; see `balanced`.

    `refused` contacts were not taken; those that are not sent again for it are unchanged, too.

    `moved` contacts leave lists, `tagged` ones get or lose tags; `gone` is everybody who is not in
    the source any more, of whom `removed` leave their lists and `deleted` are deleted in this run.
    `cleared` contacts lose what the source has emptied, and `readdressed` ones, which are among the
    changed, get another address; both are what is planned, until it is done.
    The counts `seen_…` are of people: what they did on the other side since the last run.
    `drift` contacts were found otherwise than they were sent; None when nobody looked.
    """

    rows_read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    opted_out: int = 0
    duplicates: int = 0
    warnings: int = 0
    withheld: int = 0
    gone: int = 0
    moved: int = 0
    tagged: int = 0
    removed: int = 0
    deleted: int = 0
    cleared: int = 0
    readdressed: int = 0
    confirmed: int = 0
    refused: int = 0
    requests: int = 0
    seen_unsubscribed: int = 0
    seen_deleted: int = 0
    seen_left: int = 0
    seen_returned: int = 0
    drift: int | None = None

    @property
    def balanced(self) -> bool:
        """Whether each row was counted once; opted-out and withheld rows are among the rejected."""
        return self.rows_read == (
            self.new + self.changed + self.unchanged + self.rejected + self.duplicates
        )

    @property
    def valid(self) -> int:
        """The source's contacts, each once."""
        return self.new + self.changed + self.unchanged + self.opted_out

    @property
    def news(self) -> str:
        """What people did on the other side since the last run; empty when nobody did anything."""
        parts = (
            (self.seen_unsubscribed, "unsubscribed"),
            (self.seen_deleted, "deleted"),
            (self.seen_left, "left a list"),
            (self.seen_returned, "came back"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in parts if count)

    @property
    def faulty(self) -> int:
        """The rows that were rejected for what is in them."""
        return self.rejected - self.opted_out - self.withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as recorded; `finished_at` is None while it goes on, or when it was killed."""

    id: int
    started_at: datetime
    finished_at: datetime | None
    host: str
    pid: int
    dry_run: bool
    kind: RunKind = RunKind.SYNC
    exit_code: ExitCode | None
    message: str
    counts: Counts
    report: Path | None
    rejects: Path | None
    notes: tuple[str, ...] = ()
    resume_at: datetime | None = None
    audience: int | None = None


_NO_WAIT = timedelta(0)
_COUNTS = [field.name for field in fields(Counts)]


class Runs:
    """The runs of one account."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    def begin(self, now: datetime, *, dry_run: bool, kind: RunKind = RunKind.SYNC) -> int:
        """Record that a run begins; returns its number."""
        with self._store.write() as connection:
            made = connection.execute(
                insert(run).values(
                    account=self._account,
                    started_at=now,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    dry_run=dry_run,
                    kind=kind,
                )
            ).inserted_primary_key
        if made is None:
            raise RuntimeError("the database gave the run no number")
        return int(made[0])

    def note(self, now: datetime, message: str, *, above: int) -> None:
        """Record that something was done by hand which sent nothing.

        Its number is above all that are here and `above`, and so are those of the runs to come.
        """
        with self._store.write() as connection:
            connection.execute(
                insert(run).values(
                    id=max(_highest(connection), above) + 1,
                    account=self._account,
                    started_at=now,
                    finished_at=now,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    dry_run=True,
                    exit_code=int(ExitCode.DONE),
                    message=message,
                )
            )

    def finish(
        self,
        run_id: int,
        *,
        exit_code: ExitCode,
        message: str,
        counts: Counts,
        report: Path | None,
        rejects: Path | None,
        now: datetime,
        partial: bool = False,
        notes: Sequence[str] = (),
        resume_at: datetime | None = None,
        audience: int | None = None,
    ) -> None:
        """Record how the run ended; `partial` when it read only what changed in the source.

        `notes` are sentences about what did not make it fail; `resume_at` is when it can go on,
        and `audience` how many contacts are known to be there.
        """
        with self._store.write() as connection:
            connection.execute(
                update(run)
                .where(run.c.id == run_id)
                .values(
                    finished_at=now,
                    exit_code=int(exit_code),
                    message=message,
                    report=str(report) if report else None,
                    rejects=str(rejects) if rejects else None,
                    partial=partial,
                    notes="\n".join(notes) or None,
                    resume_at=resume_at,
                    audience=audience,
                    **{name: getattr(counts, name) for name in _COUNTS},
                )
            )

    def last(self, count: int) -> list[RunRecord]:
        """The newest runs, newest first."""
        with self._store.read() as connection:
            rows = connection.execute(
                select(run)
                .where(run.c.account == self._account)
                .order_by(run.c.id.desc())
                .limit(count)
            ).all()
        return [_record(row) for row in rows]

    def find(self, run_id: int) -> RunRecord | None:
        """The run of that number, if it is one of the account's."""
        with self._store.read() as connection:
            row = connection.execute(
                select(run).where(run.c.account == self._account, run.c.id == run_id)
            ).first()
        return _record(row) if row else None

    def last_syncs(self, count: int) -> list[RunRecord]:
        """The newest runs that were to sync, newest first: no dry runs, no verifications."""
        with self._store.read() as connection:
            rows = connection.execute(
                select(run)
                .where(run.c.account == self._account, run.c.dry_run.is_(False))
                .where(run.c.kind == RunKind.SYNC)
                .order_by(run.c.id.desc())
                .limit(count)
            ).all()
        return [_record(row) for row in rows]

    def last_synced(self, *, whole: bool = False) -> RunRecord | None:
        """The newest run that synced to its end; `whole` leaves out those of partial reads."""
        with self._store.read() as connection:
            row = connection.execute(
                select(run)
                .where(self._synced)
                .where(run.c.partial.is_(False) if whole else true())
                .order_by(run.c.id.desc())
                .limit(1)
            ).first()
        return _record(row) if row else None

    def synced_since_verified(self) -> int:
        """How many runs have synced since one that read the whole audience back."""
        verified = (
            select(func.max(run.c.id))
            .where(run.c.account == self._account, run.c.drift.is_not(None))
            .scalar_subquery()
        )
        counted = select(func.count()).where(self._synced, run.c.id > func.coalesce(verified, 0))
        with self._store.read() as connection:
            return connection.scalar(counted) or 0

    @property
    def _synced(self) -> ColumnElement[bool]:
        """Runs of this account that synced to their end."""
        done = (ExitCode.DONE, ExitCode.DONE_WITH_REJECTS)
        return and_(
            run.c.account == self._account,
            run.c.kind == RunKind.SYNC,
            run.c.dry_run.is_(False),
            run.c.exit_code.in_([int(code) for code in done]),
        )


def is_under_way(store: Store, account: str) -> bool:
    """Whether a run goes on: its lock ends with its process, however that ends."""
    try:
        with store.locks.hold(f"{account}.run", wait=_NO_WAIT):
            return False
    except Busy:
        return True


def highest_number(store: Store) -> int:
    """The highest number of all accounts' runs, 0 when there is none; raises StateError."""
    with store.read() as connection:
        return _highest(connection)


def _highest(connection: Connection) -> int:
    return connection.scalar(select(func.max(run.c.id))) or 0


def _record(row: Row[tuple[object, ...]]) -> RunRecord:
    return RunRecord(
        id=row.id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        host=row.host,
        pid=row.pid,
        dry_run=row.dry_run,
        kind=RunKind(row.kind),
        exit_code=None if row.exit_code is None else ExitCode(row.exit_code),
        message=row.message,
        counts=Counts(**{name: getattr(row, name) for name in _COUNTS}),
        report=Path(row.report) if row.report else None,
        rejects=Path(row.rejects) if row.rejects else None,
        resume_at=row.resume_at,
        audience=row.audience,
        notes=tuple((row.notes or "").splitlines()),
    )
