"""Stops and the worker: whatever ends the program, the next run finishes its work."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sync.cli.demo import command as demo
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import IMPORTS, Office

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
    left = re.search(
        r"So far 0 contacts are confirmed; ([\d,]+) are sent and not confirmed yet, ([\d,]+) are "
        r"not sent yet\.",
        err,
    )
    assert left, err
    sent, waiting = (int(number.replace(",", "")) for number in left.groups())
    assert (sent > 0, sent + waiting) == (True, PEOPLE)
    assert "Traceback" not in err
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(0))
    sandbox.advance(timedelta(minutes=11))
    done = busy_office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert len(sandbox.people.audience()) == PEOPLE


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stop_does_not_wait_for_a_slow_answer_and_loses_nothing(
    busy_office: Office, sandbox: Sandbox, method: str
) -> None:
    # Longer than the request's own time-out, and than this test waits.
    path = IMPORTS if method == "POST" else "/v3/activities/*"
    sandbox.add_fault(Fault("slow", path=path, method=method, delay=300))
    busy_office.configure(
        api="\n".join([*busy_office.options["api"], "timeout = 600"]),
    )
    process = busy_office.start("--run-now")
    while not sandbox.world.faults.waiting()[0][2]:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.BUSY, err
    assert "are not sent yet." in err
    sandbox.clear_faults()
    done = busy_office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    sent = Counter(
        contact["email"] for entry in busy_office.imports() for contact in entry.body["import_data"]
    )
    assert (len(sent), max(sent.values())) == (PEOPLE, 1)


def test_a_stop_is_heard_while_another_run_is_waited_for(office: Office) -> None:
    settings = load_settings(office.config)
    with open_store(settings) as store, store.locks.hold("default.run", wait=timedelta(0)):
        process = office.start("--run-now", "--wait", "10")
        while not _catches(process.pid, signal.SIGTERM):
            time.sleep(0.05)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=2)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.BUSY
    assert "asked to stop" in err


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal by now: proc(5), SigCgt."""
    caught = re.search(r"SigCgt:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    assert caught
    return bool(int(caught[1], 16) >> (number - 1) & 1)


def test_the_worker_starts_logs_one_object_a_line_and_stops_in_peace(office: Office) -> None:
    process = office.start()
    assert process.stderr is not None
    started = json.loads(process.stderr.readline())
    assert started["event"] == "worker started"
    planned = json.loads(process.stderr.readline())
    assert planned["event"] == "next sync"
    assert planned["at"]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.DONE
    assert all(json.loads(line) for line in err.splitlines())


def test_the_demo_runs_twice_in_a_row_and_leaves_no_server(
    make_office: MakeOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make_office()
    # The first time in this process, where the requests of its commands are recorded.
    monkeypatch.setenv("NO_PROXY", os.environ.get("NO_PROXY", ""))
    monkeypatch.setenv("no_proxy", os.environ.get("no_proxy", ""))
    demo(office.folder / "demo")
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
