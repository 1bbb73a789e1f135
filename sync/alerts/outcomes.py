"""What the end of a sync, or of a day of the token pair, means for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sync.alerts.alert import Topic, Trouble
from sync.alerts.alerting import Alerting
from sync.clock import Clock, utc_now
from sync.errors import ContactSyncError, ExitCode, StopRequested
from sync.settings import Settings
from sync.state.runs import Runs
from sync.state.store import Store

_DONE = frozenset({ExitCode.DONE, ExitCode.DONE_WITH_REJECTS})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sync ended that was due at `due_at`."""

    exit_code: ExitCode
    message: str
    due_at: datetime
    report: str = ""


def outcome_since(
    store: Store, account: str, began_at: datetime, due_at: datetime
) -> Outcome | None:
    """How the newest sync ended, if it began since then and has ended; raises StateError."""
    for run in Runs(store, account).last_syncs(1):
        if run.exit_code is not None and run.started_at >= began_at:
            return Outcome(run.exit_code, run.message, due_at, str(run.report or ""))
    return None


@contextmanager
def telling_outcome(
    settings: Settings, store: Store, clock: Clock = utc_now, *, attended: bool
) -> Iterator[None]:
    """The block is one sync; people are told how it ended.

    Who `attended` it sees that it failed, and is told only that all is well again. Who stopped it
    knows.
    """
    alerting = Alerting(settings, store, clock)
    began = clock()
    alerting.ping("start", began)
    stopped = False
    try:
        yield
    except StopRequested:
        stopped = True
        raise
    finally:
        outcome = None if stopped else outcome_since(store, settings.account.name, began, began)
        if outcome is not None:
            tell_outcome(alerting, outcome, goes_on=attended)


def tell_outcome(alerting: Alerting, outcome: Outcome, *, goes_on: bool) -> None:
    """Tell of a sync's end; nothing yet when it `goes_on` by itself later in the day."""
    if outcome.exit_code in _DONE:
        alerting.ping("", outcome.due_at)
        alerting.tell(Topic.SYNC, None)
    elif not goes_on:
        alerting.ping("fail", outcome.due_at)
        trouble = Trouble(Topic.SYNC, outcome.exit_code.name, outcome.message)
        alerting.tell(Topic.SYNC, trouble, report=outcome.report)


def tell_missed(alerting: Alerting, due_at: datetime, next_at: datetime) -> None:
    """Tell that no sync began when it was due, and that it is too late to make up for it."""
    text = (
        f"The sync of {due_at:%Y-%m-%d %H:%M} UTC did not happen, since the worker was not "
        f"running or another process held the account; the next one is due at "
        f"{next_at:%Y-%m-%d %H:%M} UTC. Sync now with contact-sync --run-now if that is too late."
    )
    alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, "MISSED", text))


def tell_killed(alerting: Alerting, times: int, next_at: datetime) -> None:
    """Tell that no sync came to its end, so that none could tell how it went."""
    how_often = f"{times} times in a row" if times > 1 else "before its end"
    text = (
        f"The sync was killed {how_often}, and is not begun again before {next_at:%Y-%m-%d %H:%M} "
        "UTC. The memory ran out, or it hung and the watchdog ended it, or its machine went down: "
        "contact-sync status names the processes and hosts, and journalctl -k and journalctl -u "
        "contact-sync tell more. Mend that, then sync with contact-sync --run-now."
    )
    alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, "KILLED", text))


def tell_unauthorized(alerting: Alerting, reason: str) -> None:
    """Tell that the pair can't be renewed, as the next sync would."""
    alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, ExitCode.AUTHORIZATION.name, reason))


def tell_configuration(alerting: Alerting, reason: str | None) -> None:
    """Tell that the account's configuration is wrong, or that it is right again."""
    trouble = None
    if reason is not None:
        trouble = Trouble(Topic.CONFIG, ExitCode.CONFIGURATION.name, reason)
    alerting.tell(Topic.CONFIG, trouble)


def tell_silent(alerting: Alerting, since: datetime, step: str) -> None:
    """Tell that a sync hangs, while those of other accounts go on."""
    text = (
        f"The sync has shown no sign of life since {since:%Y-%m-%d %H:%M} UTC ({step}): a file "
        "system, a database or the network may hang. The other accounts go on. When that is "
        "mended and it still hangs, restart the worker: systemctl restart contact-sync."
    )
    alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, "SILENT", text))


def tell_state(alerting: Alerting, error: ContactSyncError) -> None:
    """Tell that no sync can be planned, for want of the state."""
    alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, error.exit_code.name, str(error)))


def tell_pair(alerting: Alerting, warning: str | None) -> None:
    """Tell whether the refresh token nears its death, in the words of the vault's warning."""
    trouble = None
    if warning is not None:
        trouble = Trouble(Topic.PAIR, warning.partition(":")[0], warning)
    alerting.tell(Topic.PAIR, trouble)
