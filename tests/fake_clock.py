"""A clock that tests move."""

from datetime import datetime, timedelta

from sync.clock import utc_now


class FakeClock:
    """The true time, plus what it was advanced by."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.offset

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.offset += by
