"""Dates as sources write them."""

import calendar
import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.dates import compiled, parse_days
from sync.contact.fixed_dates import iso_dates


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
        ("1990-05-07 23:59:01", "%Y-%m-%d", (1990, 5, 7)),
        ("1990-05-07T23:59Z", "%Y-%m-%d", (1990, 5, 7)),
        ("1990-05-07 00:00:00.000001+02:00", "%Y-%m-%d", (1990, 5, 7)),
        ("1990-05-07 23", "%Y-%m-%d", "unread"),
        ("1990-02-31 23:59:01", "%Y-%m-%d", "impossible"),
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


PARTS = ("year", "month", "day")
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


@settings(max_examples=300, deadline=None, print_blob=True)
@given(
    cells=st.lists(
        st.one_of(
            st.none(),
            st.text(st.sampled_from("0129-/. ٣ü"), max_size=10),
            st.from_regex(r"\A[0-9]{4}([-/. ][0-9]{2}){2}\Z"),
            st.from_regex(r"\A[0-9]{1,2}([-/. ][0-9]{1,4}){1,2}\Z"),
            st.dates().map(lambda day: f"{day.year:04}{day.month:02}{day.day:02}"),
        )
    ),
    written=st.sampled_from(["%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%d-%m", "%Y %m %d"]),
    start=st.integers(0, 2),
)
def test_digits_in_fixed_places_are_read_as_the_regular_expression_reads_them(
    cells: list[str | None], written: str, start: int
) -> None:
    pattern = re.compile(compiled((written,))[0], re.ASCII)
    column = pa.array(cells, pa.large_string())[start:]
    days = parse_days(column, (written,))
    for at, text in enumerate(column.to_pylist()):
        match = pattern.match(text) if text is not None and not text.endswith("\n") else None
        parts = {name: int(digits) for name, digits in match.groupdict().items()} if match else {}
        assert bool(days.valid[at] | days.impossible[at]) == bool(parts)
        if days.valid[at]:
            found = {"year": days.year[at], "month": days.month[at], "day": days.day[at]}
            assert {name: found[name] for name in parts} == parts


@settings(max_examples=100, deadline=None, print_blob=True)
@given(st.lists(st.dates()))
def test_dates_are_written_as_iso_8601_has_them(days: list[dt.date]) -> None:
    parts = [np.array([getattr(day, name) for day in days], np.int64) for name in PARTS]
    assert iso_dates(*parts).to_pylist() == [day.isoformat() for day in days]
