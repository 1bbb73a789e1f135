"""`check` of the machine: each thing is broken truly, and told with its mend."""

import os
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync import surroundings
from sync.check import Check
from sync.clock import utc_now
from sync.errors import ContactSyncError, ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.surroundings import Finding
from tests.conftest import SettingsFor
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office


def found(office: Office, what: str, ahead: timedelta = timedelta(0)) -> Finding:
    """What is said of one thing; the others are looked at all the same."""
    settings = load_settings(office.config)
    check = Check(settings, [office.config], clock=lambda: utc_now() + ahead)
    findings = {finding.what: finding for finding in check.findings()}
    assert {"configuration", "source", "schedule"} <= set(findings)
    return findings[what]


def refused(settings_findings: Iterator[Finding]) -> ContactSyncError:
    with pytest.raises(ContactSyncError) as raised:
        list(settings_findings)
    return raised.value


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_a_secret_that_others_can_read_is_told(office: Office) -> None:
    (office.folder / "client_secret").chmod(0o644)
    finding = found(office, "secrets")
    assert finding.exit_code is ExitCode.CONFIGURATION
    assert "chmod 600" in finding.sentence


def test_an_empty_secret_is_told(office: Office) -> None:
    (office.folder / "client_secret").write_text("")
    for what in ("secrets", "client secret"):
        assert found(office, what).exit_code is ExitCode.CONFIGURATION
        assert "is empty" in found(office, what).sentence


