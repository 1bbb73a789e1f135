"""Staging and comparing, on each kind of database."""

import tracemalloc
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import select

from sync.plan import batches
from sync.settings.options import Api
from sync.state import audience, bodies, comparison, observations, staging
from sync.state.comparison import Action
from sync.state.duplicates import Duplicate, Keep, Merged, drop_duplicates
from sync.state.id_sets import LISTS, TAGS
from sync.state.observations import OPT_OUTS, Ended, Observation
from sync.state.outbox import BatchState, Outbox
from sync.state.runs import Runs
from sync.state.schema import staged
from sync.state.store import Store

ACCOUNT = "museum"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
A, B = "a" * 36, "b" * 36
Source = list[tuple[str, str]]


class Town:
    """An account's state, and runs over sources that are given as (address, value)."""

    def __init__(self, store: Store, account: str = ACCOUNT) -> None:
        self.store = store
        self.account = account
        self.outbox = Outbox(store, account)
        self.runs = Runs(store, account)

    def stage(self, *chunks: Source, lists: Iterable[str] = (A,)) -> int:
        run_id = self.runs.begin(NOW, dry_run=False)
        row = 1
        for chunk in chunks:
            with self.store.write() as connection:
                list_set = LISTS.set_id(connection, self.account, lists)
                contacts = staging.ready(_batch(chunk, row))
                staging.Staging(connection, run_id).add(
                    connection, contacts, {(): list_set}, {(): None}
                )
            row += len(chunk)
        return run_id

    def plan(self, *chunks: Source, lists: Iterable[str] = (A,)) -> int:
        run_id = self.stage(*chunks, lists=lists)
        with self.store.write() as connection:
            drop_duplicates(connection, run_id, lambda _: None)
            comparison.compare(connection, self.account, run_id)
        return run_id

    def record(self, run_id: int, now: datetime = NOW, *, at_once: int = 40_000) -> None:
        with self.store.write() as connection:
            cut = batches(staging.ToSend(connection, run_id), Api(batch_contacts=at_once))
            self.outbox.record(connection, run_id, cut, now)

    def send(self, run_id: int, now: datetime = NOW, *, at_once: int = 40_000) -> None:
        self.record(run_id, now, at_once=at_once)
        for entry in self.outbox.open():
            self.outbox.payload(entry)
            self.outbox.settle(entry, BatchState.ARRIVED, [], "", now)
        self.outbox.note_arrived()

    def sync(self, *chunks: Source, lists: Iterable[str] = (A,), now: datetime = NOW) -> None:
        self.send(self.plan(*chunks, lists=lists), now)

    def counts(self, run_id: int) -> dict[str, int]:
        with self.store.read() as connection:
            counted = comparison.counts(connection, run_id)
            known = audience.size(connection, self.account)
            gone = comparison.gone(connection, self.account, run_id, counted, known=known)
        return {action.value: count for action, count in counted.items() if count} | (
            {"gone": gone} if gone else {}
        )

    def ended(self, *ended: tuple[str, Ended]) -> None:
        with self.store.write() as connection:
            seen = [Observation(email=email, kind=kind) for email, kind in ended]
            observations.note(connection, self.account, seen, NOW)

    def came_back(self, *emails: str) -> None:
        with self.store.write() as connection:
            observations.end(connection, self.account, emails, OPT_OUTS, NOW)

    def sees(self, email: str, *lists: str) -> None:
        with self.store.write() as connection:
            audience.note_memberships(connection, self.account, {email: frozenset(lists)}, NOW)

    def payloads(self, run_id: int) -> list[tuple[str, tuple[str, ...]]]:
        """(address, lists) of what would be sent."""
        self.record(run_id)
        sent = []
        for entry in self.outbox.open():
            found = self.outbox.list_ids(entry)
            sent += [(contact.email, found) for contact in self.outbox.contacts(entry)]
            self.outbox.settle(entry, BatchState.FAILED, [], "", NOW)
        return sent


