"""When to ask how far an activity is: at once, then ever less often, each in its own rhythm.

One rhythm for all would start anew with whatever ends, and ask for the others too often: each
question costs a request of the day's quota.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

FIRST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(minutes=2)


class Polling:
    """The next question about each of several activities."""

    def __init__(self) -> None:
        self._next: dict[int, tuple[datetime, timedelta]] = {}

    def due(self, activity: int, now: datetime) -> bool:
        """Whether to ask now; it is taken as asked then."""
        at, pause = self._next.get(activity, (now, FIRST_PAUSE))
        if now < at:
            return False
        self._next[activity] = (now + pause, min(pause * 2, LONGEST_PAUSE))
        return True

    def until_next(self, activities: Iterable[int], now: datetime) -> timedelta:
        """How long until one of them is to be asked for."""
        return min(self._next[each][0] for each in activities) - now

    def forget(self, activity: int) -> None:
        """It has ended; what goes under its number from now on is another."""
        self._next.pop(activity, None)
