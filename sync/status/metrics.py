"""The facts in Prometheus' text format, with names and units by its conventions.

Source: https://prometheus.io/docs/practices/naming/ (base units, the unit as the last word).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync.state.runs import RunRecord
from sync.status.facts import Facts, Standing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OUTCOMES = (
    "new",
    "changed",
    "unchanged",
    "rejected",
    "opted_out",
    "duplicates",
    "confirmed",
    "refused",
    "gone",
    "moved",
    "tagged",
    "removed",
    "deleted",
    "cleared",
)
_VALUES: tuple[tuple[str, str, Callable[[Facts], float | None]], ...] = (
    ("syncing", "Whether a sync is under way.", lambda facts: facts.live is not None),
    ("audience_contacts", "Contacts known to be there.", lambda facts: facts.audience),
    ("outbox_contacts", "Contacts waiting to be confirmed.", lambda facts: facts.waiting),
    ("quota_used_requests", "Requests used this UTC day.", lambda facts: facts.used),
    ("quota_limit_requests", "Requests allowed a UTC day.", lambda facts: facts.per_day),
)
_INSTANTS: tuple[tuple[str, str, Callable[[Facts], datetime | None]], ...] = (
    ("next_sync", "When the next sync begins", lambda facts: facts.next_start.at),
    ("access_token_expiry", "When the access token expires", lambda facts: facts.pair.expires_at),
    (
        "refresh_token_expiry",
        "When the refresh token dies if it is not used before",
        lambda facts: facts.pair.refresh_token_dies_at,
    ),
    (
        "last_success",
        "When the last successful sync ended",
        lambda facts: facts.last_done.finished_at if facts.last_done else None,
    ),
    (
        "last_run",
        "When the last run began",
        lambda facts: facts.newest.started_at if facts.newest else None,
    ),
)


def exposition(standings: Sequence[Standing]) -> bytes:
    """The metrics of this moment, each with the account as its label."""
    registry = CollectorRegistry()
    registry.register(_Collected(standings))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, standings: Sequence[Standing]) -> None:
        self._standings = standings
        self._facts = [each for each in standings if isinstance(each, Facts)]

    def collect(self) -> Iterator[Metric]:
        healthy = _gauge("healthy", "Whether nobody is needed.")
        for standing in self._standings:
            healthy.add_metric([standing.account], float(standing.well))
        yield healthy
        for name, meaning, value in _VALUES:
            yield self._one(name, meaning, value)
        for name, meaning, instant in _INSTANTS:
            what = f"{meaning}, in seconds since 1970."
            yield self._one(f"{name}_timestamp_seconds", what, _seconds_of(instant))
        yield self._one("last_run_duration_seconds", "How long the last run took.", _duration)
        yield self._one("last_run_exit_code", "How the last run ended.", _exit_code)
        yield self._outcomes()

    def _one(self, name: str, meaning: str, value: Callable[[Facts], float | None]) -> Metric:
        """A gauge; without an account where there is no value yet."""
        gauge = _gauge(name, meaning)
        for facts in self._facts:
            if (found := value(facts)) is not None:
                gauge.add_metric([facts.account], found)
        return gauge

    def _outcomes(self) -> Metric:
        counts = GaugeMetricFamily(
            "contact_sync_last_run_contacts",
            "What became of how many contacts in the last run.",
            labels=["account", "outcome"],
        )
        for facts in self._facts:
            for name in _OUTCOMES if facts.newest else ():
                counts.add_metric([facts.account, name], _count(facts.newest, name))
        return counts


def _gauge(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"contact_sync_{name}", meaning, labels=["account"])


def _seconds_of(instant: Callable[[Facts], datetime | None]) -> Callable[[Facts], float | None]:
    def seconds(facts: Facts) -> float | None:
        found = instant(facts)
        return None if found is None else found.timestamp()

    return seconds


def _duration(facts: Facts) -> float | None:
    run = facts.newest
    if run is None or run.finished_at is None:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _exit_code(facts: Facts) -> float | None:
    run = facts.newest
    return None if run is None or run.exit_code is None else float(run.exit_code)


def _count(run: RunRecord | None, name: str) -> float:
    return float(getattr(run.counts, name)) if run else 0.0
