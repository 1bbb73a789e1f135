"""The real worker under a stand-in for systemd: what it is told, and what signals do."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.office import Office


class Systemd:
    """Starts the worker as a service of Type=notify, and hears what it says."""

    def __init__(self, office: Office, folder: Path) -> None:
        self.told: list[str] = []
        self.log: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = str(folder / "notify")
        self._socket.bind(address)
        self._socket.settimeout(0.1)
        office.environment |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"}
        self.process = office.start()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._hear), threading.Thread(target=self._read)]
        for thread in self._threads:
            thread.start()

    def wait(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, (self.told, self.log)
            time.sleep(0.02)

    def event(self, name: str) -> bool:
        return any(entry["event"] == name for entry in self.log)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        return code

    def _hear(self) -> None:
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except TimeoutError:
                if self._over.is_set():
                    return

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(json.loads(line) for line in self.process.stderr)


@pytest.fixture
def systemd(office: Office, tmp_path: Path) -> Iterator[Systemd]:
    started = Systemd(office, tmp_path)
    started.wait(lambda: "READY=1" in started.told)
    yield started
    started.stop()


def test_systemd_is_told_all_that_goes_on(systemd: Systemd, sandbox: Sandbox) -> None:
    assert systemd.told[0].startswith("STATUS=Next sync at ")
    systemd.wait(lambda: "WATCHDOG=1" in systemd.told)
    systemd.process.send_signal(signal.SIGUSR1)
    systemd.wait(lambda: systemd.event("sync done"))
    assert list(sandbox.people.audience()) == ["ada@example.com"]
    assert "STATUS=Syncing: Reading and checking the source" in systemd.told
    systemd.wait(lambda: systemd.told[-1].startswith("STATUS=Next sync at "))
    assert systemd.stop() == ExitCode.DONE
    assert systemd.told[-1] == "STOPPING=1"


def test_a_new_configuration_is_taken_in_by_a_signal(systemd: Systemd, office: Office) -> None:
    office.configure(schedule='time = "23:59"\ntime_zone = "Asia/Tokyo"')
    systemd.process.send_signal(signal.SIGHUP)
    systemd.wait(lambda: systemd.told.count("READY=1") == 2)
    assert [line for line in systemd.told if "Next sync" in line][-1].count(" 23:59 JST") == 1
    office.configure(schedule='time = "25:00"')
    systemd.process.send_signal(signal.SIGHUP)
    systemd.wait(lambda: systemd.told.count("READY=1") == 3)
    (refused,) = [entry for entry in systemd.log if "refused" in entry["event"]]
    assert "schedule.time" in refused["reason"]
    assert [line for line in systemd.told if "Next sync" in line][-1].count(" 23:59 JST") == 1


def test_a_sync_by_hand_beside_the_worker_is_none_of_its_errors(
    systemd: Systemd, office: Office
) -> None:
    assert office.run("--run-now").code == ExitCode.DONE
    systemd.process.send_signal(signal.SIGUSR1)
    systemd.wait(lambda: systemd.event("sync done"))
