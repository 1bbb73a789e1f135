"""From a CSV file's chunks to checked contacts with fingerprints, against the plain loop.

The plain loop is what everyone writes first: `pandas.read_csv` in chunks, `to_dict("records")`, and
for each row `orjson.dumps` and BLAKE2b, without any validation. It is timed with Python's strings
too, since pandas keeps strings in Arrow where that is installed, which halves its speed. Run it as

    .venv/bin/python -m tests.bench.contact_step [rows]
"""

import csv
import random
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import orjson
import pandas as pd

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import check
from sync.settings.mapping import FieldMapping
from sync.settings.options import Consent, Source
from sync.source import open_source

CHUNK_ROWS = 5_000
HEADER = [
    "email",
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday",
    "phone",
    "street",
    "city",
    "state",
    "zip",
    "country",
    "member_no",
    "agreed",
]
STREETS = ("1 Main St", "Rue de l'Église 5", "Straße 9, 2. Stock", "12 Hill Road")


def main() -> None:
    """Make the file, time all three times in turn, and print the best and their ratios."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        write_people(path, rows)
        print(f"{rows:,} rows of {len(HEADER)} columns, {path.stat().st_size / 1e6:,.0f} MB")
        cases: dict[str, Callable[[Path], int]] = {
            "the plain loop": plain_loop,
            "the plain loop with Python's strings": plain_loop_of_python,
            "read, checked, fingerprinted": lambda path: contact_step(path, phones=False),
            "the same, phones held against the plans": lambda path: contact_step(path, phones=True),
        }
        best = dict.fromkeys(cases, float("inf"))
        for _ in range(3):
            for name, case in cases.items():
                start = time.perf_counter()
                case(path)
                best[name] = min(best[name], time.perf_counter() - start)
    loops = list(best.values())[:2]
    for name, seconds in best.items():
        ratios = " and ".join(f"{seconds / loop:.2f}" for loop in loops)
        print(f"{name:<42} {seconds:6.2f} s   ratios {ratios}")


def plain_loop(path: Path) -> int:
    """Without validation; returns how many rows there were."""
    seen = 0
    for frame in pd.read_csv(path, chunksize=CHUNK_ROWS, dtype=str, keep_default_na=False):
        for record in frame.to_dict("records"):
            body = orjson.dumps(record)
            blake2b(body, digest_size=16).digest()
            seen += 1
    return seen


def plain_loop_of_python(path: Path) -> int:
    """The same, each cell a Python string from the start."""
    with pd.option_context("mode.string_storage", "python"):
        return plain_loop(path)


def contact_step(path: Path, *, phones: bool) -> int:
    """Our step; returns how many contacts came of it."""
    mapping = FieldMapping.model_validate(
        {
            "custom_fields": {"member_no": "member_no"},
            **({"phone_region": "US", "phone_format": "e164"} if phones else {}),
        }
    )
    rules = Rules(Consent(column="agreed", values=("yes",)), mapping)
    source = open_source(Source(path=path, chunk_rows=CHUNK_ROWS))
    columns = map_columns(source.header, rules)
    return sum(len(check(chunk, columns, rules).contacts) for chunk in source.chunks())


def write_people(path: Path, rows: int) -> None:
    """Ordinary people: some cells empty, some letters beyond ASCII, a few faults."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(rows):
            writer.writerow(
                [
                    f"Person{number}@Example.com" if number % 1000 else "no address",
                    chance.choice(("Zoë", "Ann", "Łukasz", "Grace", "")),
                    chance.choice(("O'Neill", "Müller", "Hopper", "Lovelace")),
                    chance.choice(("", "", "Engineer", "Curator")),
                    chance.choice(("", "Example & Sons", '"Best" Ltd')),
                    f"{1940 + number % 60}-{1 + number % 12:02}-{1 + number % 28:02}",
                    f"+1 508 555 {number % 10_000:04}" if number % 3 else "",
                    chance.choice(STREETS),
                    chance.choice(("Köln", "Boston", "Bath", "")),
                    chance.choice(("MA", "NY", "")),
                    f"{number % 100_000:05}",
                    "United States",
                    f"{number:08}",
                    "yes" if number % 50 else "",
                ]
            )


if __name__ == "__main__":
    main()
