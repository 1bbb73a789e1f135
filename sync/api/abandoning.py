"""Waiting for an answer no longer than a stop allows.

A signal interrupts no read of Python's, and an answer may take as long as the time-out. So requests
are made in a thread of their own, which is left behind when a stop is asked for and the answer
doesn't come soon.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, TypeVar

from sync.stop import Stop

_T = TypeVar("_T")
_Waiting = SimpleQueue["tuple[Callable[[], Any], Future[Any]] | None"]

# How long an answer is waited for after a stop was asked for; a stop must end within 10 seconds.
PATIENCE = timedelta(seconds=5)
_LOOK_EVERY = timedelta(seconds=0.2)


class Abandoned(Exception):
    """A stop was asked for, and the answer had not come after `PATIENCE`."""


class RequestThread:
    """A thread for one request after another; it begins with the first.

    To start one for each request took a tenth of the request's time.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._waiting: _Waiting | None = None

    def close(self) -> None:
        """Let the thread end."""
        if self._waiting is not None:
            self._waiting.put(None)
            self._waiting = None

    def do(self, work: Callable[[], _T]) -> _T:
        """Do the work and return what it returns; raises Abandoned, or what the work raises."""
        if self._waiting is None:
            self._waiting = _started()
        answer: Future[_T] = Future()
        self._waiting.put((work, answer))
        left = PATIENCE
        while not wait([answer], _LOOK_EVERY.total_seconds()).done:
            if self._stop.requested:
                left -= _LOOK_EVERY
                if left <= timedelta(0):
                    self.close()
                    raise Abandoned
        return answer.result()


def _started() -> _Waiting:
    """What waits for a new thread."""
    waiting: _Waiting = SimpleQueue()
    threading.Thread(target=_work_off, args=[waiting], name="requests", daemon=True).start()
    return waiting


def _work_off(waiting: _Waiting) -> None:
    while (next_one := waiting.get()) is not None:
        _do(*next_one)
        # An import's body is large, and the next request may come late.
        del next_one


def _do(work: Callable[[], Any], answer: "Future[Any]") -> None:
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
        answer.set_exception(error)
