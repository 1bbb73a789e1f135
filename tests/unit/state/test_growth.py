"""What a database does for each step of a run grows no faster than the contacts.

Counted in steps of SQLite's virtual machine and in rows that MariaDB looks at. Without knowing how
large its tables are, each looks for each contact among all of them, which a few thousand don't show
in seconds.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event, update

from sync.state import absences, audience, comparison, follow_ups, refusals, staging, uncleared
from sync.state.comparison import Action
from sync.state.duplicates import drop_duplicates
from sync.state.id_sets import LISTS, TAGS
from sync.state.schema import staged
from sync.state.store import Store
from tests.unit.state.test_staging import NOW, A, B, Town

_STEPS_AT_ONCE = 100
_FEW, _MANY = 1_000, 4_000
_SOME = 20


class Counted:
    """A state whose steps are counted: `steps` are those of each thing that was done, by name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.steps: dict[str, int] = {}
        self._steps = 0
        if store.engine.dialect.name == "sqlite":
            event.listen(store.engine, "connect", self._count)
            store.engine.dispose()  # of the connections that are not counted

    @contextmanager
    def counting(self, what: str) -> Iterator[None]:
        """Something of this name."""
        before = self._so_far()
        yield
        self.steps[what] = self._so_far() - before

    @contextmanager
    def doing(self, what: str) -> Iterator[Connection]:
        """A transaction for something of this name."""
        with self.counting(what), self.store.write() as connection:
            yield connection

    def all_of(self, what: str, found: Iterable[object]) -> None:
        """Go through what is found in transactions of its own."""
        with self.counting(what):
            for _ in found:
                pass

    def _so_far(self) -> int:
        if self.store.engine.dialect.name == "sqlite":
            return self._steps
        with self.store.read() as connection:  # it has one connection
            read = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").all()
        return sum(int(count) for _, count in read)

    def _count(self, connection: sqlite3.Connection, _: object) -> None:
        def one_more() -> int:
            self._steps += 1
            return 0

        connection.set_progress_handler(one_more, _STEPS_AT_ONCE)


def _first_sync(counted: Counted, town: Town, contacts: int) -> None:
    _run(counted, town, _people(contacts, "1"), lists=(A,))


def _a_first_sync_beside_a_small_account(counted: Counted, town: Town, contacts: int) -> None:
    _run(counted, Town(counted.store, "small"), _people(_SOME, "1"), lists=(A,))
    _run(counted, town, _people(contacts, "1"), lists=(A,))


