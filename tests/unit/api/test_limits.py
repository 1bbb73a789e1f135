"""The pace and the quota, as each kind of database keeps them."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from sync.api.claims import Claims, want
from sync.api.limits import Limits, next_day, rest_of_today, used_today
from sync.errors import QuotaExhausted, StopRequested
from sync.state.store import Store
from sync.stop import Stop
from tests.fake_clock import FakeClock
from tests.integration.engine.conftest import SteppedStop

APPLICATION = "an-application"
Open = Callable[..., Limits]


class SetClock(FakeClock):
    """A clock that stands where it is set."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now

    def __call__(self) -> datetime:
        return self.now + self.offset


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.fixture
def stop(clock: SetClock) -> SteppedStop:
    return SteppedStop(clock)


@pytest.fixture
def limits(store: Store, stop: SteppedStop, clock: SetClock) -> Open:
    """What a process that starts now opens."""

    def open_limits(
        *, per_second: int = 4, per_day: int = 10_000, reserved: int = 0, account: str = ""
    ) -> Limits:
        return Limits(
            store,
            APPLICATION,
            per_second=per_second,
            per_day=per_day,
            reserved=reserved,
            stop=stop,
            clock=clock,
            claims=Claims(APPLICATION, account) if account else None,
        )

    return open_limits


def _request(limits: Limits, times: int = 1) -> None:
    for _ in range(times):
        with limits.request():
            pass


def test_a_fifth_request_waits_until_a_second_after_the_first_was_answered(
    limits: Open, stop: SteppedStop
) -> None:
    _request(limits(), 4)
    assert stop.pauses == []
    _request(limits())
    assert stop.pauses == [timedelta(seconds=1)]


