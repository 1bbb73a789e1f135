"""Waiting for an answer no longer than a stop allows.

A signal interrupts no read of Python's, and an answer may take as long as the time-out. So a
request is made in a thread of its own, which is left behind when a stop is asked for and the answer
doesn't come soon.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import timedelta
from typing import TypeVar

from sync.stop import Stop

_T = TypeVar("_T")

# How long an answer is waited for after a stop was asked for; a stop must end within 10 seconds.
PATIENCE = timedelta(seconds=5)
_LOOK_EVERY = timedelta(seconds=0.2)


class Abandoned(Exception):
    """A stop was asked for, and the answer had not come after `PATIENCE`."""


def unless_stopped(work: Callable[[], _T], stop: Stop) -> _T:
    """Do the work and return what it returns; raises Abandoned, or what the work raises."""
    answer: Future[_T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
            answer.set_exception(error)

    threading.Thread(target=run, name="request", daemon=True).start()
    left = PATIENCE
    while not wait([answer], _LOOK_EVERY.total_seconds()).done:
        if stop.requested:
            left -= _LOOK_EVERY
            if left <= timedelta(0):
                raise Abandoned
    return answer.result()
