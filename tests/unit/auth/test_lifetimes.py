"""How long tokens live, decided without a clock."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.auth.lifetimes import (
    DOCUMENTED_LIFE,
    disuse_warning,
    is_alive,
    is_due,
    life_of,
    refresh_token_dies_at,
)

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def jwt(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{body}.signature"


def test_the_answer_says_how_long_a_token_lives() -> None:
    assert life_of(28_800, "opaque") == 8 * HOUR
    assert life_of("7200", "opaque") == 2 * HOUR


def test_a_token_that_says_less_than_the_answer_is_believed() -> None:
    issued = NOW.timestamp()
    assert life_of(86_400, jwt(iat=issued, exp=issued + 7_200)) == 2 * HOUR
    assert life_of(7_200, jwt(iat=issued, exp=issued + 86_400)) == 2 * HOUR


def test_the_clock_of_the_service_does_not_matter() -> None:
    far_off = NOW.timestamp() + 40_000
    assert life_of(None, jwt(iat=far_off, exp=far_off + 3_600)) == HOUR


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c",
        "a.e30.c",
        jwt(exp="soon", iat=1),
        jwt(exp=5),
        jwt(exp=5, iat=9),
    ],
)
def test_a_token_that_says_nothing_leaves_the_documented_life(token: str) -> None:
    assert life_of(None, token) == DOCUMENTED_LIFE


@given(st.one_of(st.none(), st.booleans(), st.text(), st.floats(), st.integers(), st.binary()))
def test_any_lifetime_can_be_worked_with(expires_in: object) -> None:
    assert timedelta(minutes=1) <= life_of(expires_in, "opaque") <= timedelta(days=31)


def test_a_token_is_due_when_it_is_too_old_for_the_work() -> None:
    assert not is_due(NOW, NOW + DAY, NOW + 22 * HOUR, 2 * HOUR)
    assert is_due(NOW, NOW + DAY, NOW + 22 * HOUR + timedelta(seconds=1), 2 * HOUR)


@given(
    life=st.timedeltas(timedelta(minutes=1), timedelta(days=31)),
    minimum=st.timedeltas(timedelta(0), timedelta(hours=12)),
)
def test_no_token_is_due_when_it_is_new(life: timedelta, minimum: timedelta) -> None:
    assert not is_due(NOW, NOW + life, NOW, minimum)
    assert is_due(NOW, NOW + life, NOW + life + timedelta(seconds=1), minimum)


def test_a_token_with_less_than_a_minute_left_is_not_sent() -> None:
    assert is_alive(NOW + timedelta(minutes=2), NOW)
    assert not is_alive(NOW + timedelta(seconds=59), NOW)


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(days=149), None),
        (timedelta(days=150), "Take care: the refresh token dies of disuse in 30 days"),
        (timedelta(days=166), "Urgent: the refresh token dies of disuse in 14 days"),
        (timedelta(days=177), "Very urgent: the refresh token dies of disuse in 3 days"),
        (timedelta(days=179, hours=1), "Very urgent: the refresh token dies of disuse in 1 day,"),
        (timedelta(days=180), "is dead"),
    ],
)
def test_disuse_is_warned_of_at_30_14_and_3_days(age: timedelta, said: str | None) -> None:
    warning = disuse_warning(NOW, NOW + age)
    assert warning is None if said is None else warning is not None and said in warning
    assert refresh_token_dies_at(NOW) == NOW + timedelta(days=180)
