"""The worker: it syncs when it is due, keeps the pair alive, and outlives what fails."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from sync import charge
from sync.auth.vault import PairStatus
from sync.errors import (
    ConfigurationError,
    ContactSyncError,
    ExitCode,
    RunLocked,
    ServiceUnavailable,
    StopRequested,
)
from sync.schedule import Why
from sync.service import Worker
from sync.service_manager import ServiceManager
from sync.settings import Accounts, Settings
from sync.state.runs import Counts, Runs
from sync.state.store import Store, open_store
from sync.state.stores import Stores
from sync.stop import Stop
from tests.conftest import SettingsFor

Log = list[dict[str, Any]]
ACCOUNT = "default"


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

    def status(self) -> PairStatus:
        return PairStatus(exists=True)


Serve = Callable[..., Log]


@pytest.fixture
def served(settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve with a sync that was missed an hour ago, until `until`; returns the log."""
    with open_store(settings_for()) as store, ExitStack() as closing_later:

        def run(
            sync: Callable[[Stop], object],
            vault: FakeVault,
            until: threading.Event,
            *,
            signals: Sequence[signal.Signals] = (),
            reread: Callable[[], Settings] | None = None,
            **schedule: Any,
        ) -> Log:
            class FakeRun:
                def __init__(self, *_: object, stop: Stop, **__: object) -> None:
                    self.stop = stop

                def sync(self) -> object:
                    number = _begin(store, datetime.now(UTC))
                    code = ExitCode.BUG
                    try:
                        made = sync(self.stop)
                        code = ExitCode.DONE
                    except ContactSyncError as error:
                        code = error.exit_code
                        raise
                    finally:
                        _end(store, number, code)
                    return made

            monkeypatch.setattr(charge, "Run", FakeRun)
            monkeypatch.setattr(charge, "open_vault", lambda *_, **__: vault)
            an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
            _end(store, _begin(store, an_hour_ago - timedelta(days=1)), ExitCode.DONE)
            at = an_hour_ago.time().replace(second=0, microsecond=0)
            settings = settings_for(schedule={"time": at.isoformat(), **schedule})
            again = reread or (lambda: settings)
            stores = closing_later.enter_context(closing(Stores()))
            worker = Worker(
                _alone(settings),
                stores,
                reread=lambda: _alone(again()),
                manager=ServiceManager({}),
            )
            ending = threading.Thread(target=_ask, args=(until, [*signals, signal.SIGTERM]))
            ending.start()
            with capture_logs() as log:
                worker.serve()
            ending.join()
            return log  # type: ignore[return-value]

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
        before = {number: signal.getsignal(number) for number in numbers}
        yield run
        for number, handler in before.items():
            signal.signal(number, handler)


def _alone(settings: Settings) -> Accounts:
    return Accounts(Path("contact-sync.toml"), {settings.account.name: settings})


def _ask(until: threading.Event, signals: Sequence[signal.Signals]) -> None:
    assert until.wait(10)
    for number in signals:
        time.sleep(1)
        os.kill(os.getpid(), number)


def _begin(store: Store, at: datetime) -> int:
    return Runs(store, ACCOUNT).begin(at, dry_run=False)


def _end(store: Store, number: int, code: ExitCode) -> None:
    Runs(store, ACCOUNT).finish(
        number,
        exit_code=code,
        message="",
        counts=Counts(),
        report=None,
        rejects=None,
        now=datetime.now(UTC),
    )


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
    assert "a sync was missed" in events(log)
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


def test_a_stop_is_heard_when_its_signal_reaches_another_thread(
    served: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()

    def sync(stop: Stop) -> object:
        began.set()
        stop.sleep(timedelta(seconds=20))
        return SimpleNamespace(run_id=7, message="")

    def to_this_thread(_: int, number: int) -> None:
        signal.pthread_kill(threading.get_ident(), number)

    monkeypatch.setattr("os.kill", to_this_thread)
    assert "sync stopped" in events(served(sync, FakeVault(), began))


def test_what_failed_is_planned_again_and_what_was_stopped_is_left(served: Serve) -> None:
    done = threading.Event()

    def sync(_: Stop) -> object:
        done.set()
        raise ServiceUnavailable("It is down.")

    log = served(sync, FakeVault(), done)
    planned = [(entry["why"], entry["at"]) for entry in log if entry["event"] == "next sync"]
    assert [why for why, _ in planned] == [Why.CAUGHT_UP, Why.AGAIN]
    pause = datetime.fromisoformat(planned[1][1]) - datetime.now(UTC)
    assert timedelta(minutes=14) < pause <= timedelta(minutes=15)
    assert "a sync was missed" in events(log)


def test_a_signal_begins_a_sync_that_is_not_due(served: Serve) -> None:
    made: list[int] = []
    ready = threading.Event()
    ready.set()

    def sync(_: Stop) -> object:
        made.append(1)
        return SimpleNamespace(run_id=7, message="")

    signals = [signal.SIGUSR1]
    log = served(sync, FakeVault(), ready, signals=signals, catch_up_within="PT1M")
    assert made == [1]
    assert Why.ASKED in [entry.get("why") for entry in log]


def test_a_signal_in_the_middle_of_a_sync_begins_no_second_one(served: Serve) -> None:
    made: list[int] = []
    began = threading.Event()

    def sync(stop: Stop) -> object:
        made.append(1)
        began.set()
        stop.sleep(timedelta(minutes=10))
        return None

    log = served(sync, FakeVault(), began, signals=[signal.SIGUSR1, signal.SIGUSR1])
    assert made == [1]
    assert events(log).count("a sync is under way already") == 2


def test_a_new_configuration_is_taken_in_and_a_bad_one_refused(
    served: Serve, settings_for: SettingsFor
) -> None:
    ready = threading.Event()
    ready.set()
    new = settings_for(
        schedule={"time": "23:59", "time_zone": "Asia/Tokyo", "catch_up_within": "PT1M"}
    )

    def nothing(_: Stop) -> object:
        return SimpleNamespace(run_id=7, message="")

    def refused() -> Settings:
        raise ConfigurationError("The configuration x is wrong:", ("  - it is.",))

    quiet = {"signals": [signal.SIGHUP], "catch_up_within": "PT1M"}
    log = served(nothing, FakeVault(), ready, reread=lambda: new, **quiet)
    assert "configuration taken in" in events(log)
    assert [e["at"] for e in log if e["event"] == "next sync"][-1].endswith("23:59:00+09:00")
    log = served(nothing, FakeVault(), ready, reread=refused, **quiet)
    assert "configuration refused, the old one is kept" in events(log)
    others = settings_for(account={"name": "another"})
    log = served(nothing, FakeVault(), ready, reread=lambda: others, **quiet)
    assert [e["account"] for e in log if e["event"] == "account left"] == [ACCOUNT]
    assert [e["account"] for e in log if e["event"] == "next sync"][-1] == "another"


def test_a_lock_of_another_process_puts_the_sync_off(served: Serve) -> None:
    done = threading.Event()

    def sync(_: Stop) -> object:
        done.set()
        raise RunLocked("Another run.")

    log = served(sync, FakeVault(), done, retries=["PT1M"])
    at = [entry["at"] for entry in log if entry["event"] == "next sync"][-1]
    assert datetime.fromisoformat(at) - datetime.now(UTC) > timedelta(minutes=14)
