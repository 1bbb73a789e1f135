"""The trend of the last runs, as numbers."""

from dataclasses import replace
from datetime import UTC, datetime

from sync.errors import ExitCode
from sync.report.trend import HEIGHT, WIDTH, trends
from sync.state.runs import Counts, RunKind, RunRecord

NOW = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
RUN = RunRecord(
    id=1,
    started_at=NOW,
    finished_at=NOW,
    host="here",
    pid=1,
    dry_run=False,
    exit_code=ExitCode.DONE,
    message="",
    counts=Counts(),
    report=None,
    rejects=None,
)


def test_the_oldest_is_on_the_left_and_the_greatest_at_the_top() -> None:
    newest_first = [replace(RUN, audience=size) for size in (100, 50, 0)]
    audience, *_ = trends(newest_first)
    points = [tuple(map(float, point.split(","))) for point in audience.points.split()]
    assert points == [(2.0, HEIGHT - 2.0), (WIDTH / 2, HEIGHT / 2), (WIDTH - 2.0, 2.0)]
    assert audience.described == "Contacts there: between 0 and 100, at last 100"


def test_only_syncs_that_ended_count() -> None:
    others = [
        replace(RUN, dry_run=True),
        replace(RUN, kind=RunKind.VERIFY),
        replace(RUN, finished_at=None),
    ]
    assert trends([RUN, *others]) == []
    assert len(trends([RUN, *others, RUN])) == 4


def test_a_series_of_nothing_is_a_line_at_the_bottom() -> None:
    for trend in trends([RUN, RUN]):
        assert (trend.least, trend.most, trend.last) == (0, 0, 0)
        assert {point.split(",")[1] for point in trend.points.split()} == {f"{HEIGHT - 2:.1f}"}
