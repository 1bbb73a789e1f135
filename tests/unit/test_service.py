"""The worker: it syncs when it is due, keeps the pair alive, and outlives what fails."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from apscheduler.triggers.date import DateTrigger
from structlog.testing import capture_logs

from sync import service
from sync.errors import ContactSyncError, ExitCode, ServiceUnavailable, StopRequested
from sync.schedule import next_run
from sync.service import serve
from sync.settings.options import Schedule
from sync.stop import Stop
from tests.conftest import SettingsFor

Log = list[dict[str, Any]]


class FakeVault:
    """Counts what is asked of it."""

    def __init__(self, error: ContactSyncError | None = None) -> None:
        self.error = error
        self.settled = self.kept_alive = 0

    def settle(self) -> None:
        self.settled += 1

    def keep_alive(self) -> bool:
        self.kept_alive += 1
        if self.error is not None:
            raise self.error
        return True


Serve = Callable[..., Log]


@pytest.fixture
def served(settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve with a sync that is due at once, until `until`; returns the log."""

    def run(sync: Callable[[Stop], object], vault: FakeVault, until: threading.Event) -> Log:
        class FakeRun:
            def __init__(self, *_: object, stop: Stop) -> None:
                self.stop = stop

            def sync(self) -> object:
                return sync(self.stop)

        stops: list[Stop] = []
        monkeypatch.setattr(service, "Run", FakeRun)
        monkeypatch.setattr(service, "stop_on_signals", stops.append)
        monkeypatch.setattr(
            service, "daily_trigger", lambda _: DateTrigger(datetime.now(UTC) - timedelta(hours=9))
        )

        def end() -> None:
            assert until.wait(10)
            time.sleep(0.1)
            stops[0].request()

        ending = threading.Thread(target=end)
        ending.start()
        with capture_logs() as log:
            serve(settings_for(), None, vault)  # type: ignore[arg-type]
        ending.join()
        return log  # type: ignore[return-value]

    return run


def events(log: Log) -> list[str]:
    return [entry["event"] for entry in log]


def test_a_sync_that_is_hours_late_is_made_and_told(served: Serve) -> None:
    done = threading.Event()
    vault = FakeVault()

    def sync(_: Stop) -> object:
        done.set()
        return SimpleNamespace(run_id=7, message="2 contacts sent.", exit_code=ExitCode.DONE)

    log = served(sync, vault, done)
    assert "sync done" in events(log)
    assert events(log)[0] == "worker started"
    assert events(log)[-1] == "worker stopping"
    assert vault.kept_alive == 1


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (ServiceUnavailable("It is down."), "sync failed"),
        (StopRequested("Asked to stop."), "sync stopped"),
        (ValueError("unexpected"), "a scheduled job failed"),
        (SystemExit(3), "a scheduled job failed"),
    ],
)
def test_whatever_ends_a_sync_the_worker_goes_on(
    served: Serve, error: BaseException, event: str
) -> None:
    done = threading.Event()

    def sync(_: Stop) -> object:
        done.set()
        raise error

    log = served(sync, FakeVault(), done)
    assert event in events(log)
    assert events(log)[-1] == "worker stopping"


def test_a_pair_that_cannot_be_kept_alive_is_told(served: Serve) -> None:
    done = threading.Event()

    def sync(_: Stop) -> object:
        done.set()
        raise ServiceUnavailable("It is down.")

    log = served(sync, FakeVault(ServiceUnavailable("No network.")), done)
    (failed,) = [entry for entry in log if entry["event"] == "keep-alive failed"]
    assert failed["exit_code"] == ExitCode.UNAVAILABLE
    assert failed["reason"] == "No network."


def test_a_stop_is_heard_within_a_running_sync(served: Serve) -> None:
    began = threading.Event()

    def sync(stop: Stop) -> object:
        began.set()
        stop.sleep(timedelta(minutes=10))
        return None

    started = time.monotonic()
    log = served(sync, FakeVault(), began)
    assert "sync stopped" in events(log)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("UTC", "2026-11-24T03:29:59+00:00", "2026-11-24T03:30:00+00:00"),
        ("UTC", "2026-11-24T03:30:01+00:00", "2026-11-25T03:30:00+00:00"),
        ("America/New_York", "2026-11-24T03:00:00+00:00", "2026-11-24T08:30:00+00:00"),
        ("Europe/Berlin", "2026-07-01T03:00:00+02:00", "2026-07-01T01:30:00+00:00"),
    ],
)
def test_the_next_run_is_due_at_the_time_of_its_zone(zone: str, now: str, due: str) -> None:
    schedule = Schedule(time_zone=zone)
    assert next_run(schedule, datetime.fromisoformat(now)) == datetime.fromisoformat(due)
