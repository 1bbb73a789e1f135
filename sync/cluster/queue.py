"""The queue: a job for each account, which waits for the account's next look.

It is Procrastinate's, in a schema of its own of the state database. What is in it is derived: an
account without a job is given one, worked out from the record of its runs. So a job that is lost
costs a minute, and there is nothing to migrate: another version of Procrastinate's tables has
another schema, and hosts of both versions work side by side.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.schema import SchemaManager
from psycopg import AsyncConnection
from psycopg import Error as DatabaseError
from psycopg_pool import PoolTimeout
from sqlalchemy import Connection, func, make_url, select, text
from sqlalchemy.exc import ProgrammingError

from sync.errors import StateError
from sync.state.store import Store

# What a database that is away, or was restarted, makes of any call here.
Unreachable = (ConnectorException, DatabaseError, PoolTimeout, OSError)

_NAME = "contact-sync"
_HEARTBEAT = timedelta(seconds=5)
# A worker that was not heard of for so long is dead. If it is not, it has the account's lock all
# the same, and another host that takes the account finds it locked.
_DEAD_AFTER = timedelta(seconds=20)
# A job that comes due is noticed within so long; one that is put in to be done now, at once.
_POLL = timedelta(seconds=2)
# One fetches and finishes jobs, one is for the worker's looks; notifications have their own.
_CONNECTIONS = 2
_PATIENCE = timedelta(seconds=60)
_MIGRATION_PATIENCE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Look:
    """When to look after an account; `asked_at`: since when it is to be synced though not due."""

    at: datetime
    asked_at: datetime | None = None


# Looks after an account, as it was planned, and returns when to look again; None: never again.
Attend = Callable[[str, Look], Awaitable[Look | None]]


class Queue:
    """The jobs of the accounts that this host knows; made by `open_queue`."""

    def __init__(self, app: App, attend: Attend) -> None:
        self._app = app
        self._jobs = app.job_manager
        self._attend = attend
        self._task = app.task(name="look", queue=_NAME, pass_context=True)(self._work)
        # The jobs in hand, and those that seemed to be left behind when it was last asked.
        self._in_hand: set[int] = set()
        self._worker_id: int | None = None
        self._left_behind: set[int] = set()

    async def work(self, at_once: int) -> None:
        """Take jobs until cancelled, which waits for those in hand; raises one of Unreachable."""
        await self._app.run_worker_async(
            queues=[_NAME],
            name=_NAME,
            concurrency=at_once,
            fetch_job_polling_interval=_POLL.total_seconds(),
            update_heartbeat_interval=_HEARTBEAT.total_seconds(),
            stalled_worker_timeout=_DEAD_AFTER.total_seconds(),
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
        )

    async def put(self, account: str, look: Look) -> None:
        """Let the account wait for a look at this time, or for an earlier one that it waits for."""
        while (wanted := await self._without_others(account, look)) is not None:
            look = wanted
            # Raised when another host has put one in meanwhile, which may be a later one.
            with suppress(AlreadyEnqueued):
                await self._task.configure(
                    lock=account, queueing_lock=account, schedule_at=look.at
                ).defer_async(
                    account=account, asked_at=look.asked_at.isoformat() if look.asked_at else None
                )
                return

    async def _without_others(self, account: str, look: Look) -> Look | None:
        """Take out what the account waits for; returns a look for both, None if that one does."""
        for job in await self._jobs.list_jobs_async(queueing_lock=account, status="todo"):
            there = _look_of(job)
            if there.at <= look.at and (there.asked_at or not look.asked_at):
                return None
            look = Look(min(there.at, look.at), look.asked_at or there.asked_at)
            await self._jobs.cancel_job_by_id_async(_number(job), delete_job=True)
        return look

    async def put_all(self, looks: Mapping[str, Look]) -> None:
        """The same for many accounts; most of them mostly wait already."""
        jobs = await self._jobs.list_jobs_async(queue=_NAME, status="todo")
        there = {str(job.task_kwargs["account"]): job.scheduled_at for job in jobs}
        for account, look in looks.items():
            at = there.get(account)
            if at is None or at > look.at:
                await self.put(account, look)

    async def without_job(self, accounts: Iterable[str]) -> list[str]:
        """Those of the accounts that wait for nothing and are not in hand anywhere."""
        jobs = await self._jobs.list_jobs_async(queue=_NAME)
        return sorted(set(accounts) - {str(job.task_kwargs["account"]) for job in jobs})

    async def take_over(self, now: datetime) -> list[str]:
        """Put back what dead workers have left behind; returns its accounts.

        They are asked for from now on: that hosts die is no failure of an account.
        """
        stalled = await self._jobs.get_stalled_jobs(
            queue=_NAME, seconds_since_heartbeat=_DEAD_AFTER.total_seconds()
        )
        taken = []
        for job in [*stalled, *await self._own_left_behind()]:
            if await self._discard(job):
                account = str(job.task_kwargs["account"])
                await self.put(account, Look(_look_of(job).at, asked_at=now))
                taken.append(account)
        return taken

    async def _own_left_behind(self) -> list[Job]:
        """Jobs of this worker whose end could not be written, since the database was away."""
        if self._worker_id is None:
            return []
        jobs = await self._jobs.list_jobs_async(worker_id=self._worker_id, status="doing")
        ended = {_number(job): job for job in jobs if _number(job) not in self._in_hand}
        # Twice in a row, since one that ends at this moment looks the same.
        twice = [job for number, job in ended.items() if number in self._left_behind]
        self._left_behind = set(ended)
        return twice

    async def _discard(self, job: Job) -> bool:
        """Whether it was this host that did it."""
        try:
            await self._jobs.finish_job(job, Status.FAILED, delete_job=True)
        except ConnectorException:
            return False
        return True

    async def _work(self, context: JobContext, account: str, asked_at: str | None) -> None:  # noqa: ARG002
        job = context.job
        self._worker_id = job.worker_id
        self._in_hand.add(_number(job))
        try:
            again = await self._attend(account, _look_of(job))
            if again is not None:
                await self.put(account, again)
        finally:
            self._in_hand.discard(_number(job))


@asynccontextmanager
async def open_queue(store: Store, attend: Attend) -> AsyncIterator[Queue]:
    """The queue in the state database, whose tables are there."""
    schema = schema_name()

    async def configure(connection: AsyncConnection[Any]) -> None:
        await connection.execute(f'SET search_path TO "{schema}"')
        await connection.commit()

    url = make_url(store.engine.url).set(drivername="postgresql")
    connector = PsycopgConnector(
        conninfo=url.render_as_string(hide_password=False),
        kwargs={"application_name": _NAME},
        configure=configure,
        min_size=1,
        max_size=_CONNECTIONS,
        timeout=_PATIENCE.total_seconds(),
    )
    app = App(connector=connector)
    async with app.open_async():
        yield Queue(app, attend)


def make_tables(store: Store) -> None:
    """Make the queue's tables where there are none; raises StateError."""
    with store.locks.hold("queue", wait=_MIGRATION_PATIENCE), store.write() as connection:
        if _are_there(connection):
            return
        run = connection.execution_options(no_parameters=True).exec_driver_sql
        try:
            run(f'CREATE SCHEMA IF NOT EXISTS "{schema_name()}"')
        except ProgrammingError as error:
            raise _not_made(store, str(error.orig)) from None
        run(f'SET LOCAL search_path TO "{schema_name()}"')
        run(SchemaManager.get_schema())


