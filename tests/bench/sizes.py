"""Whether time and memory grow with the number of contacts as they should.

    python -m tests.bench.sizes [CONTACTS …] [--rounds N] [--state KIND] [--keep]

A contact must not take longer among many, and memory must not grow with them.
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import median

from tests.bench import ours
from tests.bench.figures import Result, by_case, markdown
from tests.bench.kept import conditions, keep
from tests.bench.rounds import in_rounds

_SIZES = (100_000, 1_000_000, 5_000_000)
_PER = 100_000
_VALUES: tuple[Callable[[Result], float], ...] = (
    lambda each: each.cost.seconds / each.contacts * _PER,
    lambda each: each.cost.cpu_seconds / each.contacts * _PER,
    lambda each: each.cost.peak_mb,
)


def main() -> None:
    """Measure the real program's days, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sizes")
    parser.add_argument("contacts", type=int, nargs="*", default=_SIZES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--state", choices=ours.STATES, default="sqlite")
    parser.add_argument("--keep", action="store_true", help="write the table into the README")
    chosen = parser.parse_args()
    under = conditions(chosen.state, chosen.rounds)
    results = in_rounds(
        chosen.contacts, chosen.rounds, lambda people: ours.days(people, chosen.state)
    )
    table = size_table(results)
    print(table)
    if chosen.keep:
        keep(f"sizes {chosen.state}", f"{under}\n\n{table}")


def size_table(results: Sequence[Result]) -> str:
    """What 100,000 contacts take at each size, and the peak; both by those of the first size."""
    cases = by_case(results)
    first = results[0].contacts
    rows = []
    for (contacts, day), some in cases.items():
        row = [f"{contacts:,}", day]
        for value in _VALUES:
            now, before = (median(map(value, each)) for each in (some, cases[first, day]))
            row += [f"{now:.2f}", f"{now / before:.2f}"]
        rows.append([*row, f"{median(each.served.requests for each in some):,.0f}"])
    names = [f"seconds for {_PER:,}", "ratio", "CPU seconds", "ratio", "peak MB", "ratio"]
    return markdown(["contacts", "day", *names, "requests"], rows)


if __name__ == "__main__":
    main()