def _batch(chunk: Source, first_row: int, **others: pa.Array) -> pa.RecordBatch:
    bodies = [f'{{"email":"{email}","first_name":"{value}"}}' for email, value in chunk]
    fingerprints = [blake2b(body.encode(), digest_size=16).digest() for body in bodies]
    return pa.record_batch(
        {
            "row": pa.array(range(first_row, first_row + len(chunk))),
            "email": pa.array([email for email, _ in chunk], pa.large_string()),
            "body": pa.array(bodies, pa.large_string()),
            "size": pa.array([len(body.encode()) for body in bodies]),
            "fingerprint": pa.array(fingerprints, pa.binary(16)),
            "lists": _sets([()] * len(chunk)),
            "tags": _sets([()] * len(chunk)),
            **others,
        }
    )


def _sets(sets: Sequence[tuple[str, ...]]) -> pa.DictionaryArray:
    different = sorted(set(sets))
    names = pa.array([list(names) for names in different], pa.list_(pa.large_string()))
    places = pa.array([different.index(each) for each in sets], pa.int64())
    return pa.DictionaryArray.from_arrays(places, names)


@pytest.fixture
def town(store: Store) -> Town:
    return Town(store)


def test_new_changed_unchanged_and_gone_are_told_apart(town: Town) -> None:
    run_id = town.plan([("a@x.org", "1"), ("b@x.org", "1"), ("c@x.org", "1")])
    assert town.counts(run_id) == {"new": 3}
    town.send(run_id)
    run_id = town.plan([("d@x.org", "1"), ("b@x.org", "2"), ("c@x.org", "1")])
    assert town.counts(run_id) == {"new": 1, "changed": 1, "unchanged": 1, "gone": 1}
    assert [email for email, _ in town.payloads(run_id)] == ["d@x.org", "b@x.org"]