def _all_others_a_day_later(counted: Counted, town: Town, contacts: int) -> None:
    _run(counted, town, _people(contacts, "1"), lists=(A, B))
    # Some are gone, and each of the others has left a list and a value.
    _run(counted, town, _people(contacts, "2")[contacts // 10 :], lists=(A,))


def _a_few_others_a_day_later(counted: Counted, town: Town, contacts: int) -> None:
    _run(counted, town, _people(contacts, "1"), lists=(A,), few=True)
    others = _people(_SOME, "2") + _people(contacts, "1")[_SOME:]
    _run(counted, town, others, lists=(A,), few=True)


def _all_others_while_a_plan_of_few_waits(counted: Counted, town: Town, contacts: int) -> None:
    Town(counted.store, "waiting").stage(_people(_SOME, "1"))
    with counted.store.write() as connection:
        staging.all_staged(connection)
        staging.few_differ(connection)
    _all_others_a_day_later(counted, town, contacts)


@pytest.mark.parametrize(
    "day",
    [
        _first_sync,
        _a_first_sync_beside_a_small_account,
        _all_others_a_day_later,
        _all_others_while_a_plan_of_few_waits,
    ],
)
def test_no_step_grows_faster_than_the_contacts(
    store: Store, day: Callable[[Counted, Town, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL reads tables of this size whole, and rightly")
    if store.engine.dialect.name == "sqlite":  # MariaDB sorts what is left for each portion
        monkeypatch.setattr(follow_ups, "_READ_AT_ONCE", _FEW // 10)
    few, many = (_steps(store, day, contacts) for contacts in (_FEW, _MANY))

    # Four times as many; sixteen times, where each contact is looked for among all.
    too_many = {
        what: (few[what], steps) for what, steps in many.items() if steps > 6 * few[what] + _FEW
    }
    assert not too_many
    assert sum(few.values()) > _FEW


def test_a_few_who_differ_are_found_among_any_number(local_store: Store) -> None:
    few, many = (_steps(local_store, _a_few_others_a_day_later, each) for each in (_FEW, _MANY))
    for what in ("hold lists", "note emptied", "doubt"):
        assert many[what] <= few[what] + _SOME // 2, what


def test_the_index_of_a_few_goes_with_the_run_that_it_was_made_for(local_store: Store) -> None:
    town = Town(local_store)
    run_id = town.plan(_people(_SOME, "1"))
    with local_store.write() as connection:
        usual = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
        staging.few_differ(connection)
        assert _indexes(connection) >= {"ix_staged_action_run_id"}
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == usual
    town.send(run_id)
    with local_store.write() as connection:
        staging.discard_settled(connection, town.account)
        assert not _indexes(connection)


def _indexes(connection: Connection) -> set[str]:
    made = "SELECT name FROM sqlite_master WHERE tbl_name = 'staged' AND sql LIKE 'CREATE INDEX%'"
    return set(connection.exec_driver_sql(made).scalars())


def test_the_comparison_reads_an_index_alone(local_store: Store) -> None:
    town = Town(local_store)
    with local_store.write() as connection:
        staging.discard_settled(connection, town.account)
    run_id = town.stage(_people(_FEW, "1"))
    asked: list[str] = []
    event.listen(local_store.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with local_store.write() as connection:
        staging.all_staged(connection)
        staging.few_differ(connection)
        asked.clear()
        comparison.compare(connection, town.account, run_id)
        [look] = [each for each in asked if "LEFT OUTER JOIN contact" in each]
        values = [run_id] * look.count("?")
        ways = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {look}", tuple(values))
        assert "COVERING INDEX ix_staged_run_id_email" in ways.all()[0].detail


def _steps(
    store: Store, day: Callable[[Counted, Town, int], None], contacts: int
) -> dict[str, int]:
    counted = Counted(store)
    day(counted, Town(store, f"account{contacts}"), contacts)
    return counted.steps


def _people(contacts: int, value: str) -> list[tuple[str, str]]:
    # In another order than that of their addresses.
    return [(f"p{number * 7919 % 1_000_003}@x.org", value) for number in range(contacts)]


def _run(
    counted: Counted,
    town: Town,
    people: list[tuple[str, str]],
    *,
    lists: tuple[str, ...],
    few: bool = False,
) -> None:
    """What a run asks the state, in its order."""
    store, account = counted.store, town.account
    with store.write() as connection:
        staging.discard_settled(connection, account)
        LISTS.remember(connection, account, {"A": A, "B": B})
    run_id = town.stage(people, lists=lists)
    with counted.doing("sort") as connection:
        staging.all_staged(connection)
    with counted.doing("duplicates") as connection:
        drop_duplicates(connection, run_id, lambda _: None)
    if not few:  # who gets a tag is changed
        with store.write() as connection:
            tagged = {"tag_set_id": TAGS.set_id(connection, account, (A,))}
            connection.execute(update(staged).where(staged.c.run_id == run_id).values(tagged))
    with counted.doing("compare") as connection:
        comparison.compare(connection, account, run_id)
    if few:
        with counted.doing("sort again") as connection:
            staging.few_differ(connection)
    with counted.doing("hold back") as connection:
        refusals.hold_back(connection, account, run_id, NOW)
    with counted.doing("hold lists") as connection:
        follow_ups.hold_lists(connection, account, run_id)
    with counted.doing("note emptied") as connection:
        uncleared.note(connection, account, run_id, lambda *_: ("first_name",))
    with counted.doing("doubt") as connection:
        absences.doubt(connection, account, run_id, NOW)
    with counted.doing("dismiss") as connection:
        absences.dismiss(connection, account, [email for email, _ in people])
    with counted.doing("count") as connection:
        actions = comparison.counts(connection, run_id)
        known = audience.size(connection, account)
        comparison.gone(connection, account, run_id, actions, known=known)
        follow_ups.count_gone(connection, account, run_id, 1, delete=False)
        follow_ups.count_tagged(connection, account, run_id)
        uncleared.count(connection, account, run_id, changed=actions[Action.CHANGED])
    with counted.doing("note missing") as connection:
        follow_ups.note_missing(connection, account, run_id, anybody=True)
    with counted.counting("send"):
        town.send(run_id, at_once=_FEW // 20)
    counted.all_of("clear", uncleared.waiting(store, account, run_id))
    counted.all_of("leave", follow_ups.leaving(store, account, run_id))
    counted.all_of("tag", follow_ups.tagging(store, account, run_id))
    counted.all_of("gone", follow_ups.gone(store, account, 1))
