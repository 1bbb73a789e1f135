"""Bodies kept in blocks, and rows put in by whole columns, on each kind of database."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from sync.state import bodies, staging
from sync.state.bulk_insert import insert_columns
from sync.state.outbox import BatchState
from sync.state.payload import import_payload
from sync.state.schema import body_block, contact, staged
from sync.state.store import Store
from tests.unit.state.test_staging import ACCOUNT, NOW, Town

TEXTS = [
    "plain",
    'it\'s "quoted" \\ and\\n escaped',
    "tab\tline\nreturn\r",
    "%s %(name)s :name {0}",
    "Zoë 😀 ß",
    "NULL",
    "\\N",
]


@pytest.fixture
def town(store: Store) -> Town:
    return Town(store)


def test_bodies_are_read_in_any_order_over_many_blocks(store: Store) -> None:
    texts = [f'{{"email":"p{number}@x.org","note":"Zoë \\n {number}"}}' for number in range(20_000)]
    with store.write() as connection:
        first = bodies.keep(connection, ACCOUNT, bodies.packed(texts))
        other = bodies.keep(connection, "theatre", bodies.packed(["{}"]))
        more = bodies.keep(connection, ACCOUNT, bodies.packed(texts[:3]))
    for places in ([0], range(700), [*range(19_999, -1, -997)], [5, 5, 19_999, 0]):
        with store.read() as connection:
            found = bodies.read(connection, ACCOUNT, [first + place for place in places])
        assert found == [texts[place] for place in places]
    with store.read() as connection:
        assert bodies.read(connection, "theatre", [other]) == ["{}"]
        assert bodies.read(connection, ACCOUNT, range(more, more + 3)) == texts[:3]
        assert bodies.read(connection, ACCOUNT, []) == []


@pytest.mark.parametrize(
    "places",
    [
        range(1_000),
        range(5, 600),
        [*range(3), *range(256, 512), 999],
        [7, 3, 600],
        [4, 4],
        [],
    ],
    ids=["whole blocks", "parts of blocks", "gaps", "another order", "twice", "none"],
)
def test_bodies_are_joined_in_their_order(store: Store, places: Sequence[int]) -> None:
    texts = [f'{{"email":"p{number}@x.org","note":"Zoë \\n"}}' for number in range(1_000)]
    with store.write() as connection:
        first = bodies.keep(connection, ACCOUNT, bodies.packed(texts))
        numbers = np.array([first + place for place in places], np.int64)
        found = bodies.elements(connection, ACCOUNT, numbers)
        joined = b",".join(found)
    assert joined.decode() == ",".join(texts[place] for place in places)


@pytest.mark.parametrize(
    ("known", "swapped", "expected"),
    [(0, False, None), (0, False, 1), (0, False, 100_000), (100, False, None), (0, True, None)],
    ids=["as planned", "planned too short", "planned too long", "with gaps", "another order"],
)
def test_an_import_holds_its_contacts_bodies_wherever_they_lie(
    town: Town, known: int, swapped: bool, expected: int | None
) -> None:
    people = [(f"p{number}@x.org", str(number)) for number in range(600)]
    if known:
        town.sync(people[300 : 300 + known])
    # The chunks fill their last blocks of bodies with nothing.
    run_id = town.plan(people[:200], people[200:500], people[500:])
    if swapped:
        with town.store.write() as connection:
            for row, by in ((350, 1), (351, -1)):
                other = staged.update().where(staged.c.run_id == run_id, staged.c.row == row)
                connection.execute(other.values(body_id=staged.c.body_id + by))
    town.record(run_id)
    [entry] = town.outbox.open()
    entry = replace(entry, bytes=expected or entry.bytes)
    texts = [each.body for each in town.outbox.contacts(entry)]
    assert len(texts) == 600 - known
    assert town.outbox.payload(entry) == import_payload(texts, town.outbox.list_ids(entry))


def test_what_no_contact_needs_is_forgotten_and_nothing_else(town: Town) -> None:
    town.sync([(f"p{number}@x.org", "1") for number in range(600)])
    town.sync([(f"p{number}@x.org", "2" if number < 256 else "1") for number in range(600)])
    run_id = town.stage([("p1@x.org", "3")])
    with town.store.write() as connection:
        connection.execute(staged.delete().where(staged.c.run_id != run_id))
        bodies.discard(connection, ACCOUNT)
        blocks = connection.scalar(select(func.count()).select_from(body_block))
        ids = connection.execute(select(contact.c.email, contact.c.body_id)).all()
        found = bodies.read(connection, ACCOUNT, [each.body_id for each in ids])
    # Of the first sync's three the first has gone; of the second's three the last two too.
    assert blocks == 2 + 1 + 1
    for row, body in zip(ids, found, strict=True):
        value = "2" if int(row.email[1:].partition("@")[0]) < 256 else "1"
        assert body == f'{{"email":"{row.email}","first_name":"{value}"}}'


@pytest.mark.parametrize("rises_by", [1, 7])
def test_whole_columns_arrive_as_they_are(store: Store, rises_by: int) -> None:
    count = len(TEXTS)
    body_ids = [10**11 + rises_by * number for number in range(count)]
    digests = [bytes((number, 0, 10, 13, 39, 92, 255, *range(9))) for number in range(count)]
    tags = [None, *range(1, count)]
    columns = {
        "row": pa.array(range(5, 5 + count), pa.int64()),
        "email": pa.array(TEXTS, pa.large_string()),
        "fingerprint": pa.array([b"x" * 16, *digests], pa.binary(16))[1:],
        "body_id": pa.array(body_ids, pa.int64()),
        "size": pa.array([0] * count, pa.int64()),
        "tag_set_id": pa.array(tags, pa.int64()),
        "source_key": pa.array([None, *TEXTS[1:]], pa.large_string()),
    }
    constants: dict[str, str | int | None] = {
        "run_id": 7,
        "list_set_id": 3,
        "action": "it's \\ new",
        "owned": None,
    }
    with store.write() as connection:
        insert_columns(connection, staged, columns, constants)
        rows = connection.execute(select(staged).order_by(staged.c.row)).all()
    assert [row.row for row in rows] == list(range(5, 5 + count))
    assert [row.email for row in rows] == TEXTS
    assert [row.fingerprint for row in rows] == digests
    assert [row.body_id for row in rows] == body_ids
    assert [row.tag_set_id for row in rows] == tags
    assert [row.source_key for row in rows] == [None, *TEXTS[1:]]
    assert {(row.run_id, row.list_set_id, row.action, row.owned, row.size) for row in rows} == {
        (7, 3, "it's \\ new", None, 0)
    }


def test_what_arrived_is_noted_by_the_next_run_when_this_one_is_killed(town: Town) -> None:
    run_id = town.plan([("a@x.org", "1"), ("b@x.org", "1")])
    town.record(run_id)
    [entry] = town.outbox.open()
    town.outbox.settle(entry, BatchState.ARRIVED, [], "", NOW)
    # Killed here. What follows is the next run's beginning.
    with town.store.write() as connection:
        staging.discard_settled(connection, ACCOUNT)
    town.outbox.note_arrived()
    with town.store.write() as connection:
        staging.discard_settled(connection, ACCOUNT)
    again = town.plan([("a@x.org", "1"), ("b@x.org", "2")])
    assert town.counts(again) == {"unchanged": 1, "changed": 1}
