"""Values of databases and workbooks as the text that an export would have."""

import datetime as dt
import json
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.source.as_text import arrow_text, text_cells, text_of
from sync.source.changes import Newest, since_value

HOUR = dt.timedelta(hours=1)
NOW = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("02451", "02451"),
        (True, "true"),
        (2451, "2451"),
        (2451.0, "2451"),
        (0.1, "0.1"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (float("nan"), ""),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2), "2026-01-02"),  # noqa: DTZ001
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),  # noqa: DTZ001
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02 00:00:00+00:00"),
        (b"caf\xc3\xa9", "café"),
        (["a", None, 2.0], "a, , 2"),
        ({"a": ["é", Decimal("1.5")]}, '{"a": ["é", "1.5"]}'),
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_a_value_is_text(value: object, text: str) -> None:
    assert text_of(value) == text
    assert text_cells([value, "x"]).to_pylist() == [text, "x"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_of_any_arrow_type_is_text(kind: pa.DataType) -> None:
    assert arrow_text(pa.array(["a", None], pa.string()).cast(kind)).to_pylist() == ["a", ""]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans())))
def test_any_values_make_a_column_of_text(values: list[object]) -> None:
    cells = text_cells(values).to_pylist()
    assert len(cells) == len(values)
    assert all(isinstance(cell, str) for cell in cells)


@pytest.mark.parametrize(
    ("values", "since"),
    [
        ([3, 9, None, 4], 9),
        ([dt.datetime(2026, 1, 2, 3), None], dt.datetime(2026, 1, 2, 2)),  # noqa: DTZ001
        ([dt.date(2026, 1, 2)], dt.date(2026, 1, 1)),
        (["2026-01-02 03:04:05.000000"], "2026-01-02 02:04:05"),
        (["2026-01-02T03:04:05+00:00"], "2026-01-02T02:04:05+00:00"),
        (["2026-01-02"], "2026-01-01"),
        (["version 9", "version 8"], "version 9"),
    ],
)
def test_the_newest_value_is_kept_between_runs(values: list[object], since: object) -> None:
    newest = Newest(NOW)
    newest.add(values)
    text = newest.as_text()
    assert text is not None
    json.loads(text)
    assert since_value(text, HOUR) == since


def test_nothing_seen_is_no_mark() -> None:
    newest = Newest(NOW)
    newest.add([None])
    assert newest.as_text() is None
    assert since_value(None, HOUR) is None


@pytest.mark.parametrize(
    "values",
    [
        ["2026-01-02", "2062-01-02"],
        [dt.date(2026, 1, 2), dt.date(2062, 1, 2)],
        [dt.datetime(2062, 1, 2, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)],
    ],
)
def test_a_time_far_ahead_hides_no_later_change(values: list[object]) -> None:
    newest = Newest(NOW)
    newest.add(values)
    assert "2026-01-02" in (newest.as_text() or "")