def test_a_request_under_way_holds_its_place(
    limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    ours = limits(per_second=1)
    with ours.request():
        clock.advance(timedelta(seconds=3))
    _request(ours)
    assert stop.pauses == [timedelta(seconds=1)]


def test_a_request_that_outlives_its_place_does_not_free_the_next_one_s(
    limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    ours = limits(per_second=1)
    with ours.request():
        clock.advance(timedelta(seconds=5.5))
        other = limits(per_second=1).request()
        other.__enter__()
    # The other is under way still, as if its process were gone: its place is free in 5 seconds.
    _request(ours)
    assert sum(stop.pauses, timedelta(0)) == timedelta(seconds=5)
    other.__exit__(None, None, None)


def test_a_dead_process_holds_its_place_for_seconds_only(limits: Open, stop: SteppedStop) -> None:
    for _ in range(4):
        limits().request().__enter__()
    _request(limits(), 4)
    assert sum(stop.pauses, timedelta(0)) <= timedelta(seconds=6)


@pytest.mark.parametrize("hours", [0.001, 1, 24 * 365])
def test_a_clock_that_is_turned_back_does_not_stop_the_work(
    limits: Open, stop: SteppedStop, clock: SetClock, hours: float
) -> None:
    _request(limits(), 4)
    clock.now -= timedelta(hours=hours)
    _request(limits(), 8)
    assert sum(stop.pauses, timedelta(0)) <= timedelta(seconds=8)


def test_a_stop_is_heard_while_waiting_and_takes_no_place(
    store: Store, limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    _request(limits(), 4)
    stop.request()
    with pytest.raises(StopRequested):
        _request(limits())
    assert used_today(store, APPLICATION, clock()) == 4


def test_requests_are_counted_over_restarts(store: Store, limits: Open, clock: SetClock) -> None:
    for _ in range(3):
        _request(limits(), 2)
    assert used_today(store, APPLICATION, clock()) == 6


def test_a_failed_request_counts_and_frees_its_place(
    store: Store, limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    ours = limits(per_second=1)
    with pytest.raises(ZeroDivisionError), ours.request():
        raise ZeroDivisionError
    assert used_today(store, APPLICATION, clock()) == 1
    _request(ours)
    assert stop.pauses == [timedelta(seconds=1)]


def test_the_day_s_quota_ends_at_midnight_utc_and_not_before(limits: Open, clock: SetClock) -> None:
    clock.now = datetime(2026, 11, 24, 23, 58, tzinfo=UTC)
    _request(limits(per_day=100), 100)
    clock.now = datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC) - clock.offset
    with pytest.raises(QuotaExhausted, match=r"after 00:00 UTC, in 0 h 00 min\."):
        _request(limits(per_day=100))
    clock.now = datetime(2026, 11, 25, tzinfo=UTC) - clock.offset
    _request(limits(per_day=100))


def test_a_request_over_the_quota_takes_no_place(
    limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    ours = limits(per_second=1, per_day=100)
    _request(ours, 100)
    stop.pauses.clear()
    clock.advance(timedelta(seconds=2))
    for _ in range(3):
        with pytest.raises(QuotaExhausted):
            _request(ours)
    assert stop.pauses == []


def test_what_the_service_says_of_the_quota_holds_for_every_process_until_midnight(
    store: Store, limits: Open, clock: SetClock
) -> None:
    ours, theirs = limits(), limits()
    ours.exhaust(clock())
    for _ in range(2):
        with pytest.raises(QuotaExhausted):
            _request(theirs)
    assert used_today(store, APPLICATION, clock()) == 10_000
    clock.advance(timedelta(hours=12))
    _request(theirs)


@pytest.mark.parametrize("seconds", [-0.2, 0.2, 60])
def test_a_quota_that_was_spent_around_midnight_does_not_cost_the_new_day(
    limits: Open, clock: SetClock, seconds: float
) -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    sent_at = midnight + timedelta(seconds=seconds)
    clock.now = sent_at + timedelta(seconds=0.5)
    limits().exhaust(sent_at)
    clock.now = midnight + timedelta(minutes=10)
    _request(limits())


def test_applications_are_counted_apart(
    store: Store, limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    _request(limits(), 4)
    other = Limits(store, "another", per_second=4, per_day=100, stop=stop, clock=clock)
    _request(other, 4)
    assert stop.pauses == []
    assert used_today(store, "another", clock()) == 4


@pytest.mark.parametrize("claims", [None, Claims(APPLICATION, "a")])
def test_the_first_requests_ever_and_of_a_day_may_come_at_once(
    store: Store, clock: SetClock, claims: Claims | None
) -> None:
    workers = 6
    barrier = threading.Barrier(workers, timeout=20)

    def work() -> None:
        barrier.wait()
        limits = Limits(
            store,
            APPLICATION,
            per_second=100,
            per_day=100,
            stop=SteppedStop(clock),
            clock=clock,
            claims=claims,
        )
        for day in range(3):
            barrier.wait()
            if barrier.wait() == 0:
                clock.now = datetime(2026, 11, 24 + day, 12, tzinfo=UTC)
            barrier.wait()
            _request(limits)

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result(60)
    for day in range(3):
        now = datetime(2026, 11, 24 + day, tzinfo=UTC)
        assert used_today(store, APPLICATION, now) == workers
    if claims is not None:
        with store.read() as connection:
            assert claims.read(connection, now).mine == workers


def test_a_request_asks_the_database_no_more_than_it_must(
    store: Store, limits: Open, clock: SetClock
) -> None:
    asked: list[tuple[str, str]] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if table := re.search(r"\bapi_\w+", statement):
            asked.append((statement.split()[0], table[0]))

    want(store, APPLICATION, {"other": clock()})
    ours = limits(account="ours")
    _request(ours)
    event.listen(store.engine, "before_cursor_execute", note)
    _request(ours)
    assert asked == [
        ("SELECT", "api_slot"),
        ("SELECT", "api_claim"),
        ("UPDATE", "api_slot"),
        ("UPDATE", "api_day"),
        ("SELECT", "api_claim"),
        ("SELECT", "api_day"),
        ("UPDATE", "api_claim"),
        ("UPDATE", "api_slot"),
    ]


# --- several accounts of one application ----------------------------------------------------------


def _until_spent(limits: Limits) -> QuotaExhausted:
    with pytest.raises(QuotaExhausted) as spent:
        _request(limits, 1_000)
    return spent.value


def test_an_account_leaves_the_others_of_today_their_share(
    store: Store, limits: Open, clock: SetClock
) -> None:
    in_an_hour, tomorrow = clock() + timedelta(hours=1), clock() + timedelta(days=1)
    want(store, APPLICATION, {"big": clock(), "north": in_an_hour, "south": tomorrow})
    big, north = limits(per_day=100, account="big"), limits(per_day=100, account="north")
    spent = _until_spent(big)
    assert used_today(store, APPLICATION, clock()) == 50
    assert "share of today's 100 requests is spent: it has used 50" in str(spent)
    assert "kept for 1 other account of the application that still wants some today" in str(spent)
    assert spent.until == in_an_hour + timedelta(minutes=30)
    assert rest_of_today(store, APPLICATION, "big", clock(), 100) == 0
    _request(north, 20)
    # What it needs no more is free for all.
    want(store, APPLICATION, {"north": None})
    assert rest_of_today(store, APPLICATION, "big", clock(), 100) == 30
    spent = _until_spent(limits(per_day=100, account="big"))
    assert used_today(store, APPLICATION, clock()) == 100
    assert "Today's 100 requests of this application are spent" in str(spent)


def test_shares_are_dealt_anew_each_day_also_to_who_goes_on_from_yesterday(
    store: Store, limits: Open, clock: SetClock
) -> None:
    some, other = (limits(per_day=100, account=name) for name in ("a", "b"))
    want(store, APPLICATION, {"a": clock(), "b": clock()})
    _until_spent(some)
    clock.now += timedelta(days=1)
    _request(other)
    _until_spent(some)
    assert used_today(store, APPLICATION, clock()) == 51
    assert _until_spent(other).until == next_day(clock())
    assert used_today(store, APPLICATION, clock()) == 100


def test_who_sends_requests_keeps_a_share_of_today_whatever_was_noted_meanwhile(
    store: Store, limits: Open, clock: SetClock
) -> None:
    want(store, APPLICATION, {"a": clock(), "b": clock()})
    running, other = (limits(per_day=100, account=name) for name in ("a", "b"))
    _request(running)
    # By a host that starts, and sees the schedule.
    want(store, APPLICATION, {"a": clock() + timedelta(days=1)})
    _request(running)
    _until_spent(other)
    assert used_today(store, APPLICATION, clock()) == 52


def test_a_share_s_end_is_not_waited_for_beyond_the_new_day(
    store: Store, limits: Open, clock: SetClock
) -> None:
    clock.now = datetime(2026, 11, 24, 23, 50, tzinfo=UTC)
    want(store, APPLICATION, {"a": clock(), "b": clock()})
    spent = _until_spent(limits(per_day=100, account="a"))
    assert spent.until == next_day(clock())


def test_who_only_looks_needs_no_share(store: Store, limits: Open, clock: SetClock) -> None:
    want(store, APPLICATION, {"a": clock(), "b": clock()})
    _until_spent(limits(per_day=100, account="a"))
    _request(limits(per_day=100))


def test_each_account_keeps_a_part_of_its_share_for_confirming(
    store: Store, limits: Open, clock: SetClock
) -> None:
    want(store, APPLICATION, {"a": clock(), "b": clock()})
    ours = limits(per_day=100, reserved=20, account="a")
    for _ in range(40):
        with ours.request(sending=True):
            pass
    with pytest.raises(QuotaExhausted), ours.request(sending=True):
        pass
    _request(ours, 10)
    _until_spent(ours)
    assert used_today(store, APPLICATION, clock()) == 50


def test_the_pace_is_dealt_in_turn(store: Store) -> None:
    turns: list[str] = []
    began = threading.Barrier(3, timeout=20)

    def work(account: str) -> None:
        limits = Limits(
            store,
            APPLICATION,
            per_second=1,
            per_day=100,
            stop=Stop(),
            claims=Claims(APPLICATION, account),
        )
        began.wait()
        for _ in range(3):
            with limits.request():
                turns.append(account)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, name) for name in ("a", "b", "c")]:
            done.result(120)
    # Nobody has a second turn before all have had their first, and so on.
    assert [len(set(turns[at : at + 3])) for at in (0, 3, 6)] == [3, 3, 3]


def test_who_died_while_waiting_holds_nobody_up(
    store: Store, limits: Open, stop: SteppedStop, clock: SetClock
) -> None:
    with store.write() as connection:
        Claims(APPLICATION, "dead").ask(connection, clock())
    ours = limits(account="alive")
    _request(ours)
    with store.write() as connection:
        Claims(APPLICATION, "dead").ask(connection, clock())
    _request(ours)
    assert timedelta(seconds=1) <= sum(stop.pauses, timedelta(0)) <= timedelta(seconds=2)
