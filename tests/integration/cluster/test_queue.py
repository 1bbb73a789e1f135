"""The queue on a real database: what waits in it, and what is taken over."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from sync.cluster.queue import Look, Queue, make_tables, open_queue, schema_name
from sync.errors import StateError
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor

pytestmark = pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def with_queue(store: Store, work: Callable[[Queue], Awaitable[None]]) -> list[tuple[str, Look]]:
    """Do something with the queue, whose looks end at once; returns the looks."""
    looks: list[tuple[str, Look]] = []

    async def attend(account: str, look: Look) -> Look | None:
        looks.append((account, look))
        return None

    async def run() -> None:
        async with open_queue(store, attend) as queue:
            await work(queue)

    make_tables(store)
    asyncio.run(run())
    return looks


def waiting(store: Store) -> Iterator[tuple[str, datetime, bool]]:
    jobs = text(
        f"SELECT lock, scheduled_at, args->>'asked_at' IS NOT NULL FROM "
        f"\"{schema_name()}\".procrastinate_jobs WHERE status = 'todo' ORDER BY lock"
    )
    with store.read() as connection:
        yield from map(tuple, connection.execute(jobs).all())


def test_an_account_waits_once_for_the_earliest_look_that_it_was_given(store: Store) -> None:
    async def work(queue: Queue) -> None:
        for look in (Look(NOON), Look(NOON - HOUR), Look(NOON + HOUR)):
            await queue.put("ada", look)
        await queue.put("bob", Look(NOON))
        await queue.put("bob", Look(NOON + HOUR, asked_at=NOON))
        await queue.put_all({"ada": Look(NOON), "bob": Look(NOON), "dora": Look(NOON)})
        assert await queue.without_job(["ada", "bob", "cleo"]) == ["cleo"]

    with_queue(store, work)
    assert list(waiting(store)) == [
        ("ada", NOON - HOUR, False),
        ("bob", NOON, True),
        ("dora", NOON, False),
    ]


def test_what_a_dead_worker_had_in_hand_is_put_back_and_asked_for(store: Store) -> None:
    async def work(queue: Queue) -> None:
        await queue.put("ada", Look(NOON))
        take = text(
            f'SELECT "{schema_name()}".procrastinate_fetch_job_v2(NULL, id) FROM '
            f'(SELECT "{schema_name()}".procrastinate_register_worker_v1() AS id) AS worker'
        )
        with store.write() as connection:
            connection.execute(text(f'SET LOCAL search_path TO "{schema_name()}"'))
            connection.execute(take)
        assert await queue.take_over(NOON) == []
        silent = text(
            f'UPDATE "{schema_name()}".procrastinate_workers '
            "SET last_heartbeat = now() - interval '1 minute'"
        )
        with store.write() as connection:
            connection.execute(silent)
        assert await queue.take_over(NOON) == ["ada"]

    with_queue(store, work)
    assert list(waiting(store)) == [("ada", NOON, True)]


def test_a_look_is_taken_when_its_time_has_come_and_leaves_nothing_behind(store: Store) -> None:
    past, future = datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR

    async def work(queue: Queue) -> None:
        await queue.put("ada", Look(past))
        await queue.put("bob", Look(future))
        working = asyncio.create_task(queue.work(1))
        while "ada" not in await queue.without_job(["ada", "bob"]):
            await asyncio.sleep(0.1)
        working.cancel()
        await asyncio.wait({working})

    assert with_queue(store, work) == [("ada", Look(past))]
    assert [account for account, _, _ in waiting(store)] == ["bob"]


def test_tables_of_another_form_are_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tables(store)
    first = schema_name()
    form = SchemaManager.get_schema()
    monkeypatch.setattr(SchemaManager, "get_schema", lambda: f"{form}\n-- another\n")
    make_tables(store)
    make_tables(store)
    names = text("SELECT schema_name FROM information_schema.schemata")
    with store.read() as connection:
        found = {name for name in connection.scalars(names) if name.startswith("contact_sync_")}
    assert found == {first, schema_name()}


def test_a_user_without_the_right_to_make_a_schema_is_told_so(
    settings_for: SettingsFor, state_url: str
) -> None:
    role = f"poor_{uuid.uuid4().hex[:8]}"
    with open_store(settings_for(state_url=state_url)) as store:
        with store.write() as connection:
            connection.execute(text(f"CREATE ROLE {role} LOGIN"))
            connection.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"))
        url = store.engine.url.set(username=role).render_as_string(hide_password=False)
        with (
            open_store(settings_for(state_url=url)) as poor,
            pytest.raises(StateError, match=r"GRANT CREATE ON DATABASE\.$"),
        ):
            make_tables(poor)
        with store.write() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