def test_a_configuration_with_a_secret_must_be_private(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office(oauth=[f'client_secret = "{sandbox.client_secret}"'])
    office.config.chmod(0o640)
    finding = found(office, "secrets")
    assert finding.exit_code is ExitCode.CONFIGURATION
    assert f"chmod 600 {office.config}" in finding.sentence
    assert sandbox.client_secret not in finding.sentence
    office.config.chmod(0o600)
    assert found(office, "secrets").well


def test_a_state_directory_that_others_can_enter_is_a_warning(office: Office) -> None:
    (office.folder / "state").chmod(0o755)
    finding = found(office, "secrets")
    assert (finding.warning, finding.exit_code) == (True, ExitCode.DONE)
    assert "chmod 700" in finding.sentence
    assert office.run("check").code == ExitCode.DONE


def test_a_source_too_large_for_the_disk_is_told(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for()
    settings.state.directory.mkdir()
    contacts = tmp_path / "contacts.csv"
    contacts.write_text("email\n")
    assert [each.well for each in surroundings.room(settings)] == [True]
    os.truncate(contacts, 8 * 1024**4)  # a file of holes
    error = refused(surroundings.room(settings))
    assert error.exit_code is ExitCode.STATE
    assert "make room" in str(error)


def test_a_folder_that_is_not_there_for_the_feedback_is_told(make_office: MakeOffice) -> None:
    finding = found(make_office(feedback=['file = "nowhere/feedback.csv"']), "feedback")
    assert finding.exit_code is ExitCode.STATE
    assert "make the folder" in finding.sentence


def test_a_time_zone_that_is_not_the_machine_s_is_a_warning(make_office: MakeOffice) -> None:
    office = make_office(schedule=['time_zone = "Asia/Tokyo"', 'time = "03:30"'])
    done = office.run("check", environment={"TZ": "America/New_York"})
    (line,) = [line for line in done.out.splitlines() if "schedule:" in line]
    assert line.startswith("! schedule: next at ")
    assert "set schedule.time_zone" in line
    done = office.run("check", environment={"TZ": "Asia/Tokyo"})
    assert "✓ schedule: next at " in done.out


@pytest.mark.parametrize(
    ("ahead", "warning", "code"),
    [
        (timedelta(seconds=20), False, ExitCode.DONE),
        (timedelta(minutes=5), True, ExitCode.DONE),
        (timedelta(minutes=-5), True, ExitCode.DONE),
        (timedelta(hours=2), False, ExitCode.CONFIGURATION),
    ],
)
def test_the_clock_is_held_against_the_service_s(
    office: Office, ahead: timedelta, warning: bool, code: ExitCode
) -> None:
    finding = found(office, "clock", ahead)
    assert (finding.warning, finding.exit_code) == (warning, code)
    assert finding.well or "timedatectl set-ntp true" in finding.sentence


def test_without_a_way_to_tell_people_there_is_a_warning(office: Office) -> None:
    finding = found(office, "alerts")
    assert finding.warning
    assert "nobody is told" in finding.sentence


def test_the_ways_to_people_are_tried_without_sending(
    make_office: MakeOffice, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    office = make_office(
        alerts=[
            'email_to = ["ops@example.com"]',
            'email_from = "sync@example.com"',
            f'smtp_host = "127.0.0.1"\nsmtp_port = {port}',
            f'webhook_url = "http://127.0.0.1:{port}/hidden-part"',
            'command = ["true"]',
        ]
    )
    finding = found(office, "alerts")
    assert finding.well, finding
    assert "e-mail by 127.0.0.1, webhook to 127.0.0.1, the program true" in finding.sentence
    assert "hidden-part" not in finding.sentence
    listener.settimeout(5)
    for _ in range(2):
        connection, _address = listener.accept()
        with connection:
            assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (['webhook_url = "http://127.0.0.1:1/x"'], ExitCode.UNAVAILABLE, "127.0.0.1:1 of alerts."),
        (['ping_url = "https://127.0.0.1:1/x"'], ExitCode.UNAVAILABLE, "127.0.0.1:1 of alerts."),
        (['webhook_url = "hooks.example.com/x"'], ExitCode.CONFIGURATION, "begins with https://"),
        (['command = ["/nowhere/page"]'], ExitCode.CONFIGURATION, "/nowhere/page"),
        (
            [
                'email_to = ["a@example.com"]\nemail_from = "b@example.com"',
                'smtp_host = "127.0.0.1"\nsmtp_user = "ops"',
            ],
            ExitCode.CONFIGURATION,
            "alerts.smtp_password_file",
        ),
    ],
)
def test_a_way_to_people_that_is_not_whole_is_told(
    make_office: MakeOffice, options: list[str], code: ExitCode, words: str
) -> None:
    finding = found(make_office(alerts=options), "alerts")
    assert finding.exit_code is code
    assert words in finding.sentence


def test_a_port_of_the_status_page_that_a_stranger_has_is_told(
    make_office: MakeOffice, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    office = make_office(status=["enabled = true", f"port = {port}"])
    listener.close()
    assert found(office, "status page").sentence == f"127.0.0.1:{port} is free for it"
    with socket.create_server(("127.0.0.1", port)):
        finding = found(office, "status page")
    assert finding.exit_code is ExitCode.CONFIGURATION
    assert "name another host or port in [status]" in finding.sentence


def test_the_worker_s_own_page_is_no_stranger(
    make_office: MakeOffice, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    listener.close()
    office = make_office(status=["enabled = true", f"port = {port}"])
    office.authorize()
    with office.start() as worker:
        assert worker.stderr is not None
        while "status page" not in worker.stderr.readline():
            assert worker.poll() is None
        finding = found(office, "status page")
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
    assert finding.well
    assert "the worker serves it" in finding.sentence


SYSTEMCTL = """#!/bin/sh
case $2 in contact-sync.service) ;; *) LOAD=not-found ACTIVE=inactive FILE= ;; esac
printf 'Id=%s\\nLoadState=%s\\nActiveState=%s\\n' $2 $LOAD $ACTIVE
printf 'UnitFileState=%s\\n' $FILE
"""


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ("not-found inactive none", "contact-sync install-service"),
        ("loaded inactive disabled", "systemctl enable --now contact-sync.service"),
        ("loaded active disabled", "systemctl enable contact-sync.service"),
        ("loaded failed enabled", "journalctl -u contact-sync.service"),
        ("loaded active enabled", ""),
    ],
)
def test_what_systemd_says_of_the_service_is_told(
    office: Office, monkeypatch: pytest.MonkeyPatch, states: str, words: str
) -> None:
    program = office.folder / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{office.folder}{os.pathsep}{os.environ['PATH']}")
    for name, state in zip(("LOAD", "ACTIVE", "FILE"), states.split(), strict=True):
        monkeypatch.setenv(name, state)
    finding = found(office, "service")
    assert finding.exit_code is ExitCode.DONE
    assert finding.warning == bool(words)
    assert words in finding.sentence


def test_a_state_that_cannot_be_opened_stops_no_other_look(office: Office) -> None:
    for part in (office.folder / "state").glob("state.db*"):
        part.unlink()
    (office.folder / "state" / "state.db").write_bytes(b"no database" * 1000)
    assert found(office, "state").exit_code is ExitCode.STATE
    assert found(office, "columns").well
    assert office.run("check").code == ExitCode.STATE
