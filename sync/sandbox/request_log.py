"""What was asked of the sandbox: every request, in order, readable by tests and by people."""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer's status; a status of 0 means that no answer was sent."""

    number: int
    at: float
    """Arrival, real time, seconds since the epoch."""
    seconds: float
    method: str
    path: str
    query: str
    status: int
    request_bytes: int
    answer_bytes: int
    content_type: str
    application: str | None
    """The client_id that the request spoke for, as far as it could be told."""
    account: str | None
    fault: str | None
    """The name of the fault that was played on this request."""
    raw_body: bytes | None
    """The request's body, unless it grew too old (see `request_log_bytes`)."""

    @property
    def body(self) -> Any:
        """The body as JSON, or None where it is none."""
        if not self.raw_body or "json" not in self.content_type:
            return None
        try:
            return json.loads(self.raw_body)
        except ValueError:
            return None

    @property
    def form(self) -> dict[str, str]:
        """The body of a form post (the token endpoint's)."""
        if not self.raw_body or "urlencoded" not in self.content_type:
            return {}
        return dict(parse_qsl(self.raw_body.decode("utf-8", "replace"), keep_blank_values=True))

    def as_json(self, *, with_body: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "number": self.number,
            "at": self.at,
            "seconds": self.seconds,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "request_bytes": self.request_bytes,
            "answer_bytes": self.answer_bytes,
            "content_type": self.content_type,
            "application": self.application,
            "account": self.account,
            "fault": self.fault,
        }
        if with_body:
            shown["body"] = self.body if self.body is not None else (self.form or None)
        return shown


class RequestLog:
    """Keeps the last entries, and the bodies of as many of them as its budget allows."""

    def __init__(self, entries: int, body_bytes: int) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=entries)
        self._bodies: deque[tuple[int, bytes]] = deque()
        self._kept: dict[int, bytes] = {}
        self._held = 0
        self._budget = body_bytes
        self._numbers = itertools.count(1)

    def add(
        self,
        *,
        at: float,
        seconds: float,
        method: str,
        path: str,
        query: str,
        status: int,
        answer_bytes: int,
        content_type: str,
        application: str | None,
        account: str | None,
        fault: str | None,
        body: bytes,
    ) -> None:
        with self._lock:
            number = next(self._numbers)
            self._entries.append(
                Entry(
                    number=number,
                    at=at,
                    seconds=seconds,
                    method=method,
                    path=path,
                    query=query,
                    status=status,
                    request_bytes=len(body),
                    answer_bytes=answer_bytes,
                    content_type=content_type,
                    application=application,
                    account=account,
                    fault=fault,
                    raw_body=None,
                )
            )
            if body:
                self._kept[number] = body
                self._bodies.append((number, body))
                self._held += len(body)
                while self._held > self._budget and self._bodies:
                    old, dropped = self._bodies.popleft()
                    self._held -= len(dropped)
                    del self._kept[old]

    def entries(self, *, since: int = 0) -> list[Entry]:
        """All entries after a number, oldest first."""
        with self._lock:
            return [
                replace(entry, raw_body=self._kept.get(entry.number))
                for entry in self._entries
                if entry.number > since
            ]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bodies.clear()
            self._kept.clear()
            self._held = 0
