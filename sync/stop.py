"""A request to stop, from a signal or a person, and every pause that must hear it."""

import threading
from datetime import timedelta

from sync.errors import StopRequested


class Stop:
    """Asked between steps and slept on in pauses: a stop takes effect within one request."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask the run to stop; may be called from a signal handler or another thread."""
        self._event.set()

    def wait(self) -> None:
        """Wait until a stop is asked for."""
        self._event.wait()

    def check(self) -> None:
        """Raise StopRequested when a stop was asked for."""
        if self._event.is_set():
            raise StopRequested(
                "The run was asked to stop; what is left waits in the outbox for the next run."
            )

    def sleep(self, pause: timedelta) -> None:
        """Wait; raises StopRequested as soon as a stop is asked for."""
        self._event.wait(max(0.0, pause.total_seconds()))
        self.check()
