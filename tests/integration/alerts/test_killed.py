"""A worker whose syncs are killed one after the other tells it, since none of them can."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest

from sync.alerts import Topic
from sync.clock import utc_now
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state import troubles
from sync.state.runs import Runs
from sync.state.store import open_store
from tests.integration.alerts.conftest import Posts
from tests.integration.main_road.office import Office

HOUR = timedelta(hours=1)


@pytest.fixture
def office(tmp_path: Path, sandbox: Sandbox, posts: Posts) -> Office:
    """One whose sync was due an hour ago, and is tried again once."""
    due = utc_now() - HOUR
    schedule = [f'time = "{due:%H:%M}"', "jitter = 0", "retries = [60]"]
    alerts = [f'webhook_url = "{posts.url}"']
    office = Office(tmp_path / "office", sandbox, {}, {"schedule": schedule, "alerts": alerts})
    office.authorize()
    return office


def records(office: Office) -> int:
    with open_store(load_settings(office.config)) as store:
        return len(Runs(store, "default").last(10))


def people_know(office: Office) -> bool:
    with open_store(load_settings(office.config)) as store, store.read() as connection:
        return troubles.told(connection, "default", Topic.SYNC) is not None


def kill_when(office: Office, what: Callable[[], bool]) -> None:
    """Start a worker, and kill it then."""
    with office.start() as worker:
        try:
            deadline = monotonic() + 60
            while not what():
                assert worker.poll() is None
                assert monotonic() < deadline
                sleep(0.05)
        finally:
            worker.kill()


def test_who_is_killed_to_the_last_attempt_is_told_of_once(
    office: Office, sandbox: Sandbox, posts: Posts
) -> None:
    assert office.run("--run-now").code == ExitCode.DONE
    with open_store(load_settings(office.config)) as store, store.write() as connection:
        connection.exec_driver_sql("UPDATE run SET started_at = started_at - 86400000000")
    sandbox.add_fault(Fault("slow", path="/v3/*", delay=600))
    kill_when(office, lambda: records(office) == 2)
    kill_when(office, lambda: records(office) == 3)
    assert posts.alerts == []
    kill_when(office, lambda: people_know(office))
    [(kind, text)] = posts.alerts
    assert kind == "first"
    assert "The sync was killed 2 times in a row, and is not begun again before" in text
    assert "contact-sync --run-now" in text
    assert records(office) == 3

    sandbox.clear_faults()
    assert office.run("--run-now").code == ExitCode.DONE
    assert [kind for kind, _ in posts.alerts] == ["first", "recovery"]
