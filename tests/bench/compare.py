"""The benchmark: the yardsticks and the real program in turn, in several rounds.

    python -m tests.bench.compare [--contacts N] [--rounds N] [--state KIND] [--keep]

Each program is a process of its own, and has a fresh server in another. All is made in temporary
folders.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import ours
from tests.bench.figures import Goal, Result, cost_table, ratio_table
from tests.bench.kept import conditions, keep
from tests.bench.measured import Cost, measure
from tests.bench.people import People, make_table
from tests.bench.rounds import Measured, in_rounds
from tests.bench.server import Served, running

LIMIT, DRT, DLT, DLT_ARROW = "limit (DuckDB)", "drt", "dlt", "dlt with Arrow"
GOALS = (
    Goal(ours.FIRST, DRT, 1.0),
    Goal(ours.FIRST, DLT, 0.2),
    Goal(ours.UNCHANGED, LIMIT, 3.0),
    Goal(ours.CHANGED, LIMIT, 3.2),
)
PACKAGES = ("duckdb", "drt", "dlt")
_DATABASE = "contacts.db"
_ENVIRONMENT = {"PYTHONPATH": str(ours.ROOT), "RUNTIME__DLTHUB_TELEMETRY": "false"}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--state", choices=ours.STATES, default="sqlite")
    parser.add_argument("--plot", type=Path, help="an SVG of time and memory by contacts")
    parser.add_argument("--keep", action="store_true", help="write the tables into the README")
    chosen = parser.parse_args()
    under = conditions(chosen.state, chosen.rounds)
    # Smaller ones too, for the drawing.
    sizes = [chosen.contacts // part for part in (100, 10, 1) if chosen.contacts >= part]
    results = compare(sizes, chosen.rounds, chosen.state)
    tables = f"{ratio_table(results, GOALS, chosen.contacts)}\n\n{cost_table(results)}"
    print(tables)
    if chosen.keep:
        keep(f"compare {chosen.state}", f"{under}\n\n{tables}")
    if chosen.plot and _there("matplotlib", "The drawing"):
        from tests.bench.plot import draw

        draw(results, chosen.plot)


def compare(sizes: Sequence[int], rounds: int, state: str) -> list[Result]:
    """Measure every program that is installed, and the real one on this kind of state."""
    there = [package for package in PACKAGES if _there(package, package)]

    def in_turn(people: People) -> Iterator[Measured]:
        yield from yardsticks(people, there)
        yield from ours.days(people, state)

    return in_rounds(sizes, rounds, in_turn)


def yardsticks(people: People, packages: Sequence[str] = PACKAGES) -> Iterator[Measured]:
    """Those that need no other packages than these."""
    if "duckdb" in packages:
        yield LIMIT, _limit(people), Served()
    if "drt" in packages:
        yield DRT, *_drt(people)
    if "dlt" in packages:
        yield DLT, *_dlt(people, "rows")
        yield DLT_ARROW, *_dlt(people, "arrow")


def _limit(people: People) -> Cost:
    with TemporaryDirectory() as folder:
        command = _script("limit", str(people.csv), _DATABASE)
        return measure(command, folder=Path(folder), environment=_ENVIRONMENT)


def _drt(people: People) -> tuple[Cost, Served]:
    with TemporaryDirectory() as folder:
        make_table(Path(folder, _DATABASE), people.contacts)
        return _peer("peer_drt", _DATABASE, people, Path(folder))


def _dlt(people: People, way: str) -> tuple[Cost, Served]:
    with TemporaryDirectory() as folder:
        return _peer("peer_dlt", str(people.csv), people, Path(folder), way)


def _peer(
    module: str, source: str, people: People, folder: Path, *options: str
) -> tuple[Cost, Served]:
    with running() as server:
        command = _script(module, source, server.url, *options)
        return server.measure(
            command, folder=folder, contacts=people.contacts, environment=_ENVIRONMENT
        )


def _script(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.bench.{module}", *arguments]


def _there(package: str, what: str) -> bool:
    """Whether it is installed; else it is said that it is left out."""
    if find_spec(package) is not None:
        return True
    print(f"{what} is left out, since {package} is not installed.", file=sys.stderr)
    return False


if __name__ == "__main__":
    main()
