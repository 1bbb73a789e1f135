"""The report of a run: one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader

from sync.clock import span
from sync.errors import StateError
from sync.report.changes import beyond_imports
from sync.report.drift import DriftFile
from sync.report.rejects import Entry, Kind
from sync.report.trend import HEIGHT, WIDTH, trends
from sync.state.runs import RunRecord

_MODE = 0o600
_environment = Environment(
    loader=PackageLoader("sync.report", "templates"), autoescape=True, trim_blocks=True
)
_environment.filters["number"] = lambda count: f"{count:,}"
_environment.filters["capital"] = lambda text: text[:1].upper() + text[1:]
_environment.globals["trend_size"] = f"0 0 {WIDTH} {HEIGHT}"
_environment.filters["span"] = span
_environment.filters["instant"] = lambda instant: f"{instant:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the rows read, for the picture."""

    name: str
    count: int
    style: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run has found in its source and over there."""

    source: str
    reasons: Mapping[tuple[Kind, str], int]
    samples: Mapping[tuple[Kind, str], Sequence[Entry]]
    drift: DriftFile | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the account stands at the end of a run: today's quota, and the token pair's lives."""

    used_today: int
    per_day: int
    access_token_until: datetime | None
    refresh_token_until: datetime | None


def write_report(
    path: Path, history: Sequence[RunRecord], findings: Findings, standing: Standing
) -> None:
    """Write the report of `history[0]`, the newest run; raises StateError."""
    run = history[0]
    page = _environment.get_template("report.html").render(
        run=run,
        history=history,
        source=findings.source,
        parts=[part for part in _parts(run) if part.count],
        beyond_imports=beyond_imports(run.counts, done=not run.dry_run),
        reasons=sorted(findings.reasons.items(), key=lambda item: (item[0][0], -item[1])),
        samples=findings.samples,
        drift=findings.drift,
        trends=trends(history),
        standing=standing,
    )
    try:
        path.touch(mode=_MODE)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StateError(
            f"The report {path} can't be written: {error.strerror}; name another folder in "
            "report.directory, or see to its disk."
        ) from None


def _parts(run: RunRecord) -> list[_Part]:
    counts = run.counts
    return [
        _Part("new", counts.new, "new"),
        _Part("changed", counts.changed, "changed"),
        _Part("unchanged", counts.unchanged, "unchanged"),
        _Part("rejected", counts.faulty, "rejected"),
        _Part("opted out", counts.opted_out, "opted-out"),
        _Part("not allowed to be sent", counts.withheld, "withheld"),
        _Part(
            "duplicate" if counts.duplicates == 1 else "duplicates", counts.duplicates, "duplicates"
        ),
    ]
