"""The sandbox's own time, which tests can move.

Everything that the real service dates by its wall clock (tokens, codes, activities, the quota's
day, `updated_at`) asks this clock. The pace limits do not: they protect against too many requests
in a real second, and use the machine's monotonic time.
"""

from __future__ import annotations

import functools
import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus an offset, or a frozen instant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = 0.0
        self._frozen: float | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._frozen if self._frozen is not None else time.time() + self._offset

    def now_ms(self) -> int:
        """Milliseconds since the epoch, the precision of the service's timestamps."""
        return int(self.now() * 1000)

    def set(self, instant: datetime) -> None:
        """Jump to an instant; time goes on from there."""
        with self._lock:
            self._frozen = None
            self._offset = instant.timestamp() - time.time()

    def advance(self, by: timedelta) -> None:
        """Jump forward (or back)."""
        with self._lock:
            if self._frozen is not None:
                self._frozen += by.total_seconds()
            else:
                self._offset += by.total_seconds()

    def freeze(self, instant: datetime | None = None) -> None:
        """Stand still at an instant, or now."""
        moment = self.now() if instant is None else instant.timestamp()
        with self._lock:
            self._frozen = moment

    def reset(self) -> None:
        """Return to real time."""
        with self._lock:
            self._frozen, self._offset = None, 0.0


@functools.lru_cache(maxsize=4096)
def iso(ms: int) -> str:
    """A timestamp as the contract's examples write it: 2016-01-23T13:48:44.108Z."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def from_iso(text: str) -> int:
    """Milliseconds of an ISO-8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
