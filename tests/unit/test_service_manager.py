"""What systemd is told: datagrams on the socket that it names."""

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sync import service_manager
from sync.service_manager import ServiceManager


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(listener: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listener.recv(4096).decode())
        except BlockingIOError:
            return found


def manager(listener: socket.socket, **environment: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": listener.getsockname(), **environment})


def test_each_state_is_told_in_a_datagram_of_its_own(listener: socket.socket) -> None:
    told = manager(listener)
    told.ready()
    told.reloading()
    told.status("Syncing:\nstep 1")
    told.stopping()
    ready, reloading, status, stopping = heard(listener)
    assert (ready, stopping, status) == ("READY=1", "STOPPING=1", "STATUS=Syncing: step 1")
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_a_run_that_goes_on_while_the_service_stops_tells_no_step(listener: socket.socket) -> None:
    told = manager(listener, WATCHDOG_USEC="1000000")
    told.stopping()
    told.status("Syncing: step 1")
    told.alive()
    assert heard(listener) == ["STOPPING=1", "WATCHDOG=1"]


def test_an_abstract_socket_is_found(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = f"contact-sync-{os.getpid()}"
        listening.bind(f"\0{name}")
        listening.setblocking(False)
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(listening) == ["READY=1"]


def test_nothing_happens_without_systemd_or_when_nobody_listens(tmp_path: Path) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()


def test_the_watchdog_is_fed_at_once_and_then_at_half_of_its_time(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 110.0, 129.9, 130.0, 131.0])
    monkeypatch.setattr("sync.service_manager.monotonic", lambda: next(times))
    usec = str(timedelta(seconds=60) // timedelta(microseconds=1))
    fed = manager(listener, WATCHDOG_USEC=usec, WATCHDOG_PID=str(os.getpid()))
    for _ in range(5):
        fed.alive()
    assert heard(listener) == ["WATCHDOG=1"] * 2


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_a_watchdog_that_is_not_there_or_another_s_is_not_fed(
    listener: socket.socket, environment: dict[str, str]
) -> None:
    manager(listener, **environment).alive()
    assert heard(listener) == []


def test_who_does_not_listen_does_not_hold_the_work(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_manager, "_PATIENCE", timedelta(seconds=0.001))
    told = manager(listener)
    for _ in range(1_000):  # more than the kernel keeps for a reader
        told.status("Syncing")
    assert 0 < len(heard(listener)) < 1_000
