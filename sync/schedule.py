"""When the next sync begins: on schedule, to catch up, to try again, or with new requests.

All of it is worked out from the configuration and the record of the runs, and nothing is kept in
memory: after a restart the answer is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from itertools import takewhile
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from sync.errors import ExitCode
from sync.settings.options import Schedule
from sync.state.runs import Runs
from sync.state.store import Store

# Further back than any zone was ever set forward or back at once, but for a change of the date.
_LONGEST_SHIFT = timedelta(days=1)
# How far back a due time is looked for: a schedule may be yearly.
_LONGEST_PERIOD = timedelta(days=366 * 5)
_AT_ONCE = timedelta(0)
# More syncs than this don't begin between two due times.
_LOOKED_AT = 30


class Why(StrEnum):
    """Why a sync begins."""

    SCHEDULED = "on schedule"
    CAUGHT_UP = "to catch up with a missed run"
    AGAIN = "to try again what failed"
    ASKED = "since somebody asked for it"
    QUOTA = "with new requests of the quota"


@dataclass(frozen=True, slots=True)
class Start:
    """When a sync begins, and why; `missed` is a due time at which none began.

    `killed` syncs in a row have not come to their end, when nothing makes up for it before `at`.
    The newest of them may be under way, in another process.
    """

    at: datetime
    why: Why
    missed: datetime | None = None
    killed: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sync that began; without an exit code it was killed, or goes on.

    `resume_at` is when it can go on, if it stopped since the day's requests were spent.
    """

    started_at: datetime
    ended_at: datetime | None
    exit_code: ExitCode | None
    resume_at: datetime | None = None


def attempts_of(store: Store, account: str) -> list[Attempt]:
    """The newest syncs of an account, newest first; raises StateError."""
    return [
        Attempt(run.started_at, run.finished_at, run.exit_code, run.resume_at)
        for run in Runs(store, account).last_syncs(_LOOKED_AT)
    ]


def next_start(
    schedule: Schedule, account: str, now: datetime, attempts: Sequence[Attempt]
) -> Start:
    """When the next sync of the account begins.

    Args:
        attempts: The syncs so far, newest first.
    """
    scheduled = Start(next_due(schedule, account, now), Why.SCHEDULED)
    due = last_due(schedule, account, now)
    if due is None or not attempts:
        return scheduled
    tried = [attempt for attempt in attempts if attempt.started_at >= due]
    if not tried:
        if now - due <= schedule.catch_up_within:
            return Start(now, Why.CAUGHT_UP, missed=due)
        return Start(scheduled.at, Why.SCHEDULED, missed=due)
    again = _again(schedule, now, tried)
    if again is not None and again.at < scheduled.at:
        return again
    endless = takewhile(lambda attempt: attempt.ended_at is None, tried)
    return replace(scheduled, killed=sum(1 for _ in endless))


def _again(schedule: Schedule, now: datetime, tried: Sequence[Attempt]) -> Start | None:
    """When what failed since the last due time is tried again; None when it is not."""
    newest = tried[0]
    if newest.resume_at is not None:
        return Start(max(now, newest.resume_at), Why.QUOTA)
    if newest.exit_code is not None and not newest.exit_code.passes_by_itself:
        return None
    failed = [attempt for attempt in tried if attempt.resume_at is None]
    if len(failed) > len(schedule.retries):
        return None
    # Who was killed has nothing to wait for.
    pause = schedule.retries[len(failed) - 1] if newest.ended_at else _AT_ONCE
    return Start(max(now, (newest.ended_at or now) + pause), Why.AGAIN)


def next_due(schedule: Schedule, account: str, after: datetime) -> datetime:
    """The next due time after an instant."""
    jitter = schedule.jitter
    return next(
        instant
        for due in _instants(schedule, after - jitter)
        if (instant := due + _share(account, due) * jitter) > after
    )


def local_time(schedule: Schedule, instant: datetime) -> datetime:
    """The instant on the clocks of the schedule's time zone, for people."""
    return instant.astimezone(ZoneInfo(schedule.time_zone))


def last_due(schedule: Schedule, account: str, now: datetime) -> datetime | None:
    """The latest due time until now; None when there was none for years."""
    back = timedelta(days=2)
    while back < 2 * _LONGEST_PERIOD:
        past = None
        for due in _instants(schedule, now - back):
            instant = due + _share(account, due) * schedule.jitter
            if instant > now:
                break
            past = instant
        if past is not None:
            return past
        back *= 4
    return None


def _instants(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The due instants (in UTC) after another, each wall time once.

    What the clock skips when it is set forward is due when it would have been shown without that,
    so an hour later by the new clock; what it shows twice when it is set back is due the first time
    (APScheduler's own trigger would skip days whose midnight is missing, and begin twice in
    autumn).
    """
    zone = ZoneInfo(schedule.time_zone)
    wall = _wall_times(schedule)
    shown = (after.astimezone(zone) - _LONGEST_SHIFT).replace(tzinfo=UTC)
    last = after.astimezone(UTC)
    while True:
        shown = wall.get_next_fire_time(None, shown + timedelta(seconds=1))
        if shown is None:
            return
        # All sums and comparisons are in UTC: within a zone, Python's are those of the wall clock.
        instant = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant > last:
            yield instant
            last = instant


def _wall_times(schedule: Schedule) -> CronTrigger:
    """The schedule on a clock that is never set, which UTC stands for."""
    if schedule.cron is not None:
        return CronTrigger.from_crontab(schedule.cron, timezone=UTC)
    return CronTrigger(hour=schedule.time.hour, minute=schedule.time.minute, timezone=UTC)


def _share(account: str, due: datetime) -> float:
    """Between 0 and 1, another one for each account and day, and the same after a restart."""
    digest = blake2b(f"{account} {due.isoformat()}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32
