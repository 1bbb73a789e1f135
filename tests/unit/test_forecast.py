"""What a plan costs, and how often an activity is asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.forecast import ASSUMED_IMPORT, Forecast, forecast, polls_within
from sync.polling import FIRST_PAUSE, LONGEST_PAUSE, Polling
from sync.settings.options import Api
from sync.state.runs import Counts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _cost(
    counts: Counts | None = None,
    *,
    imports: int = 0,
    known: int = 0,
    takes: timedelta | None = MINUTE,
) -> Forecast:
    return forecast(
        counts or Counts(),
        imports=imports,
        known=known,
        reading=7,
        import_takes=takes,
        options=Api(),
    )


def test_a_day_without_changes_costs_the_reading_alone() -> None:
    cost = _cost(Counts(unchanged=100_000), known=100_000)
    assert (cost.calls, cost.billable, cost.duration) == (7, 0, timedelta(0))
    assert not cost.assumed


def test_each_import_costs_its_call_and_the_questions_until_its_end() -> None:
    cost = _cost(Counts(new=100), imports=3)
    assert (cost.imports, cost.polls) == (3, 3 * polls_within(MINUTE))
    assert cost.calls == 7 + cost.imports + cost.polls


@pytest.mark.parametrize(
    ("name", "count", "activities"),
    [("moved", 500, 1), ("tagged", 501, 2), ("removed", 1, 1), ("deleted", 1_001, 3)],
)
def test_other_changes_cost_an_activity_for_each_500_and_the_pages_of_their_ids(
    name: str, count: int, activities: int
) -> None:
    cost = _cost(Counts(**{name: count}), known=10_000)
    assert cost.changes == activities + min(count, 20)
    assert cost.polls == activities * polls_within(MINUTE)


@pytest.mark.parametrize("name", ["cleared", "readdressed"])
def test_a_contact_that_is_changed_alone_costs_two_calls(name: str) -> None:
    assert _cost(Counts(**{name: 30})).changes == 60


def test_new_contacts_are_billed_and_deleted_ones_no_more() -> None:
    assert _cost(Counts(new=30, changed=5, removed=7, deleted=10), known=100).billable == 20


def test_the_time_is_that_of_the_imports_or_of_the_pace_whichever_is_more() -> None:
    assert _cost(imports=9).duration == 3 * MINUTE
    quick = _cost(imports=1_000, takes=timedelta(seconds=0.1))
    assert quick.duration == timedelta(seconds=(quick.calls - 7) / 4)


def test_without_an_earlier_import_a_minute_is_assumed_and_told() -> None:
    cost = _cost(imports=4, takes=None)
    assert cost.assumed
    assert cost.duration == ASSUMED_IMPORT


@given(st.floats(0, 20_000))
def test_an_activity_is_asked_for_as_often_as_is_forecast(seconds: float) -> None:
    takes = timedelta(seconds=seconds)
    polling, now, asked = Polling(), NOW, 0
    while True:
        assert polling.due(1, now)
        asked += 1
        if now - NOW >= takes:
            break
        now += polling.until_next([1], now)
    assert asked == polls_within(takes)
    assert now - NOW <= 2 * takes + FIRST_PAUSE
    assert now - NOW <= takes + LONGEST_PAUSE


def test_four_minutes_of_work_are_asked_for_at_most_ten_times() -> None:
    assert polls_within(timedelta(minutes=4)) <= 10


def test_one_that_ends_does_not_hasten_the_questions_about_another() -> None:
    polling = Polling()
    for activity in (1, 2):
        assert polling.due(activity, NOW)
    polling.forget(1)
    assert not polling.due(2, NOW)
    assert polling.until_next([2], NOW) == timedelta(seconds=0.5)
    assert polling.due(1, NOW)
