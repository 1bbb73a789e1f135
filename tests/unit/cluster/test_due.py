"""Whether a look at an account finds it due: once a due time, whoever looks how often."""

from datetime import UTC, datetime, time, timedelta

from sync.cluster.attending import due, next_look
from sync.cluster.queue import Look
from sync.errors import ExitCode
from sync.schedule import Attempt, Start, Why
from sync.settings.options import Schedule

DAY, HOUR, MINUTE, SECOND = (
    timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds")
)
DUE = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
DAILY = Schedule(time=time(3, 30))
ON_TIME = Look(DUE)
DUE_AND_KILLED = Attempt(DUE + 10 * MINUTE, None, None)
YESTERDAY = Attempt(DUE - DAY, DUE - DAY + MINUTE, ExitCode.DONE)


def found(
    now: datetime,
    *attempts: Attempt,
    planned: Look = ON_TIME,
    schedule: Schedule = DAILY,
) -> Start | None:
    return due(schedule, "acme", now, attempts, planned)


def test_a_look_at_its_time_begins_the_sync_and_a_second_one_does_not() -> None:
    now = DUE + 2 * SECOND
    assert found(now, YESTERDAY) == Start(now, Why.SCHEDULED)
    under_way_or_done = Attempt(now, now + MINUTE, ExitCode.DONE)
    assert found(now + 2 * MINUTE, under_way_or_done, YESTERDAY) is None


def test_a_look_that_comes_too_early_begins_nothing() -> None:
    assert found(DUE - SECOND, YESTERDAY) is None


def test_the_first_sync_of_all_begins_with_the_look_that_was_planned_for_it() -> None:
    now = DUE + 2 * SECOND
    assert found(now) == Start(now, Why.SCHEDULED)
    # A daily look that happens to come soon after it was not.
    assert found(now, planned=Look(DUE + SECOND)) is None
    assert found(DUE + HOUR) is None


def test_what_was_missed_is_caught_up_with() -> None:
    now = DUE + 2 * HOUR
    assert found(now, YESTERDAY) == Start(now, Why.CAUGHT_UP, missed=DUE)
    assert found(DUE + 13 * HOUR, YESTERDAY) is None


def test_what_was_killed_begins_again_at_once_and_what_failed_after_its_pause() -> None:
    now = DUE + 5 * MINUTE
    killed = Attempt(DUE, None, None)
    assert found(now, killed, YESTERDAY) == Start(now, Why.AGAIN)
    failed = Attempt(DUE, DUE + MINUTE, ExitCode.UNAVAILABLE)
    assert found(now, failed, YESTERDAY) is None
    later = DUE + 17 * MINUTE
    assert found(later, failed, YESTERDAY) == Start(later, Why.AGAIN)


def test_who_is_asked_for_is_synced_whatever_the_time_is() -> None:
    now = DUE + 5 * HOUR
    done = Attempt(DUE, DUE + MINUTE, ExitCode.DONE)
    assert found(now, done, planned=Look(now, asked_at=now)) == Start(now, Why.ASKED)


def test_an_account_is_looked_at_daily_though_it_is_synced_weekly() -> None:
    assert next_look(Start(DUE + 7 * DAY, Why.SCHEDULED), DUE) == Look(DUE + DAY)
    assert next_look(Start(DUE + HOUR, Why.AGAIN), DUE) == Look(DUE + HOUR)


def test_an_account_may_cost_many_hosts_but_not_all_of_them() -> None:
    now = DUE + HOUR
    taken_over = Look(DUE, asked_at=now)
    killed = [Attempt(DUE + number * MINUTE, None, None) for number in range(9)]
    assert found(now, *killed, YESTERDAY, planned=taken_over) == Start(now, Why.ASKED)
    assert found(now, DUE_AND_KILLED, *killed, planned=taken_over) is None
