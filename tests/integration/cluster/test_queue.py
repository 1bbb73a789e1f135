"""The queue itself, with two hosts that put into it at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sync.cluster.queue import Look, Queue, make_tables, open_queue
from sync.state.store import Store

pytestmark = pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)

_NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
_ACCOUNTS = [f"account-{n}" for n in range(40)]


async def _never(account: str, look: Look) -> Look | None:
    raise AssertionError("no worker runs here")


def test_what_is_asked_for_is_not_lost_to_a_host_that_plans_a_later_look(store: Store) -> None:
    make_tables(store)

    async def put_at_once() -> list[str]:
        later, asked = Look(_NOW + timedelta(days=1)), Look(_NOW, asked_at=_NOW)
        async with open_queue(store, _never) as one, open_queue(store, _never) as other:
            for account in _ACCOUNTS:
                await asyncio.gather(one.put(account, later), other.put(account, asked))
            return await _asked_for(one)

    assert asyncio.run(put_at_once()) == _ACCOUNTS


async def _asked_for(queue: Queue) -> list[str]:
    jobs = await queue._jobs.list_jobs_async()
    asked = {str(job.task_kwargs["account"]) for job in jobs if job.task_kwargs["asked_at"]}
    return [account for account in _ACCOUNTS if account in asked]
