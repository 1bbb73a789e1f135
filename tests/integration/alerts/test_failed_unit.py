"""`alert failed-unit`, as systemd calls it when a unit has failed."""

from pathlib import Path

import pytest

from sync.alerts import Alerting, Topic, Trouble
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.alerts.conftest import Posts
from tests.integration.main_road.office import Office

UNIT = "contact-sync.service"


@pytest.fixture
def office(tmp_path: Path, sandbox: Sandbox, posts: Posts) -> Office:
    return Office(tmp_path, sandbox, options={"alerts": [f'webhook_url = "{posts.url}"']})


def monitor(status: str, *, code: str = "exited", result: str = "exit-code") -> dict[str, str]:
    """What systemd.exec(5) says of the unit that failed."""
    return {
        "MONITOR_SERVICE_RESULT": result,
        "MONITOR_EXIT_CODE": code,
        "MONITOR_EXIT_STATUS": status,
    }


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (monitor("77"), "exit code 77: a person must authorize"),
        (monitor("ABRT", code="dumped", result="watchdog"), "no sign of life for too long"),
        (monitor("KILL", code="killed", result="oom-kill"), "no memory left for it"),
        (monitor("203"), "result exit-code; it ended with 203"),
        ({}, "how is not known"),
    ],
)
def test_how_it_failed_is_told_in_words(
    office: Office, posts: Posts, environment: dict[str, str], words: str
) -> None:
    done = office.run("alert", "failed-unit", UNIT, environment=environment)
    assert done.code == ExitCode.DONE, done.err
    ((kind, text),) = posts.alerts
    assert kind == "first"
    assert f"The unit {UNIT} has failed (" in text
    assert words in text
    assert f"systemctl restart {UNIT}" in text


def test_it_is_told_without_the_state_and_with_a_configuration_that_is_wrong(
    office: Office, posts: Posts
) -> None:
    office.configure(
        alerts=f'webhook_url = "{posts.url}"',
        state='directory = "/proc/nowhere"',
        source="no_such_option = 1",
    )
    done = office.run("alert", "failed-unit", UNIT, environment=monitor("78"))
    assert done.code == ExitCode.DONE, done.err
    assert len(posts.alerts) == 1


def test_what_the_sync_itself_has_just_told_is_not_told_again(office: Office, posts: Posts) -> None:
    settings = load_settings(office.config)
    with open_store(settings) as store:
        Alerting(settings, store).tell(Topic.SYNC, Trouble(Topic.SYNC, "GUARD", "It has shrunk."))
    done = office.run("alert", "failed-unit", UNIT, environment=monitor("65"))
    assert (done.code, len(posts.alerts)) == (ExitCode.DONE, 1)
    office.run("alert", "failed-unit", UNIT, environment=monitor("74"))
    assert len(posts.alerts) == 2


def test_an_alert_that_nobody_took_is_a_failure(office: Office, posts: Posts) -> None:
    posts.status = 500
    done = office.run("alert", "failed-unit", UNIT, environment=monitor("70"))
    assert done.code == ExitCode.UNAVAILABLE
    assert "was not taken by any channel" in done.err
