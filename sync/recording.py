"""A run's frame: the account's lock around it, its record, its rejects file and its report.

However a run ends (well, with an error, by a fault of ours), its record says how; only a kill
leaves a record without an end, which the next run's resuming settles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from sync.api.limits import used_today
from sync.auth.lifetimes import refresh_token_dies_at
from sync.clock import Clock
from sync.errors import Busy, ContactSyncError, ExitCode, QuotaExhausted, RunLocked, StateError
from sync.outlook import Outlook
from sync.report.cleanup import remove_old
from sync.report.drift import DriftFile
from sync.report.html import Findings, Standing, write_report
from sync.report.rejects import RejectsFile
from sync.settings import Settings
from sync.state import audience
from sync.state.locks import Held
from sync.state.runs import Counts, RunKind, RunRecord, Runs
from sync.state.store import Store
from sync.state.tokens import read_pair
from sync.stop import Stop

_HISTORY = 90
_LISTEN_EVERY = timedelta(seconds=1)
_log = structlog.get_logger()


@dataclass(slots=True)
class Recording:
    """What a run has found and done so far; `record` is there once it has ended."""

    run_id: int
    lock: Held
    dry_run: bool
    rejects: RejectsFile
    stem: Path
    kind: RunKind = RunKind.SYNC
    drift: DriftFile | None = None
    counts: Counts = field(default_factory=Counts)
    source: str = ""
    resumed: int = 0
    approves: int | None = None
    outlook: Outlook | None = None
    batches: int = 0
    payload_bytes: int = 0
    offline: bool = False
    partial: bool = False
    notes: list[str] = field(default_factory=list)
    resume_at: datetime | None = None
    record: RunRecord | None = None

    @property
    def message(self) -> str:
        """How the run ended, in a sentence; empty while it goes on."""
        return self.record.message if self.record else ""

    @property
    def exit_code(self) -> ExitCode:
        """What the process returns for it."""
        ended = self.record.exit_code if self.record else None
        return ExitCode.BUG if ended is None else ended

    def open_drift(self, *, repair: bool) -> DriftFile:
        """Begin the file of what the account holds otherwise; raises StateError."""
        path = self.stem.with_name(f"{self.stem.name}-drift.csv")
        self.drift = DriftFile(path, repair=repair)
        return self.drift

    def close_files(self) -> None:
        """Have all of them whole on the disk; raises StateError."""
        self.rejects.close()
        if self.drift is not None:
            self.drift.close()


@contextmanager
def recorded(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    wait: timedelta,
    stop: Stop,
    dry_run: bool = False,
    kind: RunKind = RunKind.SYNC,
) -> Iterator[Recording]:
    """The block is one run: raises RunLocked when another is under way after `wait`.

    Raises StopRequested when a stop is asked for while it waits.
    """
    account = settings.account.name
    runs = Runs(store, account)
    with _locked(store, runs, account, wait, stop) as lock:
        run_id = runs.begin(clock(), dry_run=dry_run, kind=kind)
        stem = settings.report.directory / f"{account}-run-{run_id:06}"
        ending = _Ending(settings, store, runs, clock)
        with structlog.contextvars.bound_contextvars(run=run_id, account=account):
            with ending.rejects_of(run_id, stem) as rejects:
                recording = Recording(run_id, lock, dry_run, rejects, stem, kind)
                try:
                    yield recording
                    recording.close_files()  # a full disk is told before the run is told as done
                except BaseException as error:
                    ending.failed(recording, error)
                    raise
                ending.well(recording)
            remove_old(settings.report.directory, settings.report.keep_days, clock())


@contextmanager
def _locked(store: Store, runs: Runs, account: str, wait: timedelta, stop: Stop) -> Iterator[Held]:
    while True:
        # No longer at a time, since a lock that is waited for hears no stop.
        once = min(wait, _LISTEN_EVERY)
        holding = store.locks.hold(f"{account}.run", wait=once)
        try:
            held = holding.__enter__()
            break
        except Busy:
            stop.check()
            wait -= once
            if wait <= timedelta(0):
                raise RunLocked(_who_runs(runs, account)) from None
    try:
        yield held
    finally:
        holding.__exit__(None, None, None)


def _who_runs(runs: Runs, account: str) -> str:
    running = next((run for run in runs.last(5) if run.finished_at is None), None)
    who = (
        f"run {running.id} (process {running.pid} on {running.host}) has held it since "
        f"{running.started_at:%Y-%m-%d %H:%M:%S} UTC"
        if running
        else "another process holds it"
    )
    return (
        f"The account {account} is being synced already: {who}. Try again when it has ended, or "
        "use --wait."
    )


class _Ending:
    """Records how a run ended."""

    def __init__(self, settings: Settings, store: Store, runs: Runs, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._runs = runs
        self._clock = clock

    def rejects_of(self, run_id: int, stem: Path) -> RejectsFile:
        """Begin the run's rejects file; a run without one has ended."""
        try:
            return RejectsFile(stem.with_name(f"{stem.name}-rejects.csv"))
        except StateError as error:
            self._runs.finish(
                run_id,
                exit_code=error.exit_code,
                message=str(error),
                counts=Counts(),
                report=None,
                rejects=None,
                now=self._clock(),
            )
            raise

    def well(self, recording: Recording) -> None:
        """The run has done what it could."""
        self._end(recording, *_success(recording))

    def failed(self, recording: Recording, error: BaseException) -> None:
        """Record the failure; what else fails is logged, since it must not hide the first."""
        try:
            recording.resume_at = error.until if isinstance(error, QuotaExhausted) else None
            self._end(recording, *_failure(error))
            recording.close_files()
        except StateError as another:
            _log.warning("the end of a failed run is not recorded whole", reason=str(another))

    def _end(self, recording: Recording, exit_code: ExitCode, message: str) -> None:
        rejects, report = recording.rejects, recording.stem.with_suffix(".html")
        if recording.approves is not None:
            message = f"Approved plan of run {recording.approves}: {message}"
        with self._store.read() as connection:
            size = audience.size(connection, self._settings.account.name)
        self._runs.finish(
            recording.run_id,
            exit_code=exit_code,
            message=message,
            counts=recording.counts,
            report=report,
            rejects=rejects.path if rejects.reasons else None,
            now=self._clock(),
            partial=recording.partial,
            notes=recording.notes,
            resume_at=recording.resume_at,
            audience=size,
        )
        history = self._runs.last(_HISTORY)
        recording.record = history[0]
        findings = Findings(recording.source, rejects.reasons, rejects.samples, recording.drift)
        try:
            write_report(report, history, findings, self._standing())
        except StateError as error:
            # The record tells the same, so a report less is no run's failure.
            recording.record = replace(recording.record, report=None)
            _log.warning("no report was written", reason=str(error))

    def _standing(self) -> Standing:
        settings, now = self._settings, self._clock()
        pair = read_pair(self._store, settings.account.name)
        return Standing(
            used_today=used_today(self._store, settings.oauth.client_id, now),
            per_day=settings.api.requests_per_day,
            access_token_until=pair.expires_at if pair else None,
            refresh_token_until=refresh_token_dies_at(pair.issued_at) if pair else None,
        )


