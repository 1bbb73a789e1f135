"""The contacts of these measurements: 14 columns, all of them valid, each address once.

Capital letters, spaces around and letters beyond ASCII are among them, and a third of some columns
is empty. The columns are called as the API calls its fields.
"""

import csv
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = (
    "email",
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday",
    "anniversary",
    "phone",
    "street",
    "city",
    "state",
    "zip",
    "country",
    "member_no",
)
# One in so many is another on the changed day, and has lost a value on the day after.
CHANGED_EVERY = 1_000
# One in so many is gone on the day after that.
GONE_EVERY = 100
# The first of them whose job title is not empty, and who is not gone.
_EMPTIED = 1
_FIRST = ("Zoë", "Ann", "Łukasz", "Grace", "Ada", " José ", "Mary-Jane", "Søren", "Linus")
_LAST = ("O'Neill", "Müller", "Hopper", "Lovelace", "Nguyễn", "Smith", "van der Berg")
_TITLES = ("", "Engineer", "Curator", "", "Head of Sales")
_COMPANIES = ("", "Example & Sons", '"Best" Ltd', "Smith, Jones & Co.")
_STREETS = ("Main St", "Rue de l'Église", "Straße der Einheit", "Hill Road")
_CITIES = (("Köln", "", "Germany"), ("Boston", "MA", "United States"), ("Bath", "", "UK"))
# So many the peers send in one request.
AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class People:
    """Where a number of contacts lie; `changed_csv` is the day on which some are another.

    `fewer_csv` is the day after it, on which some are gone and some have lost a value.
    """

    contacts: int
    csv: Path
    changed_csv: Path
    fewer_csv: Path

    @property
    def changed(self) -> int:
        """How many are another then."""
        return len(range(0, self.contacts, CHANGED_EVERY))

    @property
    def emptied(self) -> int:
        """How many have lost a value."""
        return len(range(_EMPTIED, self.contacts, CHANGED_EVERY))


def make_people(folder: Path, contacts: int) -> People:
    """Write them in the folder."""
    days = (folder / f"{contacts}{day}.csv" for day in ("", "-changed", "-fewer"))
    people = People(contacts, *days)
    _write(people.csv, _rows(contacts, changed=False))
    _write(people.changed_csv, _rows(contacts, changed=True))
    _write(people.fewer_csv, _fewer(contacts))
    return people


def make_table(path: Path, contacts: int) -> None:
    """Write them into the table `contacts` of a new SQLite database."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE contacts ({', '.join(COLUMNS)})")
        insert = f"INSERT INTO contacts VALUES ({', '.join('?' * len(COLUMNS))})"
        connection.executemany(insert, _rows(contacts, changed=False))
    connection.close()


def _write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _fewer(contacts: int) -> Iterator[Sequence[str]]:
    title = COLUMNS.index("job_title")
    for n, row in enumerate(_rows(contacts, changed=True)):
        if n % CHANGED_EVERY == _EMPTIED:
            yield [*row[:title], "", *row[title + 1 :]]
        elif n % GONE_EVERY != GONE_EVERY - 1:
            yield row


def _rows(contacts: int, *, changed: bool) -> Iterator[tuple[str, ...]]:
    for n in range(contacts):
        city, state, country = _CITIES[n % 3]
        yield (
            f"Person.{n}@mail{n % 97}.Example.com",
            _FIRST[n % 9],
            _LAST[n // 9 % 7],
            _TITLES[n % 5] if not (changed and n % CHANGED_EVERY == 0) else "Newcomer",
            _COMPANIES[n % 4],
            f"{1940 + n % 60}-{1 + n % 12:02}-{1 + n % 28:02}",
            f"2015-{1 + n % 12:02}-{1 + n // 12 % 28:02}" if n % 3 else "",
            f"+1 508 555 {n % 10_000:04}" if n % 4 else "",
            f"{n % 300} {_STREETS[n % 4]}",
            city,
            state,
            f"{n % 100_000:05}",
            country,
            f"{n:08}",
        )
