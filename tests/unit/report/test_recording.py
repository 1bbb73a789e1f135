"""However a run ends, its record says how, and nothing that fails on the way hides the reason."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync.errors import ExitCode, GuardStopped, RunLocked, StateError
from sync.recording import Recording, recorded
from sync.report.rejects import Entry, Kind
from sync.settings import Settings
from sync.state.runs import RunRecord, Runs
from sync.state.store import Store, open_store
from sync.stop import Stop
from tests.conftest import SettingsFor

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
REJECT = Entry(Kind.REJECTED, 7, "a@", "email", "a@", "email_invalid", "No address.")


@pytest.fixture
def settings(settings_for: SettingsFor) -> Settings:
    return settings_for()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def reports(settings: Settings) -> Path:
    return settings.report.directory


def run(settings: Settings, store: Store, error: BaseException | None = None) -> Recording:
    with recorded(
        settings, store, lambda: NOW, wait=timedelta(0), stop=Stop(), dry_run=False
    ) as recording:
        recording.rejects.add(REJECT)
        recording.counts = replace(recording.counts, rows_read=3, new=2, rejected=1, confirmed=2)
        if error is not None:
            raise error
    return recording


def last(store: Store) -> RunRecord:
    return Runs(store, "default").last(1)[0]


def test_a_run_with_rejects_is_recorded_with_its_files(settings: Settings, store: Store) -> None:
    recording = run(settings, store)
    assert recording.exit_code == ExitCode.DONE_WITH_REJECTS
    assert recording.message == "2 contacts sent, 0 unchanged, 1 rejected."
    assert last(store) == recording.record
    for file in (last(store).report, last(store).rejects):
        assert file is not None
        assert file.exists()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (GuardStopped("The guard stopped it."), ExitCode.GUARD, "The guard stopped it."),
        (ValueError("x"), ExitCode.BUG, "A fault in contact-sync ended the run: ValueError."),
        (KeyboardInterrupt(), ExitCode.BUG, "A fault in contact-sync ended the run: "),
    ],
)
def test_a_failed_run_is_recorded_with_its_reason(
    settings: Settings, store: Store, error: BaseException, code: ExitCode, message: str
) -> None:
    with pytest.raises(type(error)):
        run(settings, store, error)
    assert last(store).exit_code == code
    assert last(store).message.startswith(message)
    assert last(store).counts.rows_read == 3


def test_a_run_that_can_write_no_rejects_is_recorded(
    settings: Settings, store: Store, reports: Path
) -> None:
    reports.touch()
    with pytest.raises(StateError, match=r"report\.directory"):
        run(settings, store)
    assert last(store).exit_code == ExitCode.STATE
    assert last(store).finished_at == NOW


def test_a_report_that_cannot_be_written_does_not_hide_how_the_run_ended(
    settings: Settings, store: Store, reports: Path
) -> None:
    (reports / "default-run-000001.html").mkdir(parents=True)
    with pytest.raises(GuardStopped):
        run(settings, store, GuardStopped("The guard stopped it."))
    assert last(store).exit_code == ExitCode.GUARD

    (reports / "default-run-000002.html").mkdir()
    recording = run(settings, store)
    assert recording.exit_code == ExitCode.DONE_WITH_REJECTS
    assert recording.record is not None
    assert recording.record.report is None


def test_a_state_that_cannot_be_written_does_not_hide_what_came_first(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StateError("The disk is full.")

    monkeypatch.setattr(Runs, "finish", fail)
    with pytest.raises(GuardStopped):
        run(settings, store, GuardStopped("The guard stopped it."))


def test_a_second_run_is_told_who_holds_the_lock(settings: Settings, store: Store) -> None:
    with (
        recorded(settings, store, lambda: NOW, wait=timedelta(0), stop=Stop(), dry_run=False),
        pytest.raises(RunLocked, match=r"run 1 \(process \d+ on .*since 2026-11-24 03:30:00 UTC"),
    ):
        run(settings, store)
    assert run(settings, store).run_id == 2
