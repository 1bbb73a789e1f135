"""The worker: a sync a day, and a token pair that is kept alive whatever the syncs do."""

import signal
from datetime import timedelta
from types import FrameType

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sync.auth.vault import Vault
from sync.clock import utc_now
from sync.errors import ContactSyncError, StopRequested
from sync.run import Run
from sync.schedule import daily_trigger, next_run
from sync.settings import Settings
from sync.state.store import Store
from sync.stop import Stop

_KEEP_ALIVE = timedelta(days=1)
_log = structlog.get_logger()


def serve(settings: Settings, store: Store, vault: Vault) -> None:
    """Sync every day at the configured time, until SIGTERM or SIGINT.

    A failing sync ends that sync, not the worker: the next one is due tomorrow.
    """
    stop = Stop()
    stop_on_signals(stop)
    # One thread: a sync and a keep-alive take turns. A late job is run, not dropped (APScheduler
    # drops what is more than a second late by default), and several late ones are run once.
    scheduler = BackgroundScheduler(
        executors={"default": {"type": "threadpool", "max_workers": 1}},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    scheduler.add_job(
        _sync, daily_trigger(settings.schedule), [settings, store, vault, stop], id="sync"
    )
    scheduler.add_job(
        _keep_alive,
        IntervalTrigger(seconds=int(_KEEP_ALIVE.total_seconds())),
        [vault],
        id="keep-alive",
        next_run_time=utc_now(),
    )
    scheduler.add_listener(_tell_scheduler_fault, EVENT_JOB_ERROR | EVENT_JOB_MISSED)
    due = next_run(settings.schedule, utc_now())
    _log.info("worker started", account=settings.account.name, next_run=due.isoformat())
    scheduler.start()
    try:
        stop.wait()
    finally:
        _log.info("worker stopping")
        scheduler.shutdown(wait=True)


def stop_on_signals(stop: Stop) -> None:
    """Let SIGTERM and SIGINT ask for a stop; the second one ends the process at once."""

    def ask(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


def _sync(settings: Settings, store: Store, vault: Vault, stop: Stop) -> None:
    try:
        recording = Run(settings, store, vault, stop=stop).sync()
    except StopRequested as stopped:
        _log.info("sync stopped", reason=str(stopped))
    except ContactSyncError as error:
        _log.error("sync failed", exit_code=int(error.exit_code), reason=str(error))
    else:
        _log.info("sync done", run=recording.run_id, outcome=recording.message)


def _keep_alive(vault: Vault) -> None:
    try:
        renewed = vault.keep_alive()
    except ContactSyncError as error:
        _log.error("keep-alive failed", exit_code=int(error.exit_code), reason=str(error))
    else:
        _log.debug("keep-alive", renewed=renewed)


def _tell_scheduler_fault(event: JobExecutionEvent) -> None:
    # A fault of ours: APScheduler would only log it through a logger that nobody reads.
    _log.error("a scheduled job failed", job=event.job_id, fault=repr(event.exception))
