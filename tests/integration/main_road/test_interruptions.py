"""Kills, stops and the worker: whatever ends the program, the next run finishes its work."""

import json
import random
import re
import signal
import socket
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

KILLS = 10
PEOPLE = 2_000


@pytest.fixture
def busy_office(make_office: MakeOffice) -> Office:
    """One with many small imports to send."""
    office = make_office(api=["batch_contacts = 100"])
    office.authorize()
    office.contacts.write_text(
        "email,city\n" + "".join(f"p{n}@example.com,Town {n}\n" for n in range(PEOPLE))
    )
    return office


def test_after_kills_at_random_instants_the_account_equals_the_source(
    busy_office: Office, sandbox: Sandbox
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(milliseconds=200))
    for _ in range(KILLS):
        with busy_office.start("--run-now") as process:
            time.sleep(chance.uniform(0.8, 4.0))
            process.send_signal(signal.SIGKILL)
            process.communicate()
    done = busy_office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err

    people = sandbox.people.audience()
    assert set(people) == {f"p{n}@example.com" for n in range(PEOPLE)}
    assert all(person["lists"] == ["Customers"] for person in people.values())
    assert all(people[f"p{n}@example.com"]["home_city"] == f"Town {n}" for n in range(PEOPLE))
    sent = Counter(
        contact["email"] for entry in busy_office.imports() for contact in entry.body["import_data"]
    )
    # A batch may be sent again after a kill in the instant of its posting, never a third time.
    assert max(sent.values()) <= 2
    quiet = len(busy_office.imports())
    assert busy_office.run("--run-now").code == ExitCode.DONE
    assert len(busy_office.imports()) == quiet


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_after_the_request_in_flight_and_says_what_is_left(
    busy_office: Office, sandbox: Sandbox, ending: signal.Signals
) -> None:
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(minutes=10))
    process = busy_office.start("--run-now")
    while not busy_office.imports():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(ending)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.BUSY
    assert "outbox" in err
    assert "Traceback" not in err
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(0))
    sandbox.advance(timedelta(minutes=11))
    done = busy_office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert len(sandbox.people.audience()) == PEOPLE


def test_the_worker_starts_logs_one_object_a_line_and_stops_in_peace(office: Office) -> None:
    process = office.start()
    assert process.stderr is not None
    started = json.loads(process.stderr.readline())
    assert started["event"] == "worker started"
    assert started["next_run"]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.DONE
    assert all(json.loads(line) for line in err.splitlines())


def test_the_demo_runs_twice_in_a_row_and_leaves_no_server(make_office: MakeOffice) -> None:
    office = make_office()
    for _ in range(2):
        done = office.run("demo", "--folder", str(office.folder / "demo"))
        assert done.code == ExitCode.DONE, done.err
        (port,) = re.findall(r"It runs at http://127\.0\.0\.1:(\d+),", done.out)
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
    for scene in ("authorize --no-browser", "check", "--dry-run", "--run-now", "status"):
        assert f"$ python main.py --config contact-sync.toml {scene}" in done.out
    assert "298 contacts sent, 0 unchanged, 2 rejected." in done.out
    (reports,) = re.findall(r"^Reports:  (\S+)", done.out, re.MULTILINE)
    assert len(list(Path(reports).glob("*.html"))) == 3
    assert "[ Allow ]" in done.out
    assert "2 contacts sent, 295 unchanged" in done.out
    assert "To go live" in done.out
    (office.folder / "other").mkdir()
    refused = office.run("demo", "--folder", str(office.folder / "other"))
    assert refused.code == ExitCode.USAGE
