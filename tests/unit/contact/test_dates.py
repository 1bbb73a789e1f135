"""Dates as sources write them."""

import calendar
import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.dates import parse_days


def day_of(text: str, *formats: str) -> tuple[int, int, int] | str:
    days = parse_days(pa.array([text], pa.large_string()), formats)
    if days.valid[0]:
        return int(days.year[0]), int(days.month[0]), int(days.day[0])
    return "impossible" if days.impossible[0] else "unread"


@pytest.mark.parametrize(
    ("text", "written", "day"),
    [
        ("1990-05-07", "%Y-%m-%d", (1990, 5, 7)),
        ("5/7/1990", "%m/%d/%Y", (1990, 5, 7)),
        ("7.5.90", "%d.%m.%y", (1990, 5, 7)),
        ("7.5.68", "%d.%m.%y", (2068, 5, 7)),
        ("May 7, 1990", "%B %d, %Y", (1990, 5, 7)),
        ("07-SEP-1990", "%d-%b-%Y", (1990, 9, 7)),
        ("1990-05-07 23:59:01", "%Y-%m-%d %H:%M:%S", (1990, 5, 7)),
        ("1990-05-07T23:59:01.25Z", "%Y-%m-%dT%H:%M:%S.%f%z", (1990, 5, 7)),
        ("05-07", "%m-%d", (0, 5, 7)),
        ("02-29", "%m-%d", (0, 2, 29)),
        ("2000-02-29", "%Y-%m-%d", (2000, 2, 29)),
        ("1900-02-29", "%Y-%m-%d", "impossible"),
        ("1990-02-31", "%Y-%m-%d", "impossible"),
        ("1990-13-01", "%Y-%m-%d", "impossible"),
        ("1990-00-00", "%Y-%m-%d", "impossible"),
        ("1990-05-07 ", "%Y-%m-%d", "unread"),
        ("soon", "%Y-%m-%d", "unread"),
        ("199O-05-07", "%Y-%m-%d", "unread"),
        ("5.7.1990", "%m/%d/%Y", "unread"),
    ],
)
def test_a_day_is_read_by_its_format(
    text: str, written: str, day: tuple[int, int, int] | str
) -> None:
    assert day_of(text, written) == day


def test_the_first_format_that_gives_a_day_counts() -> None:
    assert day_of("05/07/1990", "%m/%d/%Y", "%d/%m/%Y") == (1990, 5, 7)
    assert day_of("25/07/1990", "%m/%d/%Y", "%d/%m/%Y") == (1990, 7, 25)
    assert day_of("31/02/1990", "%m/%d/%Y", "%d/%m/%Y") == "impossible"


FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d %B %Y", "%b %d, %y", "%Y%m%d")


@settings(max_examples=200, deadline=None, print_blob=True)
@given(day=st.dates(dt.date(1970, 1, 1), dt.date(2067, 12, 31)), written=st.sampled_from(FORMATS))
def test_what_strftime_writes_is_read_back(day: dt.date, written: str) -> None:
    assert day_of(day.strftime(written), written) == (day.year, day.month, day.day)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(year=st.integers(1, 9999), month=st.integers(0, 14), day=st.integers(0, 33))
def test_a_day_is_valid_when_the_calendar_has_it(year: int, month: int, day: int) -> None:
    there = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
    found = day_of(f"{year:04}-{month}-{day}", "%Y-%m-%d")
    assert found == ((year, month, day) if there else "impossible")
