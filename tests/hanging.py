"""A sync that hangs in a worker of this process, while hours pass at once."""

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

from sync import charge
from sync.service_manager import ServiceManager
from tests.integration.alerts.conftest import Posts

_HOURS = 2 * 3600
_ROUNDS = 3
_PATIENCE_SECONDS = 60
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Hanging:
    """Lets a worker sync, time pass once a sync waits for `service`, and the worker end.

    `service` takes a connection and never says a word; `manager` is what the worker tells.
    """

    def __init__(self, folder: Path, posts: Posts, monkeypatch: pytest.MonkeyPatch) -> None:
        self._posts = posts
        self._passed = 0
        monkeypatch.setattr(charge, "monotonic", lambda: monotonic() + self._passed)
        self.service = socket.create_server(("127.0.0.1", 0))
        self.service.settimeout(_PATIENCE_SECONDS)
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(folder / "notify"))
        self._told.settimeout(_PATIENCE_SECONDS)
        self.manager = ServiceManager(
            {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "2"}
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.getsockname()[1]}/v3"

    def serve(self, worker: Callable[[], None], others_done: Callable[[], bool]) -> None:
        """Run the worker in this thread until people were told, and its pulse went on."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        failed: list[BaseException] = []

        def watch() -> None:
            try:
                self._watch(others_done)
            except BaseException as error:  # noqa: BLE001 (raised in the test's own thread)
                failed.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            worker()
        finally:
            watching.join()
            self._told.close()
            self.service.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        if failed:
            raise failed[0]

    def _watch(self, others_done: Callable[[], bool]) -> None:
        self._hear("READY=1")
        os.kill(os.getpid(), signal.SIGUSR1)
        with closing(self.service.accept()[0]):
            _wait(others_done)
            self._passed = _HOURS
            _wait(lambda: bool(self._posts.alerts))
            for _ in range(_ROUNDS):
                self._hear("WATCHDOG=1")
        self.service.close()

    def _hear(self, line: str) -> None:
        while line not in self._told.recv(4096).decode().splitlines():
            pass


def _wait(what: Callable[[], bool]) -> None:
    deadline = monotonic() + _PATIENCE_SECONDS
    while not what():
        assert monotonic() < deadline
        sleep(0.05)