def find_tables(store: Store) -> bool:
    """Whether the queue's tables are there; raises StateError when they can't be used or made."""
    with store.read() as connection:
        if _are_there(connection):
            if not connection.scalar(select(func.has_schema_privilege(schema_name(), "USAGE"))):
                raise StateError(
                    f"The queue's tables in {store.address} are another user's: let state.url name "
                    "the same user on each host."
                )
            return True
        database = func.current_database()
        if not connection.scalar(select(func.has_database_privilege(database, "CREATE"))):
            raise _not_made(store, "this user may make no schema")
        return False


def _are_there(connection: Connection) -> bool:
    # Not to_regclass, which fails where this user may not look into the schema.
    found = connection.execute(
        text("SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table"),
        {"schema": schema_name(), "table": "procrastinate_jobs"},
    )
    return found.first() is not None


def _not_made(store: Store, reason: str) -> StateError:
    return StateError(
        f"The queue's tables can't be made in {store.address}: {reason}; let this user make a "
        "schema there: GRANT CREATE ON DATABASE."
    )


def schema_name() -> str:
    """Where the tables of this version of Procrastinate are, and of no other."""
    digest = blake2b(SchemaManager.get_schema().encode(), digest_size=4).hexdigest()
    return f"contact_sync_queue_{digest}"


def _look_of(job: Job) -> Look:
    asked_at = job.task_kwargs["asked_at"]
    if job.scheduled_at is None:
        raise ValueError("every job of this queue has a time")
    return Look(job.scheduled_at, datetime.fromisoformat(str(asked_at)) if asked_at else None)


def _number(job: Job) -> int:
    if job.id is None:
        raise ValueError("every job that is in the queue has a number")
    return job.id