def test_stretches_hold_all_that_is_to_be_sent_and_nothing_else(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_STRETCH", 2)
    town.sync([("c@x.org", "1")])
    run_id = town.plan([(f"{name}@x.org", "1") for name in ("a", "bb", "c", "d", "ee")])
    with town.store.read() as connection:
        to_send = staging.ToSend(connection, run_id)
        stretches = list(to_send.stretches())
        inside = [list(to_send.inside(of, first, last)) for of, first, last, _, _ in stretches]
    first_row = inside[0][0][0]
    assert [[row - first_row for row, _ in some] for some in inside] == [[0, 1], [3, 4]]
    for (_, first, last, contacts, size), some in zip(stretches, inside, strict=True):
        assert (first, last, contacts) == (some[0][0], some[-1][0], len(some))
        assert size == sum(one for _, one in some)


def test_only_what_was_confirmed_is_unchanged_next_time(town: Town) -> None:
    run_id = town.plan([("a@x.org", "1"), ("b@x.org", "1"), ("c@x.org", "1")])
    town.record(run_id)
    [entry] = town.outbox.open()
    assert town.outbox.settle(entry, BatchState.ARRIVED, [2], "", NOW) == 2
    town.outbox.note_arrived()
    again = town.plan([("a@x.org", "1"), ("b@x.org", "1"), ("c@x.org", "1")])
    assert town.counts(again) == {"new": 1, "unchanged": 2}
    assert [email for email, _ in town.payloads(again)] == ["b@x.org"]


def test_a_failed_batch_leaves_everything_to_be_sent_again(town: Town) -> None:
    source = [("a@x.org", "1"), ("b@x.org", "1")]
    town.payloads(town.plan(source))
    assert town.counts(town.plan(source)) == {"new": 2}


def test_the_last_of_duplicates_wins_also_in_another_chunk(town: Town) -> None:
    run_id = town.stage(
        [("a@x.org", "1"), ("b@x.org", "1"), ("a@x.org", "2")], [("a@x.org", "3"), ("c@x.org", "1")]
    )
    losers: list[Duplicate] = []
    with town.store.write() as connection:
        assert drop_duplicates(connection, run_id, losers.append) == 2
        comparison.compare(connection, ACCOUNT, run_id)
    assert [(loser.row, loser.email, loser.winner) for loser in losers] == [
        (1, "a@x.org", 4),
        (3, "a@x.org", 4),
    ]
    assert town.counts(run_id) == {"new": 3}
    assert [email for email, _ in town.payloads(run_id)] == ["b@x.org", "a@x.org", "c@x.org"]
    assert town.counts(town.plan([("a@x.org", "3")]))["new"] == 1


def test_very_many_duplicates_leave_one(town: Town) -> None:
    run_id = town.stage([("a@x.org", str(number)) for number in range(1_700)])
    with town.store.write() as connection:
        assert drop_duplicates(connection, run_id, lambda _: None) == 1_699
    assert town.counts(run_id) == {"new": 1}


def test_merged_rows_go_with_the_lists_and_the_tags_of_all(town: Town) -> None:
    rows = [("a@x.org", "1"), ("a@x.org", "2"), ("b@x.org", "1"), ("b@x.org", "2")]
    lists_of_rows = _sets([("A",), ("B",), ("A",), ("A",)])
    tags_of_rows = _sets([("S",), ("T",), (), ()])
    batch = _batch(rows, 1, lists=lists_of_rows, tags=tags_of_rows)
    run_id = town.runs.begin(NOW, dry_run=False)
    losers: list[Duplicate] = []
    with town.store.write() as connection:
        lists: dict[tuple[str, ...], int] = {
            (name,): LISTS.set_id(connection, ACCOUNT, (name * 36,)) for name in "AB"
        }
        tags: dict[tuple[str, ...], int | None] = {
            (name,): TAGS.set_id(connection, ACCOUNT, (name * 36,)) for name in "ST"
        }
        staging.Staging(connection, run_id).add(
            connection, staging.ready(batch), lists, {(): None, **tags}
        )
        drop_duplicates(
            connection,
            run_id,
            losers.append,
            keep=Keep.MERGE,
            merge=lambda bodies: Merged("+".join(bodies), 7, b"m" * 16),
        )
        kept = connection.execute(select(staged).order_by(staged.c.row)).all()
        [body] = bodies.read(connection, ACCOUNT, [kept[0].body_id])
        both = LISTS.ids_of(connection, kept[0].list_set_id)
        tagged = TAGS.ids_of(connection, kept[0].tag_set_id)
    assert [(each.row, each.winner) for each in losers] == [(1, 2), (3, 4)]
    assert [(each.row, each.size, each.fingerprint) for each in kept] == [
        (2, 7, b"m" * 16),
        (4, 7, b"m" * 16),
    ]
    assert body == "+".join(batch["body"].to_pylist()[:2])
    assert (both, tagged) == (("A" * 36, "B" * 36), ("S" * 36, "T" * 36))
    assert (kept[1].list_set_id, kept[1].tag_set_id) == (lists["A",], None)


def test_more_duplicates_take_no_more_memory(town: Town) -> None:
    def peak(count: int) -> int:
        run_id = town.stage([(f"p{number // 2}@x.org", "1") for number in range(2 * count)])
        with town.store.write() as connection:
            tracemalloc.start()
            try:
                told = drop_duplicates(connection, run_id, lambda _: None)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
                assert told == count

    peak(100)  # what is loaded once
    # Four times as many; what else the process takes meanwhile, half a megabyte once, counts, too.
    assert peak(60_000) < 2 * peak(15_000)


def test_to_forget_what_is_staged_is_not_to_write_it_once_more(town: Town) -> None:
    engine = town.store.engine
    if engine.dialect.name != "sqlite":
        pytest.skip("the servers delete row by row")
    town.stage([(f"person-{number:06}@example.com", "1") for number in range(10_000)])
    log = Path(f"{engine.url.database}-wal")
    with engine.connect() as connection:
        staging.all_staged(connection)
        connection.commit()
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert log.stat().st_size == 0
    staged_bytes = Path(engine.url.database or "").stat().st_size
    with town.store.write() as connection:
        staging.discard_settled(connection, ACCOUNT)
    assert town.counts(1) == {}
    assert 0 < log.stat().st_size < staged_bytes / 5


ALIKE = [
    "muller@x.org",
    "müller@x.org",
    "MULLER@x.org",
    "mu\u0308ller@x.org",
    "mueller@x.org",
    "muller@x.org.",
    "muller@x.org\u200b",
    "muller@xn--x.org",
    "ss@x.org",
    "ß@x.org",
    "ſs@x.org",
    "o'neil@x.org",
    "oneil@x.org",
    "😀@x.org",
    "😁@x.org",
]


def test_addresses_are_compared_byte_by_byte(town: Town) -> None:
    source = [(email, "1") for email in ALIKE]
    run_id = town.plan(source)
    assert town.counts(run_id) == {"new": len(ALIKE)}
    town.send(run_id)
    assert town.counts(town.plan(source)) == {"unchanged": len(ALIKE)}
    town.ended((ALIKE[0], Ended.UNSUBSCRIBED))
    assert town.counts(town.plan(source)) == {"unchanged": len(ALIKE) - 1, "opted_out": 1}


def test_who_opted_out_is_left_out_with_the_reason_and_free_again_later(town: Town) -> None:
    town.sync([("a@x.org", "1"), ("b@x.org", "1"), ("c@x.org", "1")])
    town.ended(("a@x.org", Ended.UNSUBSCRIBED), ("b@x.org", Ended.DELETED))
    source = [("a@x.org", "2"), ("b@x.org", "2"), ("c@x.org", "2"), ("d@x.org", "1")]
    run_id = town.plan(source)
    assert town.counts(run_id) == {"opted_out": 2, "changed": 1, "new": 1}
    with town.store.read() as connection:
        left_out = list(comparison.opted_out(connection, ACCOUNT, run_id))
    assert [(each.row, each.email, each.kind) for each in left_out] == [
        (1, "a@x.org", "unsubscribed"),
        (2, "b@x.org", "deleted"),
    ]
    town.came_back("a@x.org", "b@x.org")
    assert town.counts(town.plan(source)) == {"changed": 3, "new": 1}


def test_many_opt_outs_are_noted_page_by_page(town: Town) -> None:
    pages = [[(f"p{n}@x.org", Ended.UNSUBSCRIBED) for n in range(k, k + 500)] for k in (0, 500)]
    for _ in range(2):
        for page in pages:
            town.ended(*page, *page[:3])
    town.ended(("p0@x.org", Ended.DELETED))
    run_id = town.plan([(f"p{n}@x.org", "1") for n in range(1_001)])
    assert town.counts(run_id) == {"opted_out": 1_000, "new": 1}


def test_who_left_one_of_two_lists_stays_off_it_and_on_the_other(town: Town) -> None:
    town.sync([("a@x.org", "1"), ("b@x.org", "1")], lists=(A, B))
    town.sees("a@x.org", B)
    assert town.counts(town.plan([("a@x.org", "1"), ("b@x.org", "1")], lists=(A, B))) == {
        "unchanged": 2
    }
    run_id = town.plan([("a@x.org", "2"), ("b@x.org", "2")], lists=(A, B))
    assert sorted(town.payloads(run_id)) == [("a@x.org", (B,)), ("b@x.org", (A, B))]


def test_who_left_every_list_is_left_out(town: Town) -> None:
    town.sync([("a@x.org", "1")])
    town.sees("a@x.org")
    run_id = town.plan([("a@x.org", "2")])
    assert town.counts(run_id) == {"opted_out": 1}
    with town.store.read() as connection:
        [left_out] = comparison.opted_out(connection, ACCOUNT, run_id)
    assert left_out.kind == "left_list"


def test_who_left_every_list_is_left_out_however_often_it_is_compared(town: Town) -> None:
    town.sync([("a@x.org", "1")])
    town.sees("a@x.org")
    run_id = town.plan([("a@x.org", "2")])
    for _ in range(2):
        with town.store.write() as connection:
            comparison.compare(connection, ACCOUNT, run_id)
        assert town.counts(run_id) == {"opted_out": 1}


def test_who_came_back_to_a_list_is_free_again(town: Town) -> None:
    town.sync([("a@x.org", "1")], lists=(A, B))
    town.sees("a@x.org", B)
    town.sees("a@x.org", B)
    town.sees("a@x.org", A, B)
    run_id = town.plan([("a@x.org", "2")], lists=(A, B))
    assert town.payloads(run_id) == [("a@x.org", (A, B))]


def test_a_list_that_nobody_put_them_on_is_not_left(town: Town) -> None:
    town.sync([("a@x.org", "1")])
    town.sees("a@x.org", A, B)
    town.sees("a@x.org", A)
    run_id = town.plan([("a@x.org", "1")], lists=(A, B))
    assert town.payloads(run_id) == [("a@x.org", (A, B))]


def test_another_list_is_a_change(town: Town) -> None:
    town.sync([("a@x.org", "1")])
    assert town.counts(town.plan([("a@x.org", "1")], lists=(A, B))) == {"changed": 1}


def test_comparing_again_decides_again(town: Town) -> None:
    town.sync([("a@x.org", "1"), ("b@x.org", "1")], lists=(A, B))
    run_id = town.plan([("a@x.org", "2"), ("b@x.org", "2"), ("c@x.org", "1")], lists=(A, B))
    town.sees("a@x.org", B)
    town.ended(("b@x.org", Ended.UNSUBSCRIBED))
    with town.store.write() as connection:
        comparison.compare(connection, ACCOUNT, run_id)
    assert town.counts(run_id) == {"changed": 1, "opted_out": 1, "new": 1}
    town.came_back("b@x.org")
    with town.store.write() as connection:
        comparison.compare(connection, ACCOUNT, run_id)
    assert town.counts(run_id) == {"changed": 2, "new": 1}
    assert sorted(town.payloads(run_id)) == [
        ("a@x.org", (B,)),
        ("b@x.org", (A, B)),
        ("c@x.org", (A, B)),
    ]


def test_a_later_sync_keeps_the_instant_of_the_first(town: Town) -> None:
    town.sync([("a@x.org", "1")])
    town.sync([("a@x.org", "2"), ("b@x.org", "1")], now=NOW + timedelta(days=1))
    with town.store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT email, first_sent_at, last_synced_at FROM contact ORDER BY email"
        ).all()
    day = 24 * 3600 * 1_000_000
    first = int(NOW.timestamp()) * 1_000_000
    assert [tuple(row) for row in rows] == [
        ("a@x.org", first, first + day),
        ("b@x.org", first + day, first + day),
    ]


def test_accounts_know_nothing_of_each_other(town: Town) -> None:
    other = Town(town.store, "theatre")
    town.sync([("a@x.org", "1")])
    town.ended(("a@x.org", Ended.UNSUBSCRIBED))
    run_id = other.plan([("a@x.org", "1")])
    assert other.counts(run_id) == {"new": 1}
    assert other.outbox.open() == []


def test_a_list_set_is_recorded_once_whatever_the_order(town: Town) -> None:
    with town.store.write() as connection:
        number = LISTS.set_id(connection, ACCOUNT, (B, A, B))
        assert LISTS.set_id(connection, ACCOUNT, (A, B)) == number
        assert LISTS.set_id(connection, "theatre", (A, B)) != number
        assert LISTS.ids_of(connection, number) == (A, B)
        assert LISTS.ids_of(connection, LISTS.set_id(connection, ACCOUNT, ())) == ()


def test_an_empty_chunk_stages_nothing(town: Town) -> None:
    assert town.counts(town.plan([])) == {}
    assert Action.NEW in Action