def _failure(error: BaseException) -> tuple[ExitCode, str]:
    if isinstance(error, ContactSyncError):
        return error.exit_code, str(error)
    return ExitCode.BUG, f"A fault in contact-sync ended the run: {type(error).__name__}."


def _success(recording: Recording) -> tuple[ExitCode, str]:
    counts = recording.counts
    if recording.kind is RunKind.VERIFY and recording.drift is not None:
        return _verified(recording.drift, counts)
    flawed = counts.faulty or counts.refused
    exit_code = ExitCode.DONE_WITH_REJECTS if flawed else ExitCode.DONE
    to_send = counts.new + counts.changed
    if recording.dry_run:
        return exit_code, f"Dry run: {_contacts(to_send)} would be sent; nothing was."
    said = f"{_contacts(counts.confirmed)} sent" if to_send else "Nothing to send"
    flaws = [
        f"{count:,} {what}"
        for count, what in (
            (counts.faulty, "rejected"),
            (counts.refused, "refused"),
            (counts.drift, "found changed there"),
        )
        if count
    ]
    return exit_code, f"{said}, {counts.unchanged:,} unchanged{''.join(f', {f}' for f in flaws)}."


def _verified(drift: DriftFile, counts: Counts) -> tuple[ExitCode, str]:
    read = f"{_contacts(drift.compared)} read back"
    if not drift.contacts:
        # An interrupted run was settled first, and some of its contacts may have been refused.
        code = ExitCode.DONE_WITH_REJECTS if counts.refused else ExitCode.DONE
        but = ", but for lists that people left" if drift.by_field else ""
        return code, f"{read}: all are there as they were sent{but}."
    then = "the next sync sends again what the source owns" if drift.repair else "nothing was done"
    return ExitCode.DONE_WITH_DRIFT, f"{read}, {drift.contacts:,} otherwise than sent; {then}."


def _contacts(count: int) -> str:
    return f"{count:,} contact{'' if count == 1 else 's'}"
