"""One real worker with many accounts: what one of them does is nothing to the others."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from tests.agency import Agency
from tests.bench.many_accounts import agency_of, measure
from tests.integration.many_accounts.conftest import MakeAgency

MEGABYTE = 1024  # in the kilobytes of /proc


class Running:
    """A worker that runs, its log and what it told systemd."""

    def __init__(self, agency: Agency, folder: Path) -> None:
        self._file = folder / "log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._told: list[str] = []
        agency.environment |= {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "60000000",
        }
        self.process: subprocess.Popen[str] = agency.start(log=self._file)

    @property
    def log(self) -> list[dict[str, str]]:
        lines = self._file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def told(self) -> list[str]:
        try:
            while True:
                self._told.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return self._told

    def wait(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        # Whoever tells systemd waits until it reads.
        while self.told is None or not what():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, (self.log, self.told)
            time.sleep(0.05)

    def events(self, name: str) -> set[str]:
        """The accounts of which the log tells so."""
        return {entry.get("account", "") for entry in self.log if entry["event"] == name}

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._socket.close()


Work = Callable[[Agency], Running]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with ExitStack() as ending:

        def start(agency: Agency) -> Running:
            running = Running(agency, tmp_path)
            ending.callback(running.end)
            running.wait(lambda: "READY=1" in running.told)
            return running

        yield start


def test_an_account_that_hangs_takes_one_thread_and_the_others_go_on(
    make_agency: MakeAgency, work: Work, sandbox: Sandbox
) -> None:
    names = [f"n{number}" for number in range(4)]
    agency = make_agency(*names, worker="parallel_runs = 2")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        # A service that takes the connection and never says a word.
        port = silent.getsockname()[1]
        agency.has("hung", api=f'base_url = "http://127.0.0.1:{port}/v3"\ntimeout = 600')
        agency.authorize("hung")
        worker = work(agency)
        worker.send(signal.SIGUSR1)
        worker.wait(lambda: worker.events("sync begins") == {*names, "hung"})
        worker.wait(lambda: worker.events("sync done") == {*names})
        worker.send(signal.SIGUSR1)
        worker.wait(lambda: "hung" in worker.events("a sync is under way already"))
        worker.wait(lambda: len([e for e in worker.log if e["event"] == "sync done"]) > len(names))
        assert any("Syncing 1 of 5 accounts: hung" in line for line in worker.told)
        assert "WATCHDOG=1" in worker.told
    assert len(list(sandbox.people.audience())) == 4


def test_a_broken_file_is_told_and_the_others_are_synced(
    make_agency: MakeAgency, work: Work, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    agency = make_agency("north", alerts=f'command = ["sh", "-c", "cat >> {told}; echo >> {told}"]')
    agency.has("south", guard="no_such = 1")
    worker = work(agency)
    worker.send(signal.SIGUSR1)
    worker.wait(lambda: worker.events("sync done") == {"north"})
    worker.wait(told.exists)
    worker.wait(lambda: told.read_text().endswith("\n"))
    (alert,) = map(json.loads, told.read_text().splitlines())
    assert alert["account"] == "south"
    assert "guard.no_such is not an option" in alert["text"]
    worker.wait(lambda: "for 1 accounts a person is needed" in "".join(worker.told[-3:]))


def test_a_reload_takes_in_new_accounts_leaves_removed_ones_and_keeps_what_a_broken_file_said(
    make_agency: MakeAgency, work: Work, sandbox: Sandbox
) -> None:
    agency = make_agency("kept", "left", "broken")
    worker = work(agency)
    agency.has("new")
    agency.authorize("new")
    agency.has("kept", schedule='time = "05:55"')
    agency.has("broken", lists="names = 5")
    (agency.folder / "left.toml").unlink()
    worker.send(signal.SIGHUP)
    worker.wait(lambda: worker.told.count("READY=1") == 2)
    assert worker.events("account left") == {"left"}
    worker.wait(lambda: "broken" in worker.events("configuration refused"))
    planned = {entry["account"]: entry["at"] for entry in worker.log if "at" in entry}
    assert planned["kept"].endswith("05:55:00+00:00")
    worker.send(signal.SIGUSR1)
    worker.wait(lambda: worker.events("sync done") == {"kept", "new", "broken"})
    assert "left.0@example.com" not in sandbox.people.audience()
    agency.has("broken")
    worker.send(signal.SIGHUP)
    worker.wait(lambda: any("is right again" in entry.get("text", "") for entry in worker.log))


def test_the_page_tells_a_new_configuration_as_soon_as_it_is_taken_in(
    make_agency: MakeAgency, work: Work
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    agency = make_agency("one", "other", status=f"enabled = true\nport = {port}")
    worker = work(agency)

    def page() -> str:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=10).text

    worker.wait(lambda: "All is well with 2 accounts" in page())
    agency.has("one", state='directory = "elsewhere"')
    worker.send(signal.SIGHUP)
    worker.wait(lambda: "There is no token pair yet" in page())
    assert "of 2 accounts" in page()


def test_a_stop_ends_all_runs_in_peace(
    make_agency: MakeAgency, work: Work, sandbox: Sandbox
) -> None:
    names = [f"n{number}" for number in range(6)]
    agency = make_agency(*names, worker="parallel_runs = 3")
    sandbox.add_fault(Fault("slow", path="/v3/*", delay=60))
    worker = work(agency)
    worker.send(signal.SIGUSR1)
    worker.wait(lambda: len(worker.events("step begins")) == 3)
    worker.send(signal.SIGTERM)
    assert worker.process.wait(60) == ExitCode.DONE
    assert len(worker.events("sync stopped")) == 3
    assert worker.told[-1] == "STOPPING=1"


def test_five_hundred_accounts_wait_in_less_than_300_mb(tmp_path: Path) -> None:
    agency = agency_of(500, tmp_path / "config")
    _, then, once_all_were_looked_at = measure(agency, tmp_path)
    assert max(then, once_all_were_looked_at) < 300 * MEGABYTE
