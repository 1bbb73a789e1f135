"""Several rounds of the same measurements, told as they come."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.figures import Result
from tests.bench.measured import Cost
from tests.bench.people import People, make_people
from tests.bench.server import Served

Measured = tuple[str, Cost, Served]


def in_rounds(
    sizes: Sequence[int], rounds: int, in_turn: Callable[[People], Iterator[Measured]]
) -> list[Result]:
    """What is measured for each number of contacts, in turn, round after round."""
    # So that files and databases are removed then too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    results = []
    with TemporaryDirectory() as folder:
        groups = [make_people(Path(folder), contacts) for contacts in sizes]
        for number in range(1, rounds + 1):
            for people in groups:
                for what, cost, served in in_turn(people):
                    print(
                        f"round {number}, {people.contacts:,} contacts, {what}: "
                        f"{cost.seconds:.2f} s, {cost.cpu_seconds:.2f} CPU s, "
                        f"{cost.peak_mb:.0f} MB",
                        file=sys.stderr,
                    )
                    results.append(Result(number, people.contacts, what, cost, served))
    return results
