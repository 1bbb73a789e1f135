"""Serving the page from a thread of the worker."""

import ipaddress
import logging
import socket
import threading
from typing import Any

import structlog
from waitress import wasyncore
from waitress.server import create_server

from sync.clock import Clock, utc_now
from sync.errors import ConfigurationError
from sync.status.page import application
from sync.status.watched import Watched

_THREADS = 2
_LOOK_SECONDS = 1.0  # between two looks for connections that have been idle too long
_log = structlog.get_logger()


class StatusServer:
    """Listens from the beginning; serves from `start` until `stop`."""

    def __init__(self, watched: Watched, clock: Clock = utc_now) -> None:
        """Raises ConfigurationError when the address is in use or none of this machine's."""
        status = watched.settings().status
        hosts = frozenset({"127.0.0.1", "localhost", "[::1]"})
        if not _is_loopback(status.host):
            hosts = frozenset(status.host_names)
        try:
            family = socket.AF_INET6 if ":" in status.host else socket.AF_INET
            listening = socket.create_server((status.host, status.port), family=family)
        except OSError as error:
            raise ConfigurationError(
                f"The status page can't listen on {status.host}:{status.port}: "
                f"{error.strerror}; name another in [status]."
            ) from None
        self.port: int = listening.getsockname()[1]
        # It tells of clients that hang up; what goes wrong here is answered in a sentence.
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        self._sockets: dict[int, Any] = {}
        self._server: Any = create_server(
            application(watched, hosts, clock),
            map=self._sockets,
            sockets=[listening],
            threads=_THREADS,
            ident=None,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="status", daemon=True)

    def start(self) -> None:
        """Answer requests."""
        self._thread.start()
        _log.info("status page", port=self.port)

    def stop(self) -> None:
        """Stop answering."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.pull_trigger()
            self._thread.join(timeout=5)
        answering = self._server.task_dispatcher
        answering.shutdown()
        # Not while a thread waits for them or may write to one: its number may be another file's.
        if not (self._thread.is_alive() or answering.threads):
            wasyncore.close_all(self._sockets, ignore_all=True)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            wasyncore.poll2(_LOOK_SECONDS, self._sockets)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
