"""The steps of a refresh, for those who watch one: tests that kill it, benchmarks that time it."""

from collections.abc import Callable
from enum import Enum


class Step(Enum):
    """What has just been done."""

    LOCKED = "the lock is held"
    READ = "the row was read under the lock"
    BEGUN = "the refresh is journalled"
    ANSWERED = "the endpoint's answer was read"
    STORED = "the new pair is in the database"
    RESCUED = "the new pair is in the rescue file"
    RELEASED = "the lock is free, the new token not used yet"


Observer = Callable[[Step], None]


def unobserved(_step: Step) -> None:
    """Nobody watches."""
