"""A request to stop, from a signal or a person, and every pause that must hear it."""

import signal
import threading
from datetime import timedelta
from types import FrameType

from sync.errors import StopRequested


class Stop:
    """Asked between steps and slept on in pauses: a stop takes effect within one request."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask the run to stop; may be called from a signal handler or another thread."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self) -> None:
        """Wait until a stop is asked for."""
        self._event.wait()

    def check(self) -> None:
        """Raise StopRequested when a stop was asked for."""
        if self._event.is_set():
            raise StopRequested(
                "The run was asked to stop; the next run goes on where this one stopped."
            )

    def sleep(self, pause: timedelta) -> None:
        """Wait; raises StopRequested as soon as a stop is asked for."""
        self._event.wait(max(0.0, pause.total_seconds()))
        self.check()


def stop_on_signals(stop: Stop) -> None:
    """Let SIGTERM and SIGINT ask for a stop; the second one ends the process at once."""

    def ask(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.request()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
