"""What came out of the rounds, as tables in Markdown: costs, and ratios to the yardsticks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.measured import Cost
from tests.bench.server import Served


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement, with what it cost the server meanwhile."""

    round: int
    contacts: int
    what: str
    cost: Cost
    served: Served


@dataclass(frozen=True, slots=True)
class Goal:
    """At most how many times the yardstick's seconds something may take."""

    what: str
    yardstick: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some rounds' values."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are none."""
    return Spread(median(values), min(values), max(values))


def ratios(
    results: Iterable[Result], goal: Goal, contacts: int, value: Callable[[Cost], float]
) -> list[float]:
    """What is measured by its yardstick, a ratio for each round that has both."""
    by_round: dict[int, dict[str, float]] = {}
    for each in results:
        if each.contacts == contacts:
            by_round.setdefault(each.round, {})[each.what] = value(each.cost)
    return [
        found[goal.what] / found[goal.yardstick]
        for found in by_round.values()
        if goal.what in found and goal.yardstick in found
    ]


def ratio_table(results: Sequence[Result], goals: Iterable[Goal], contacts: int) -> str:
    """A row for each goal whose two sides were measured."""
    rows = []
    for goal in goals:
        if of_seconds := ratios(results, goal, contacts, lambda cost: cost.seconds):
            seconds = spread(of_seconds)
            cpu = spread(ratios(results, goal, contacts, lambda cost: cost.cpu_seconds))
            rows.append(
                [
                    f"{goal.what} / {goal.yardstick}",
                    f"{goal.at_most:g}",
                    *(f"{part:.2f}" for part in (seconds.median, seconds.low, seconds.high)),
                    *(f"{part:.2f}" for part in (cpu.median, cpu.low, cpu.high)),
                ]
            )
    names = ["ratio", "at most", "median", "min", "max", "of CPU seconds: median", "min", "max"]
    return markdown(names, rows)


def cost_table(results: Sequence[Result]) -> str:
    """The medians for each number of contacts, and the highest peak of memory."""
    rows = [
        [
            f"{contacts:,}",
            what,
            f"{median(each.cost.seconds for each in some):.2f}",
            f"{median(each.cost.cpu_seconds for each in some):.2f}",
            f"{max(each.cost.peak_mb for each in some):.0f}",
            f"{median(each.served.requests for each in some):,.0f}",
            f"{median(each.served.cpu_seconds for each in some):.2f}",
        ]
        for (contacts, what), some in by_case(results).items()
    ]
    measured = ["seconds", "CPU seconds", "peak MB", "requests", "the server's CPU seconds"]
    return markdown(["contacts", "what", *measured], rows)


def by_case(results: Iterable[Result]) -> dict[tuple[int, str], list[Result]]:
    """The results of all rounds, by the number of contacts and what was measured."""
    cases: dict[tuple[int, str], list[Result]] = {}
    for each in results:
        cases.setdefault((each.contacts, each.what), []).append(each)
    return cases


def markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; numbers stand at the right of all columns but the first."""
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
