"""What a person is told, and whether it is told now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sync.state.troubles import Told


class Topic(StrEnum):
    """What an alert is about; of each topic one trouble at a time is told."""

    SYNC = "sync"
    PAIR = "pair"
    CONFIG = "config"
    TEST = "test"


class Kind(StrEnum):
    """The first word of a trouble, a reminder of it, its end, or a test."""

    FIRST = "first"
    REMINDER = "reminder"
    RECOVERY = "recovery"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: `cause` tells one trouble from another, `text` is for a person."""

    topic: Topic
    cause: str
    text: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to people."""

    kind: Kind
    topic: Topic
    account: str
    text: str
    since: datetime
    host: str
    report: str = ""

    @property
    def title(self) -> str:
        """The message in a line."""
        return f"contact-sync {self.account}: {_TITLES[self.kind]}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The whole message, a paragraph a line."""
        since = f"{self.since:%Y-%m-%d %H:%M} UTC"
        when = f"It began at {since}." if self.kind in _GOES_ON else ""
        more = f"The report of the run: {self.report} on {self.host}." if self.report else ""
        where = f"This comes from contact-sync on {self.host}, account {self.account}."
        return tuple(line for line in (self.text, when, more, where) if line)


_TITLES = {
    Kind.FIRST: "a person is needed",
    Kind.REMINDER: "a person is still needed",
    Kind.RECOVERY: "all is well again",
    Kind.TEST: "a test",
}
_GOES_ON = (Kind.REMINDER, Kind.RECOVERY)


def due(
    trouble: Trouble | None, told: Told | None, now: datetime, remind_every: timedelta
) -> Kind | None:
    """What people must be told of a topic now; None when they know all there is."""
    if trouble is None:
        return Kind.RECOVERY if told else None
    if told is None or told.cause != trouble.cause:
        return Kind.FIRST
    # Looks are a day apart but for the minutes that a run takes: else every third day were the
    # fourth now and then.
    return Kind.REMINDER if now - told.last_told_at >= remind_every * 0.95 else None
