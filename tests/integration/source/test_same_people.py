"""The same 100,000 people from CSV, SQLite, PostgreSQL and MariaDB give the same bytes."""

import csv
import datetime as dt
import random
from hashlib import sha256

import pytest
from sqlalchemy import Column, Date, Engine, Integer, MetaData, String, Table

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import check
from sync.plan import batches
from sync.settings.mapping import FieldMapping
from sync.settings.options import Api, Consent, Source
from sync.source import open_source
from sync.state.payload import import_payload
from tests.integration.source.conftest import fill
from tests.to_send import InMemory

COUNT = 100_000
LISTS = ("04fe9a97-a579-43c5-bb1a-58ed29bf0a6a",)
NAMES = ("Zoë", "O'Neill", "Łukasz", "Müller", "李", "Ann 😀", 'Al "Ace"', "", "Jean-Luc\t", "عمر")
STREETS = ("1 Main St", "Rue de l'Église 5", "", "Straße 9, 2. Stock", " 12 Hill  ")
METADATA = MetaData()
PEOPLE = Table(
    "people",
    METADATA,
    Column("member_no", Integer, primary_key=True, autoincrement=False),
    Column("email", String(80)),
    Column("first_name", String(60)),
    Column("last_name", String(60)),
    Column("street", String(60)),
    Column("zip", String(10)),
    Column("phone", String(20)),
    Column("birthday", Date),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_bin",
    mariadb_charset="utf8mb4",
    mariadb_collate="utf8mb4_bin",
)


def people() -> list[dict[str, object]]:
    chance = random.Random(5)
    return [
        {
            "member_no": number,
            "email": f"Person{number}@Example.{chance.choice(('com', 'org', 'broken', ''))}",
            "first_name": chance.choice(NAMES),
            "last_name": f"{chance.choice(NAMES)}{number % 97}",
            "street": chance.choice(STREETS) or None,
            "zip": f"{chance.randrange(100_000):05}",
            "phone": chance.choice(("+1 508 555 0133", "", "n/a", "(508) 555-0188")) or None,
            "birthday": chance.choice(
                (None, dt.date(1950, 1, 1) + dt.timedelta(days=number % 9000))
            ),
        }
        for number in range(1, COUNT + 1)
    ]


def payloads(options: Source) -> tuple[str, list[int]]:
    """A digest of all imports that a first run would post, and the rows that it rejects."""
    mapping_options = {
        "phone_region": "US",
        "phone_format": "e164",
        "custom_fields": {"member_no": {"column": "member_no", "type": "number"}},
    }
    rules = Rules(Consent(all_rows_have_consent=True), FieldMapping.model_validate(mapping_options))
    source = open_source(options)
    mapping = map_columns(source.header, rules)
    bodies: dict[int, str] = {}
    sizes: list[tuple[int, int, int]] = []
    rejected: list[int] = []
    first = None
    for chunk in source.chunks():
        first = int(chunk.rows[0]) if first is None else first
        checked = check(chunk, mapping, rules)
        rows = [row - first for row in checked.contacts["row"].tolist()]
        bodies |= zip(rows, checked.contacts["body"].tolist(), strict=True)
        sizes += [
            (1, row, size)
            for row, size in zip(rows, checked.contacts["size"].tolist(), strict=True)
        ]
        rejected += [p.row - first for p in checked.problems if p.severity.ends_row]
    digest = sha256()
    for batch in batches(InMemory(sizes, {1: LISTS}), Api()):
        some = [body for row, body in bodies.items() if batch.first_row <= row <= batch.last_row]
        digest.update(import_payload(some, LISTS))
    return digest.hexdigest(), rejected


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    rows = people()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return payloads(Source(path=path))


def test_the_same_people_from_any_database_give_the_bytes_of_the_csv_file(
    database: Engine, from_csv: tuple[str, list[int]]
) -> None:
    fill(database, METADATA, {"people": people()})
    address = database.url.render_as_string(hide_password=False)
    query = "SELECT * FROM people ORDER BY member_no"
    found = payloads(Source.model_validate({"url": address, "query": query}))
    assert found == from_csv
    assert COUNT / 5 < len(found[1]) < COUNT / 2
