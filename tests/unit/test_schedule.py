"""When a sync begins: once a day in every zone, caught up once, tried again within the day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ExitCode
from sync.schedule import Attempt, Start, Why, last_due, local_time, next_due, next_start
from sync.settings.options import Schedule

ACCOUNT = "museum"
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
BERLIN = Schedule(time=time(2, 30), time_zone="Europe/Berlin")
NIGHTLY = Schedule(time=time(3, 30))
DUE = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def attempt(
    after_due: timedelta, code: ExitCode | None, resume_at: datetime | None = None
) -> Attempt:
    """A sync that began so long after the due time and took a minute."""
    began = DUE + after_due
    return Attempt(began, began + MINUTE if code is not None else None, code, resume_at)


def start(now: datetime, attempts: Sequence[Attempt], schedule: Schedule = NIGHTLY) -> Start:
    return next_start(schedule, ACCOUNT, now, sorted(attempts, key=lambda a: a.started_at)[::-1])


@given(
    zone=st.sampled_from(ZONES),
    at=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    day=st.dates(date(2020, 1, 1), date(2035, 1, 1)),
)
def test_it_is_due_exactly_once_a_local_day_in_every_zone(zone: str, at: time, day: date) -> None:
    schedule = Schedule(time=at, time_zone=zone)
    now = datetime.combine(day, time(), UTC)
    dues = [now]
    for _ in range(5):
        dues.append(next_due(schedule, ACCOUNT, dues[-1]))
    local = [local_time(schedule, due) for due in dues[1:]]
    days = [each.date() for each in local]
    # Where a day is missing from the calendar (a change of the date line), so is its sync.
    assert days == sorted(set(days))
    assert (days[-1] - days[0]).days in (4, 5)
    for each in local:
        shown = each.replace(tzinfo=None)
        wanted = datetime.combine(shown.date(), at)
        skipped = wanted.replace(tzinfo=each.tzinfo).astimezone(UTC).astimezone(each.tzinfo)
        assert shown == wanted or skipped.replace(tzinfo=None) == shown
    assert last_due(schedule, ACCOUNT, dues[-1] - MINUTE / 60) == dues[-2]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-28T12:00+00:00", "2026-03-29T03:30+02:00"),  # 02:30 does not exist
        ("2026-03-29T12:00+00:00", "2026-03-30T02:30+02:00"),
        ("2026-10-24T12:00+00:00", "2026-10-25T02:30+02:00"),  # 02:30 comes twice
        ("2026-10-25T00:31+00:00", "2026-10-26T02:30+01:00"),
    ],
)
def test_the_clock_s_changes_neither_skip_nor_double_a_sync(now: str, due: str) -> None:
    found = next_due(BERLIN, ACCOUNT, datetime.fromisoformat(now))
    assert local_time(BERLIN, found).isoformat(timespec="minutes") == due


def test_a_midnight_that_does_not_exist_costs_no_day() -> None:
    schedule = Schedule(time=time(0, 30), time_zone="America/Santiago")
    due = next_due(schedule, ACCOUNT, datetime(2026, 9, 5, 12, tzinfo=UTC))
    assert local_time(schedule, due) == datetime(
        2026, 9, 6, 1, 30, tzinfo=ZoneInfo("America/Santiago")
    )


def test_a_cron_expression_may_be_weekly_or_yearly() -> None:
    weekly = Schedule(cron="30 3 * * mon", time_zone="Europe/Berlin")
    assert next_due(weekly, ACCOUNT, DUE) == datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
    assert last_due(weekly, ACCOUNT, DUE) == datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    leap = Schedule(cron="0 0 29 2 *")
    assert last_due(leap, ACCOUNT, DUE) == datetime(2024, 2, 29, tzinfo=UTC)


def test_the_jitter_is_another_one_each_day_and_the_same_after_a_restart() -> None:
    schedule = Schedule(time=time(3, 30), jitter=HOUR)
    dues = [next_due(schedule, ACCOUNT, DUE + day * DAY) for day in range(20)]
    late = [(due - DUE) % DAY for due in dues]
    assert all(timedelta(0) <= each < HOUR for each in late)
    assert len(set(late)) == 20
    assert dues == [next_due(schedule, ACCOUNT, DUE + day * DAY) for day in range(20)]
    assert dues[0] != next_due(schedule, "zoo", DUE)
    for due in dues[1:]:
        assert last_due(schedule, ACCOUNT, due) == due


def test_the_first_start_waits_for_the_schedule() -> None:
    assert start(DUE + HOUR, []) == Start(DUE + DAY, Why.SCHEDULED)


def test_a_missed_sync_is_caught_up_once_unless_it_is_too_late() -> None:
    yesterday = [attempt(-DAY, ExitCode.DONE)]
    now = DUE + 5 * HOUR
    assert start(now, yesterday) == Start(now, Why.CAUGHT_UP, missed=DUE)
    assert start(now, [*yesterday, attempt(5 * HOUR, ExitCode.DONE)]).why is Why.SCHEDULED
    late = DUE + 13 * HOUR
    assert start(late, yesterday) == Start(DUE + DAY, Why.SCHEDULED, missed=DUE)


def test_what_is_done_waits_for_the_next_day() -> None:
    for code in (ExitCode.DONE, ExitCode.DONE_WITH_REJECTS):
        assert start(DUE + HOUR, [attempt(MINUTE, code)]) == Start(DUE + DAY, Why.SCHEDULED)


def test_what_fails_is_tried_again_with_growing_pauses_and_then_left_to_the_next_day() -> None:
    failed: list[Attempt] = []
    begun = MINUTE
    for pause in NIGHTLY.retries:
        failed.append(attempt(begun, ExitCode.UNAVAILABLE))
        begun += MINUTE + pause
        assert start(DUE + begun - pause, failed) == Start(DUE + begun, Why.AGAIN)
    failed.append(attempt(begun, ExitCode.UNAVAILABLE))
    assert start(DUE + begun + HOUR, failed) == Start(DUE + DAY, Why.SCHEDULED)


def test_a_retry_that_is_overdue_begins_at_once() -> None:
    now = DUE + 3 * HOUR
    assert start(now, [attempt(MINUTE, ExitCode.SOURCE)]) == Start(now, Why.AGAIN)


@pytest.mark.parametrize(
    "code",
    [ExitCode.GUARD, ExitCode.AUTHORIZATION, ExitCode.CONFIGURATION, ExitCode.USAGE],
)
def test_what_a_person_must_mend_is_not_tried_again(code: ExitCode) -> None:
    assert start(DUE + HOUR, [attempt(MINUTE, code)]) == Start(DUE + DAY, Why.SCHEDULED)


def test_who_was_killed_begins_again_at_once_but_not_for_ever() -> None:
    now = DUE + HOUR
    killed = [attempt(number * MINUTE, None) for number in range(3)]
    assert start(now, killed) == Start(now, Why.AGAIN)
    killed.append(attempt(4 * MINUTE, None))
    assert start(now, killed) == Start(DUE + DAY, Why.SCHEDULED, killed=4)
    killed[0] = attempt(0 * MINUTE, ExitCode.UNAVAILABLE)
    assert start(now, killed) == Start(DUE + DAY, Why.SCHEDULED, killed=3)


def test_a_spent_quota_waits_for_the_service_s_new_day_and_is_no_failure() -> None:
    midnight = datetime(2026, 11, 25, 0, 5, tzinfo=UTC)
    spent = attempt(MINUTE, ExitCode.BUSY, midnight)
    assert start(DUE + HOUR, [spent]) == Start(midnight, Why.QUOTA)
    # The schedule comes first where it is due first.
    evening = Schedule(time=time(3, 30), cron="30 3,23 * * *")
    late = DUE.replace(hour=23, minute=30)
    assert start(DUE + HOUR, [spent], evening) == Start(late, Why.SCHEDULED)
