"""The record of each run."""

import os
import socket
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from sqlalchemy import Row, insert, select, true, update

from sync.errors import ExitCode
from sync.state.schema import run
from sync.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of the source's rows; see `balanced`."""

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
    confirmed: int = 0
    refused: int = 0
    requests: int = 0

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
    exit_code: ExitCode | None
    message: str
    counts: Counts
    report: Path | None
    rejects: Path | None


_COUNTS = [field.name for field in fields(Counts)]


class Runs:
    """The runs of one account."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    def begin(self, now: datetime, *, dry_run: bool) -> int:
        """Record that a run begins; returns its number."""
        with self._store.write() as connection:
            made = connection.execute(
                insert(run).values(
                    account=self._account,
                    started_at=now,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    dry_run=dry_run,
                )
            ).inserted_primary_key
        if made is None:
            raise RuntimeError("the database gave the run no number")
        return int(made[0])

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
    ) -> None:
        """Record how the run ended; `partial` when it read only what changed in the source."""
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

    def last_synced(self, *, whole: bool = False) -> RunRecord | None:
        """The newest run that synced to its end; `whole` leaves out those of partial reads."""
        done = (ExitCode.DONE, ExitCode.DONE_WITH_REJECTS)
        with self._store.read() as connection:
            row = connection.execute(
                select(run)
                .where(run.c.account == self._account, run.c.dry_run.is_(False))
                .where(run.c.exit_code.in_([int(code) for code in done]))
                .where(run.c.partial.is_(False) if whole else true())
                .order_by(run.c.id.desc())
                .limit(1)
            ).first()
        return _record(row) if row else None


def _record(row: Row[tuple[object, ...]]) -> RunRecord:
    return RunRecord(
        id=row.id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        host=row.host,
        pid=row.pid,
        dry_run=row.dry_run,
        exit_code=None if row.exit_code is None else ExitCode(row.exit_code),
        message=row.message,
        counts=Counts(**{name: getattr(row, name) for name in _COUNTS}),
        report=Path(row.report) if row.report else None,
        rejects=Path(row.rejects) if row.rejects else None,
    )
