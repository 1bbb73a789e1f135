"""A fleet that is disturbed while it works, and what must hold all the same."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import requests
from sqlalchemy import func, select

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Entry
from sync.settings import load_accounts
from sync.state import hosts
from sync.state.schema import api_day, run
from tests.fleet import Fleet
from tests.own_postgresql import OwnPostgresql

# For how many seconds PostgreSQL may keep what need not wait for the disk, three times its
# wal_writer_delay (https://www.postgresql.org/docs/current/wal-async-commit.html), and how long
# after it was told to restart it may still answer.
_UNWRITTEN, _ENDING = 0.6, 2
_DONE = (ExitCode.DONE, ExitCode.DONE_WITH_REJECTS)


@dataclass
class Disturbances:
    """What was done to a fleet: when which process was killed, and when the database restarted."""

    kills: dict[int, datetime] = field(default_factory=dict)
    restarts: list[datetime] = field(default_factory=list)


def ask_for_all(fleet: Fleet, patience: float = 120) -> None:
    """Let every account be synced now, once all hosts are there."""
    alive = [host for host in fleet.hosts.values() if not host.has_ended()]
    wait_until(lambda: len(hosts.present(fleet.store)) >= len(alive), fleet, patience)
    time.sleep(1)
    alive[0].kill(signal.SIGUSR1)


def wait_until(what: Callable[[], object], fleet: Fleet, patience: float) -> None:
    """Wait until something is so; fails with the end of what the hosts have logged."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, fleet.output()[-20_000:]
        time.sleep(0.2)


def synced(fleet: Fleet, since: datetime) -> int:
    """How many accounts have been synced to their end by a run that began since then."""
    done = (
        select(func.count(run.c.account.distinct()))
        .where(run.c.started_at >= since)
        .where(run.c.exit_code.in_([int(code) for code in _DONE]))
    )
    with fleet.store.read() as connection:
        return connection.scalar(done) or 0


def disturb(
    fleet: Fleet,
    postgresql: OwnPostgresql,
    instants: random.Random,
    *,
    since: datetime,
    pause: float,
    patience: float,
) -> Disturbances:
    """Kill a host every `pause` seconds or so until all is synced, and start another each time.

    Half-way the database is restarted, and all access tokens are withdrawn.
    """
    done = Disturbances()
    hosts_at_once = len(fleet.hosts)
    deadline = time.monotonic() + patience
    while (ended := synced(fleet, since)) < len(fleet.names):
        assert time.monotonic() < deadline, fleet.output()[-20_000:]
        time.sleep(instants.uniform(0.5, 1.5) * pause)
        name = instants.choice([name for name, host in fleet.hosts.items() if not host.has_ended()])
        fleet.hosts[name].kill()
        fleet.hosts[name].wait()
        done.kills[fleet.hosts[name].pid] = datetime.now(UTC)
        # One that could not start, since the database had not recovered yet, is started again, too.
        while sum(not host.has_ended() for host in fleet.hosts.values()) < hosts_at_once:
            fleet.start()
        if not done.restarts and ended >= len(fleet.names) / 3:
            fleet.sandbox.revoke_access_tokens()
            time.sleep(instants.uniform(0, 2))
            done.restarts.append(datetime.now(UTC))
            postgresql.restart()
    return done


def two_at_once(fleet: Fleet, done: Disturbances) -> list[str]:
    """Runs of an account that began before the one before it was over; there must be none.

    A run without an end is over when its process was killed, or has lost its lock.
    """
    found = []
    with fleet.store.read() as connection:
        rows = connection.execute(select(run).order_by(run.c.account, run.c.started_at)).all()
    for one, other in pairwise(rows):
        if one.account != other.account:
            continue
        ends = [one.finished_at, done.kills.get(one.pid)]
        ends += [at for at in done.restarts if at >= one.started_at]
        over = min((end for end in ends if end is not None), default=None)
        if over is None or other.started_at < over:
            found.append(f"{one.account}: run {other.id} began before run {one.id} was over")
    return found


def lost_pairs(fleet: Fleet) -> list[str]:
    """Accounts whose pair can't be renewed any more; there must be none."""
    lost = []
    for name, settings in load_accounts(fleet.home).settings.items():
        vault = open_vault(settings, fleet.store)
        token = vault.renew(vault.access_token())
        url = f"{fleet.sandbox.api_url}/contact_lists"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        if answer.status_code != 200:
            lost.append(name)
    return lost


def over_the_limits(
    fleet: Fleet, entries: Sequence[Entry], per_second: int, done: Disturbances
) -> list[str]:
    """Where the hosts together asked for more than pace and quota allow; must be empty."""
    found = [f"request {entry.number} was refused: 429" for entry in entries if entry.status == 429]
    arrivals = sorted(entry.at for entry in entries)
    for first, one_too_many in zip(arrivals, arrivals[per_second:], strict=False):
        if one_too_many - first < 1:
            found.append(f"{per_second + 1} requests within {one_too_many - first:.3f} seconds")
    with fleet.store.read() as connection:
        counted = connection.scalar(select(func.sum(api_day.c.used))) or 0
    forgotten = sum(_may_be_forgotten(entry, done) for entry in entries)
    if counted < len(entries) - forgotten:
        found.append(f"{len(entries)} were sent, {counted} counted, {forgotten} may be forgotten")
    return found


def _may_be_forgotten(entry: Entry, done: Disturbances) -> bool:
    """Whether the database may have lost its power before the request's count was on its disk."""
    since = [entry.at - at.timestamp() for at in done.restarts]
    return any(-_UNWRITTEN <= seconds <= _ENDING for seconds in since)
