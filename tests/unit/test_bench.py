"""What the benchmark makes of its measurements."""

from pathlib import Path

import pytest

from tests.bench.figures import Goal, Result, cost_table, ratio_table, ratios
from tests.bench.kept import keep
from tests.bench.measured import Cost
from tests.bench.server import Served
from tests.bench.sizes import size_table

GOAL = Goal("ours", "theirs", 1.5)


def result(
    number: int, what: str, seconds: float, *, contacts: int = 100, mb: float = 50
) -> Result:
    return Result(number, contacts, what, Cost(seconds, seconds / 2, mb), Served(contacts, 3, 0.25))


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def test_a_ratio_is_taken_within_its_round() -> None:
    # By the medians alone it would be 4 / 2.
    results = [
        *(result(number, "ours", seconds) for number, seconds in enumerate((4, 9, 2))),
        *(result(number, "theirs", seconds) for number, seconds in enumerate((1, 9, 2))),
    ]
    assert ratios(results, GOAL, 100, lambda cost: cost.seconds) == [4, 1, 1]
    row = cells(ratio_table(results, [GOAL], 100))[-1]
    assert row == ["ours / theirs", "1.5", *["1.00", "1.00", "4.00"] * 2]


def test_a_ratio_knows_only_its_own_size_and_whole_rounds() -> None:
    results = [
        result(1, "ours", 6),
        result(1, "theirs", 3),
        result(2, "ours", 6),
        result(2, "theirs", 1, contacts=10),
    ]
    assert ratios(results, GOAL, 100, lambda cost: cost.seconds) == [2]


def test_a_yardstick_that_was_left_out_has_no_row() -> None:
    table = ratio_table([result(1, "ours", 6)], [GOAL], 100)
    assert "ours" not in table


def test_costs_are_medians_and_memory_the_highest_peak() -> None:
    rounds = ((3, 40), (1, 90), (8, 50))
    results = [result(n, "ours", seconds, mb=mb) for n, (seconds, mb) in enumerate(rounds)]
    assert cells(cost_table(results))[2:] == [["100", "ours", "3.00", "1.50", "90", "3", "0.25"]]


def test_sizes_are_held_against_the_first() -> None:
    results = [
        result(1, "day", 2, contacts=100_000, mb=200),
        result(1, "day", 30, contacts=1_000_000, mb=210),
    ]
    rows = cells(size_table(results))[2:]
    assert rows[0][2:] == ["2.00", "1.00", "1.00", "1.00", "200.00", "1.00", "3"]
    assert rows[1][2:] == ["3.00", "1.50", "1.50", "1.50", "210.00", "1.05", "3"]


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- x -->\nold\n<!-- end of x -->\nb\n<!-- y -->\n<!-- end of y -->\n")
    keep("x", "new", readme)
    assert readme.read_text() == (
        "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n<!-- y -->\n<!-- end of y -->\n"
    )
    with pytest.raises(SystemExit, match="no place"):
        keep("z", "new", readme)
