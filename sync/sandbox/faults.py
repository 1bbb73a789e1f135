"""Faults on demand: what a network, a gateway or a bad day can do to a request.

A fault waits in the book until a request matches it. It then plays in place of the true answer
(`before` the work), or after the work was done, so that a client can be tested against answers
that were lost although the work was not.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
import threading
from dataclasses import dataclass, replace
from typing import Literal, get_args

Kind = Literal["status", "drop", "reset", "cut", "html", "empty", "slow", "slow-body", "garbage"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    `kind` is what happens: an answer of this `status`; the connection is dropped (`drop`: closed,
    `reset`: with a TCP reset) or `cut` in the middle of the true answer; an `html` page, an `empty`
    body or `garbage` in place of JSON; the true answer comes `slow` (after `delay` seconds) or
    its body trickles (`slow-body`, over `delay` seconds).
    """

    kind: Kind
    path: str = "*"
    """A pattern with * and ?, compared with the request's path, such as /v3/activities/*."""
    method: str = "*"
    query: str = "*"
    holds: str = ""
    """Hit only requests whose body holds this text, such as one contact's address."""
    status: int = 503
    after_work: bool = False
    """Do the work first, then play the fault in place of the answer."""
    count: int | None = None
    """How many times; None: for ever."""
    skip: int = 0
    """How many matching requests pass before the first one is hit."""
    share: float = 1.0
    """Which share of the matching requests is hit."""
    pattern: str = ""
    """Which matching requests are hit, in turn, as in "x.x" (hit, pass, hit), repeated."""
    delay: float = 0.0
    body: str | None = None
    """The answer's body, word for word; None: the envelope that belongs to the status."""
    error_key: str | None = None
    error_message: str | None = None
    shape: Literal["list", "object", "message", "oauth"] | None = None
    retry_after: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for what would never play, or not as it was meant."""
        if self.kind not in get_args(Kind):
            raise ValueError(f"a fault's kind is one of {', '.join(get_args(Kind))}")
        if not 100 <= self.status <= 599:
            raise ValueError("a fault's status is 100 to 599")
        if not 0 <= self.share <= 1:
            raise ValueError("a fault's share is 0 to 1")
        if set(self.pattern) - set("xX1.-0 "):
            raise ValueError("a fault's pattern has an x for each hit and a . for each pass")


@dataclass(slots=True)
class _Waiting:
    number: int
    fault: Fault
    seen: int = 0
    played: int = 0


class FaultBook:
    """The faults that wait; the first that matches a request is played on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count(1)
        self._random = random.Random(20160123)  # noqa: S311 (repeatable on purpose)

    def add(self, fault: Fault) -> int:
        """Let a fault wait; return the number by which it can be removed."""
        with self._lock:
            number = next(self._numbers)
            named = replace(fault, name=fault.name or f"{fault.kind} #{number}")
            self._waiting.append(_Waiting(number, named))
            return number

    def remove(self, number: int) -> bool:
        with self._lock:
            before = len(self._waiting)
            self._waiting = [waiting for waiting in self._waiting if waiting.number != number]
            return len(self._waiting) < before

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[tuple[int, Fault, int]]:
        """(number, fault, how often it was played), in the order of their adding."""
        with self._lock:
            return [(waiting.number, waiting.fault, waiting.played) for waiting in self._waiting]

    def take(self, method: str, path: str, query: str, body: bytes = b"") -> Fault | None:
        """The fault to play on this request, if any."""
        with self._lock:
            for waiting in self._waiting:
                if self._hits(waiting, method, path, query, body):
                    waiting.played += 1
                    if waiting.fault.count is not None and waiting.played >= waiting.fault.count:
                        self._waiting.remove(waiting)
                    return waiting.fault
        return None

    def _hits(self, waiting: _Waiting, method: str, path: str, query: str, body: bytes) -> bool:
        fault = waiting.fault
        if not (
            fnmatch.fnmatchcase(path, fault.path)
            and fnmatch.fnmatchcase(method, fault.method.upper())
            and fnmatch.fnmatchcase(query, fault.query)
            and fault.holds.encode() in body
        ):
            return False
        waiting.seen += 1
        turn = waiting.seen - fault.skip - 1
        if turn < 0:
            return False
        if fault.pattern:
            return fault.pattern[turn % len(fault.pattern)] in "xX1"
        return fault.share >= 1.0 or self._random.random() < fault.share
