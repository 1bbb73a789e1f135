"""Who goes first, and how many requests an account may use beside others."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.api.claims import Beside
from sync.api.fairness import Claim, fair_share, is_next, wait_until

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def claim(account: str, *, served: float | None = None, asked: float | None = None) -> Claim:
    """Served and asked so many seconds ago."""
    served_at = None if served is None else NOW - served * SECOND
    asked_at = None if asked is None else NOW - asked * SECOND
    return Claim(account, asked_at, served_at)


@pytest.mark.parametrize(
    ("others", "first"),
    [
        ([], True),
        ([claim("b", asked=0.5, served=2)], False),
        ([claim("b", asked=0.5, served=0.5)], True),
        ([claim("b", asked=0.5)], False),
        ([claim("b", served=2)], True),  # it doesn't wait
        ([claim("b", asked=5, served=2)], True),  # it waits no more
        ([claim("b", asked=-5_000, served=2)], True),  # by a clock that was turned back
        ([claim("b", asked=0.1, served=0.5), claim("c", asked=0.1, served=3)], False),
    ],
)
def test_who_was_served_longest_ago_goes_first(others: list[Claim], first: bool) -> None:
    assert is_next(claim("a", served=1), others, NOW) is first


def test_of_two_who_were_never_served_one_goes_first() -> None:
    some, other = claim("a", asked=0), claim("b", asked=0)
    assert is_next(some, [other], NOW)
    assert not is_next(other, [some], NOW)


@pytest.mark.parametrize(
    ("pool", "used", "share"),
    [
        (10_000, [0], 10_000),
        (9_000, [0, 0, 0], 3_000),
        (9_000, [5_000, 0, 0], 2_000),  # the first has had more; the others share what is left
        (9_000, [5_000, 3_900, 0], 100),
        (100, [0, 0, 0], 33),
        (0, [0, 0], 0),
        (-50, [10, 20], 0),
    ],
)
def test_all_can_have_as_many(pool: int, used: list[int], share: int) -> None:
    assert fair_share(pool, used) == share


@given(pool=st.integers(0, 20_000), used=st.lists(st.integers(0, 3_000), min_size=1, max_size=12))
def test_what_one_may_still_use_is_never_what_others_are_kept(pool: int, used: list[int]) -> None:
    share = fair_share(pool, used)
    # Whoever has less than the share can still have it, whatever the others do.
    assert sum(max(each, share) for each in used) <= max(pool, sum(used))
    # And not so much is kept that nobody could use it.
    if any(each < share for each in used):
        assert sum(max(each, share + 1) for each in used) > pool


def test_what_is_left_over_is_for_all() -> None:
    both = Beside(3_000, (0, 0), NOW)
    assert both.rest(9_000, used=3_000) == 0
    one_is_done = Beside(3_000, (0,), NOW)
    assert one_is_done.rest(9_000, used=3_020) == 1_490  # half of 8,980, of which 3,000 are used
    alone = Beside(3_000)
    assert alone.rest(9_000, used=3_040) == 5_960
    assert alone.rest(9_000, used=9_500) == 0


def test_it_goes_on_when_the_last_of_the_others_has_begun() -> None:
    half_an_hour = timedelta(minutes=30)
    later = NOW + timedelta(hours=3)
    assert wait_until(later, NOW) == later + half_an_hour
    assert wait_until(NOW, later) == later + half_an_hour
