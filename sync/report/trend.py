"""The trend of the last runs as small pictures: pure, from the runs' records to SVG's numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sync.state.runs import RunKind, RunRecord

WIDTH, HEIGHT = 300, 60
_EDGE = 2


@dataclass(frozen=True, slots=True)
class Trend:
    """One series over the runs, oldest first; `points` is what SVG's polyline takes."""

    title: str
    points: str
    least: int
    most: int
    last: int

    @property
    def described(self) -> str:
        """The picture in words."""
        return f"{self.title}: between {self.least:,} and {self.most:,}, at last {self.last:,}"


def trends(history: Sequence[RunRecord]) -> list[Trend]:
    """The series of the syncs that ended, given newest first; none before there are two."""
    syncs = [
        run
        for run in reversed(history)
        if run.finished_at is not None and not run.dry_run and run.kind is RunKind.SYNC
    ]
    if len(syncs) < 2:
        return []
    return [_trend(title, [of(run) for run in syncs]) for title, of in _SERIES]


_SERIES: tuple[tuple[str, Callable[[RunRecord], int]], ...] = (
    ("Contacts there", lambda run: run.audience or 0),
    ("New and changed", lambda run: run.counts.new + run.counts.changed),
    ("Rejected", lambda run: run.counts.faulty),
    ("Refused there", lambda run: run.counts.refused),
)


def _trend(title: str, values: Sequence[int]) -> Trend:
    top = max(values) or 1
    across = (WIDTH - 2 * _EDGE) / (len(values) - 1)
    high = HEIGHT - 2 * _EDGE
    points = " ".join(
        f"{_EDGE + number * across:.1f},{_EDGE + high * (1 - value / top):.1f}"
        for number, value in enumerate(values)
    )
    return Trend(title, points, min(values), max(values), values[-1])
