"""How much one application may ask: a pace, and a quota for each UTC day.

4 requests a second and 10,000 a day for each application, over all its accounts; the day ends at
00:00 UTC (the vendor's page on rate limits). The token endpoint takes one call a second (a support
answer in the vendor's forum).
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from datetime import UTC, datetime
from enum import Enum

from sync.sandbox.clock import Clock
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings


class Verdict(Enum):
    """What becomes of a call."""

    ADMITTED = "admitted"
    THROTTLED = "throttled"
    QUOTA_EXCEEDED = "quota_exceeded"


class Limits:
    """Counts calls for each application. The caller holds the world's lock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._recent: dict[str, deque[float]] = defaultdict(deque)

    def admit_api_call(self, client_id: str, settings: SandboxSettings) -> Verdict:
        """Count one call of the API and say whether it may go on."""
        if settings.requests_per_day is not None:
            used = self.used_today(client_id)
            if used >= settings.requests_per_day:
                if settings.refused_calls_count:
                    self._count(client_id)
                return Verdict.QUOTA_EXCEEDED
        if not self._within_pace(f"api {client_id}", settings.requests_per_second):
            if settings.refused_calls_count:
                self._count(client_id)
            return Verdict.THROTTLED
        self._count(client_id)
        return Verdict.ADMITTED

    def admit_token_call(self, client_id: str, settings: SandboxSettings) -> Verdict:
        """Count one call of the token endpoint."""
        if not self._within_pace(f"token {client_id}", settings.token_calls_per_second):
            return Verdict.THROTTLED
        if settings.token_calls_count:
            self._count(client_id)
        return Verdict.ADMITTED

    def used_today(self, client_id: str) -> int:
        sql = "SELECT calls FROM quota WHERE client_id = ? AND day = ?"
        return int(self._database.value(sql, (client_id, self._today())) or 0)

    def set_used_today(self, client_id: str, calls: int) -> None:
        """Pretend that so many calls were made today."""
        sql = "INSERT OR REPLACE INTO quota (client_id, day, calls) VALUES (?, ?, ?)"
        self._database.run(sql, (client_id, self._today(), calls))

    def forget_pace(self) -> None:
        """Let the next call through at once."""
        self._recent.clear()

    def _within_pace(self, key: str, per_second: int | None) -> bool:
        if per_second is None:
            return True
        now = time.monotonic()
        recent = self._recent[key]
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= per_second:
            return False
        recent.append(now)
        return True

    def _count(self, client_id: str) -> None:
        sql = (
            "INSERT INTO quota (client_id, day, calls) VALUES (?, ?, 1) "
            "ON CONFLICT (client_id, day) DO UPDATE SET calls = calls + 1"
        )
        self._database.run(sql, (client_id, self._today()))

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).date().isoformat()
