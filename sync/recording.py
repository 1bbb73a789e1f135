"""A run's frame: the account's lock around it, its record, its rejects file and its report.

However a run ends (well, with an error, by a fault of ours), its record says how; only a kill
leaves a record without an end, which the next run's resuming settles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import structlog

from sync.clock import Clock
from sync.errors import Busy, ContactSyncError, ExitCode, RunLocked, StateError
from sync.report.cleanup import remove_old
from sync.report.html import write_report
from sync.report.rejects import RejectsFile, open_rejects
from sync.settings import Settings
from sync.state.runs import Counts, RunRecord, Runs
from sync.state.store import Store

_HISTORY = 90
_log = structlog.get_logger()


@dataclass(slots=True)
class Recording:
    """What a run has found and done so far; `record` is there once it has ended."""

    run_id: int
    dry_run: bool
    rejects: RejectsFile
    counts: Counts = field(default_factory=Counts)
    source: str = ""
    resumed: int = 0
    batches: int = 0
    payload_bytes: int = 0
    offline: bool = False
    partial: bool = False
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


@contextmanager
def recorded(
    settings: Settings, store: Store, clock: Clock, *, wait: timedelta, dry_run: bool
) -> Iterator[Recording]:
    """The block is one run: raises RunLocked when another is under way after `wait`."""
    account = settings.account.name
    runs = Runs(store, account)
    with _locked(store, runs, account, wait):
        run_id = runs.begin(clock(), dry_run=dry_run)
        stem = settings.report.directory / f"{account}-run-{run_id:06}"
        structlog.contextvars.bind_contextvars(run=run_id, account=account)
        try:
            with _rejects_of(run_id, stem, runs, clock) as rejects:
                recording = Recording(run_id, dry_run, rejects)
                try:
                    yield recording
                    rejects.close()  # a full disk is told before the run is told as done
                except BaseException as error:
                    _end_failed(recording, runs, clock, stem, error)
                    raise
                _end(recording, runs, clock, stem, *_success(recording.counts, dry_run=dry_run))
            remove_old(settings.report.directory, settings.report.keep_days, clock())
        finally:
            structlog.contextvars.unbind_contextvars("run", "account")


@contextmanager
def _locked(store: Store, runs: Runs, account: str, wait: timedelta) -> Iterator[None]:
    holding = store.locks.hold(f"{account}.run", wait=wait)
    try:
        holding.__enter__()
    except Busy:
        raise RunLocked(_who_runs(runs, account)) from None
    try:
        yield
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


def _rejects_of(run_id: int, stem: Path, runs: Runs, clock: Clock) -> RejectsFile:
    try:
        return open_rejects(stem.with_name(f"{stem.name}-rejects.csv"))
    except StateError as error:
        runs.finish(
            run_id,
            exit_code=error.exit_code,
            message=str(error),
            counts=Counts(),
            report=None,
            rejects=None,
            now=clock(),
        )
        raise


def _end_failed(
    recording: Recording, runs: Runs, clock: Clock, stem: Path, error: BaseException
) -> None:
    """Record the failure; what else fails meanwhile is logged, since it must not hide the first."""
    try:
        _end(recording, runs, clock, stem, *_failure(error))
        recording.rejects.close()
    except StateError as another:
        _log.warning("the end of a failed run is not recorded whole", reason=str(another))


def _end(
    recording: Recording,
    runs: Runs,
    clock: Clock,
    stem: Path,
    exit_code: ExitCode,
    message: str,
) -> None:
    rejects = recording.rejects
    report = stem.with_suffix(".html")
    runs.finish(
        recording.run_id,
        exit_code=exit_code,
        message=message,
        counts=recording.counts,
        report=report,
        rejects=rejects.path if rejects.reasons else None,
        now=clock(),
        partial=recording.partial,
    )
    history = runs.last(_HISTORY)
    recording.record = history[0]
    try:
        write_report(report, history, recording.source, rejects.reasons, rejects.samples)
    except StateError as error:
        # The record tells the same, so a report less is no run's failure.
        recording.record = replace(recording.record, report=None)
        _log.warning("no report was written", reason=str(error))


def _failure(error: BaseException) -> tuple[ExitCode, str]:
    if isinstance(error, ContactSyncError):
        return error.exit_code, str(error)
    return ExitCode.BUG, f"A fault in contact-sync ended the run: {type(error).__name__}."


def _success(counts: Counts, *, dry_run: bool) -> tuple[ExitCode, str]:
    flawed = counts.faulty or counts.refused
    exit_code = ExitCode.DONE_WITH_REJECTS if flawed else ExitCode.DONE
    to_send = counts.new + counts.changed
    if dry_run:
        return exit_code, f"Dry run: {_contacts(to_send)} would be sent; nothing was."
    said = f"{_contacts(counts.confirmed)} sent" if to_send else "Nothing to send"
    flaws = [
        f"{count:,} {what}"
        for count, what in ((counts.faulty, "rejected"), (counts.refused, "refused"))
        if count
    ]
    return exit_code, f"{said}, {counts.unchanged:,} unchanged{''.join(f', {f}' for f in flaws)}."


def _contacts(count: int) -> str:
    return f"{count:,} contact{'' if count == 1 else 's'}"
