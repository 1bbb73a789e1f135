"""Telling systemd how the service stands: sd_notify(3)'s protocol, a datagram of lines.

Without systemd (no NOTIFY_SOCKET in the environment) every call does nothing.
"""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from threading import Lock
from time import CLOCK_MONOTONIC, clock_gettime_ns, monotonic

_MICROSECOND = timedelta(microseconds=1)
_LONGEST_STATUS = 200
# Whoever doesn't read what is told must not hold the work.
_PATIENCE = timedelta(seconds=5)


class ServiceManager:
    """The connection to the service manager that started this process."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        # Half of the watchdog's time, as sd_watchdog_enabled(3) advises.
        self._every = _watchdog_time(environment) / 2
        self._fed_at = -self._every.total_seconds()
        self._in_order = Lock()
        self._stopping = False

    def ready(self) -> None:
        """The service is up, or has taken in its new configuration."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The service reads its configuration again; `ready` ends that."""
        microseconds = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """The service ends; how its last runs go on is not told any more."""
        with self._in_order:
            self._stopping = True
            self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """What `systemctl status` shows in a line."""
        with self._in_order:
            if not self._stopping:
                self._tell(f"STATUS={' '.join(text.split())[:_LONGEST_STATUS]}")

    def alive(self) -> None:
        """Feed the watchdog; called as often as there is something that shows life."""
        now = monotonic()
        if self._every and now - self._fed_at >= self._every.total_seconds():
            self._fed_at = now
            self._tell("WATCHDOG=1")

    def _tell(self, lines: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is an abstract one.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
                datagram.settimeout(_PATIENCE.total_seconds())
                datagram.sendto(lines.encode(), address)
        except OSError:
            return  # nobody listens; that must not end the work


def _watchdog_time(environment: Mapping[str, str]) -> timedelta:
    """How long systemd waits for a sign of life; zero when it doesn't."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return timedelta(0)
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) * _MICROSECOND if text.isdecimal() else timedelta(0)
