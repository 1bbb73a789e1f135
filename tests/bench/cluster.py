"""Hosts of a cluster at size: how fast one, two and three are, and what holds when they are killed.

Run it from the project: python -m tests.bench.cluster. Each host is a process with a folder of its
own; the database is a PostgreSQL server of this benchmark, which is restarted once.
"""

import argparse
import logging
import os
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import text

from sync.sandbox import Sandbox, SandboxSettings
from tests.disturbed import (
    ask_for_all,
    disturb,
    lost_pairs,
    over_the_limits,
    synced,
    two_at_once,
    wait_until,
)
from tests.fleet import Fleet
from tests.own_postgresql import OwnPostgresql, own_postgresql
from tests.zygote import Zygote

# Of an own contract, so that the hosts are measured and not the pace of four a second.
_PER_SECOND = 100
_TICKS = os.sysconf("SC_CLK_TCK")
_SANDBOX = SandboxSettings(
    fast=True,
    requests_per_second=_PER_SECOND,
    requests_per_day=None,
    token_calls_per_second=None,
    start_delay=timedelta(0),
    processing_time=timedelta(seconds=0.5),
    request_log_bytes=0,
    rotation_grace=timedelta(minutes=10),
)
_API = f"requests_per_second = {_PER_SECOND}\nrequests_per_day = 1000000"


@dataclass(frozen=True, slots=True)
class Speed:
    """What a number of hosts took for the first syncs of all accounts."""

    hosts: int
    seconds: float
    cpu_of_hosts: float
    cpu_of_database: float
    connections: int


def main() -> None:
    """Measure, rehearse, and print both."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--accounts", type=int, default=200)
    asked.add_argument("--contacts", type=int, default=5_000)
    asked.add_argument("--measured", type=int, default=30, help="accounts of the throughput")
    asked.add_argument("--at-once", type=int, default=2, help="runs at once on a host")
    asked.add_argument("--pause", type=float, default=5, help="seconds between kills")
    asked.add_argument("--patience", type=float, default=7200)
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    given = asked.parse_args()
    # That each pair was renewed is said once for all of them.
    only_warnings = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=only_warnings)
    if given.measured:
        print(
            "| hosts | seconds | accounts a minute | contacts a second "
            "| CPU seconds an account: hosts, database | connections |\n|---|---|---|---|---|---|"
        )
        for hosts in (1, 2, 3):
            speed = _measure(hosts, given.measured, given.contacts, given.at_once)
            print(
                f"| {hosts} | {speed.seconds:.0f} | {60 * given.measured / speed.seconds:.0f} "
                f"| {given.measured * given.contacts / speed.seconds:,.0f} "
                f"| {speed.cpu_of_hosts / given.measured:.2f}, "
                f"{speed.cpu_of_database / given.measured:.2f} | {speed.connections} |",
                flush=True,
            )
    if given.accounts:
        _rehearse(given)


def _measure(hosts: int, accounts: int, contacts: int, at_once: int) -> Speed:
    with (
        tempfile.TemporaryDirectory() as folder,
        own_postgresql() as postgresql,
        Sandbox(settings=_SANDBOX) as sandbox,
        Zygote() as zygote,
        _fleet(Path(folder), sandbox, postgresql, zygote, accounts, contacts, at_once) as fleet,
    ):
        for _ in range(hosts):
            fleet.start()
        since, began = datetime.now(UTC), time.monotonic()
        ask_for_all(fleet)
        began, most = time.monotonic(), 0
        cpu = _cpu(fleet), _cpu_of_database(postgresql)
        while synced(fleet, since) < accounts:
            time.sleep(0.2)
            most = max(most, _connections(fleet))
        return Speed(
            hosts,
            time.monotonic() - began,
            _cpu(fleet) - cpu[0],
            _cpu_of_database(postgresql) - cpu[1],
            most,
        )


def _rehearse(given: argparse.Namespace) -> None:
    print(f"\nThe rehearsal, seed {given.seed}:", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        own_postgresql() as postgresql,
        Sandbox(settings=_SANDBOX) as sandbox,
        Zygote() as zygote,
        _fleet(
            Path(folder), sandbox, postgresql, zygote, given.accounts, given.contacts, given.at_once
        ) as fleet,
    ):
        for _ in range(3):
            fleet.start()
        number, since, began = len(sandbox.requests()), datetime.now(UTC), time.monotonic()
        ask_for_all(fleet)
        done = disturb(
            fleet,
            postgresql,
            random.Random(given.seed),
            since=since,
            pause=given.pause,
            patience=given.patience,
        )
        took = time.monotonic() - began
        wait_until(lambda: not _under_way(fleet), fleet, 120)
        entries = sandbox.requests(path="/v3", since=number)
        runs = fleet.records()
        print(f"- {given.accounts} accounts of {given.contacts:,} contacts in {took:,.0f} seconds")
        print(
            f"- {len(done.kills)} kills, {len(done.restarts)} restart of the database; {len(runs)} "
            f"runs, {sum(run.finished_at is None for run in runs)} of them without an end; "
            f"{len(entries):,} requests"
        )
        unequal = [name for name in fleet.names if not fleet.equal(name)]
        for claim, failures in (
            ("every account ends equal to its source", unequal),
            ("never two runs of an account at once", two_at_once(fleet, done)),
            ("no token pair lost", lost_pairs(fleet)),
            (
                "pace and quota held over all hosts",
                over_the_limits(fleet, entries, _PER_SECOND, done),
            ),
        ):
            print(f"- {claim}: {'; '.join(failures[:5]) or 'yes'}", flush=True)


def _fleet(
    folder: Path,
    sandbox: Sandbox,
    postgresql: OwnPostgresql,
    zygote: Zygote,
    accounts: int,
    contacts: int,
    at_once: int,
) -> Fleet:
    names = tuple(f"account-{number:03}" for number in range(accounts))
    return Fleet(
        folder / "fleet",
        sandbox,
        postgresql.url,
        zygote,
        names,
        contacts,
        api=_API,
        at_once=at_once,
    )


def _under_way(fleet: Fleet) -> bool:
    """Whether a process that lives has a run that goes on."""
    alive = {host.pid for host in fleet.hosts.values() if not host.has_ended()}
    return any(run.finished_at is None and run.pid in alive for run in fleet.records())


def _connections(fleet: Fleet) -> int:
    count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    with fleet.store.read() as connection:
        return connection.scalar(count) or 0


def _cpu(fleet: Fleet) -> float:
    """Seconds that the hosts have used."""
    return sum(_cpu_of(host.pid) for host in fleet.hosts.values())


def _cpu_of_database(postgresql: OwnPostgresql) -> float:
    """Seconds that the server and all its processes have used, those that have ended included."""
    parent = postgresql.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return _cpu_of(parent, ended=True) + sum(_cpu_of(int(child)) for child in children)


def _cpu_of(pid: int, *, ended: bool = False) -> float:
    # proc(5): utime, stime, and those of children that were waited for.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if ended else 13])) / _TICKS


if __name__ == "__main__":
    main()
