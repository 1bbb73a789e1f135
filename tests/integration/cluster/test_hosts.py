"""What hosts do together: one sync a due time, and what one leaves, another goes on with."""

import json
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from sync.clock import utc_now
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.state import hosts
from sync.state.runs import RunRecord, Runs
from sync.state.schema import api_claim
from tests.conftest import QUICK
from tests.fleet import Fleet
from tests.integration.cluster.conftest import FleetOf, wait_for
from tests.integration.main_road.office import IMPORTS

pytestmark = pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)


def imports(sandbox: Sandbox) -> int:
    return sum(1 for entry in sandbox.requests(path=IMPORTS) if entry.method == "POST")


def all_equal(fleet: Fleet) -> bool:
    return all(fleet.equal(name) for name in fleet.names)


def ask(fleet: Fleet, host: str) -> None:
    """Let the accounts be synced now, once the host is there."""
    wait_for(lambda: "worker started" in fleet.output(host), fleet)
    wait_for(lambda: len(hosts.present(fleet.store)) >= len(fleet.hosts), fleet)
    fleet.hosts[host].kill(signal.SIGUSR1)


def test_a_due_time_begins_one_sync_of_each_account_however_many_hosts_there_are(
    fleet_of: FleetOf,
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=75)
    fleet = fleet_of("ada", "bob", "cleo", schedule=f'time = "{soon:%H:%M}"')
    for _ in range(3):
        fleet.start()
    wait_for(lambda: len(fleet.records()) >= 3, fleet)
    wait_for(lambda: all(run.finished_at for run in fleet.records()), fleet)
    assert all_equal(fleet)
    # The looks that come after it, of each host for each account, find nothing due.
    for host in fleet.hosts.values():
        host.kill(signal.SIGHUP)
    wait_for(lambda: fleet.output().count("configuration taken in") == 3, fleet)
    assert [run.exit_code for run in fleet.records()] == [ExitCode.DONE] * 3
    assert all(run.started_at >= soon.replace(second=0, microsecond=0) for run in fleet.records())


def test_what_a_dead_host_had_in_hand_is_gone_on_with_by_another(
    fleet_of: FleetOf, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(QUICK, processing_time=timedelta(hours=1))
    fleet = fleet_of("ada", "bob")
    first = fleet.start()
    ask(fleet, first)
    wait_for(lambda: imports(sandbox) == 2, fleet)
    fleet.start()
    fleet.hosts[first].kill()
    assert fleet.hosts[first].wait() == -signal.SIGKILL
    sandbox.settings = QUICK
    sandbox.advance(timedelta(hours=2))
    wait_for(lambda: len(fleet.records()) == 4, fleet)
    wait_for(lambda: all(run.finished_at for run in fleet.records()[2:]), fleet)
    assert all_equal(fleet)
    # What the dead one had sent is settled, not sent again.
    assert imports(sandbox) == 2
    killed, gone_on = fleet.records()[:2], fleet.records()[2:]
    assert not any(run.finished_at for run in killed)
    assert {run.pid for run in gone_on} == {fleet.hosts["host-2"].pid}
    assert {run.exit_code for run in gone_on} == {ExitCode.DONE}


def test_a_host_that_is_stopped_ends_soon_and_another_goes_on_at_once(
    fleet_of: FleetOf, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(QUICK, processing_time=timedelta(hours=1))
    fleet = fleet_of("ada")
    first = fleet.start()
    ask(fleet, first)
    wait_for(lambda: imports(sandbox) == 1, fleet)
    second = fleet.start()
    wait_for(lambda: "worker started" in fleet.output(second), fleet)
    fleet.hosts[first].kill(signal.SIGTERM)
    assert fleet.hosts[first].wait(within=timedelta(seconds=30)) == ExitCode.DONE
    sandbox.settings = QUICK
    sandbox.advance(timedelta(hours=2))
    wait_for(lambda: [run.exit_code for run in fleet.records()][1:] == [ExitCode.DONE], fleet)
    assert all_equal(fleet)
    assert imports(sandbox) == 1
    assert [host.pid for host in hosts.present(fleet.store)] == [fleet.hosts[second].pid]


def test_what_a_stopped_host_leaves_undone_keeps_its_share_of_the_requests(
    fleet_of: FleetOf, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(QUICK, processing_time=timedelta(hours=1))
    fleet = fleet_of("ada")
    first = fleet.start()
    ask(fleet, first)
    wait_for(lambda: imports(sandbox) == 1, fleet)
    fleet.hosts[first].kill(signal.SIGTERM)
    fleet.hosts[first].wait()
    with fleet.store.read() as connection:
        wants_at = connection.scalar(select(api_claim.c.wants_at))
    assert wants_at is not None
    assert wants_at <= utc_now()


def test_the_hosts_and_what_they_do_are_shown(fleet_of: FleetOf, sandbox: Sandbox) -> None:
    sandbox.settings = replace(QUICK, processing_time=timedelta(hours=1))
    fleet = fleet_of("ada")
    host = fleet.start()
    ask(fleet, host)
    wait_for(lambda: any(each.doing for each in hosts.present(fleet.store)), fleet)
    (shown,) = hosts.present(fleet.store)
    assert shown.pid == fleet.hosts[host].pid
    assert shown.doing[0].startswith("ada: ")
    assert not shown.is_silent(datetime.now(UTC))


def test_an_account_is_left_to_the_hosts_that_know_it(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada", "bob")
    knowing = fleet.start()
    ask(fleet, knowing)
    wait_for(lambda: len(fleet.records()) == 2 and all_equal(fleet), fleet)
    fleet.names = ("ada",)
    ignorant = fleet.start()
    (fleet.folder / ignorant / "bob.toml").unlink(missing_ok=True)
    fleet.names = ("ada", "bob")
    wait_for(lambda: "worker started" in fleet.output(ignorant), fleet)
    fleet.write("bob", 40)
    ask(fleet, knowing)
    wait_for(lambda: forty(fleet), fleet)
    assert all_equal(fleet)
    assert {run.pid for run in forty(fleet)} == {fleet.hosts[knowing].pid}


def forty(fleet: Fleet) -> list[RunRecord]:
    return [run for run in fleet.records() if run.counts.rows_read == 40]


def fail_once_more(fleet: Fleet, host: str) -> None:
    before = fleet.output().count("sync failed")
    ask(fleet, host)
    wait_for(lambda: fleet.output().count("sync failed") > before, fleet)


def test_people_are_told_of_an_account_that_costs_hosts(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada")
    told = fleet.folder / "told"
    fleet.alerts = f'command = ["sh", "-c", "cat >> {told}; echo >> {told}"]'
    for _ in range(10):
        Runs(fleet.store, "ada").begin(utc_now(), dry_run=False)
    for _ in range(2):
        ask(fleet, fleet.start())
    wait_for(lambda: fleet.output().count("sync was killed") >= 2, fleet)
    (alert,) = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert alert["topic"] == "sync"
    assert "was killed 10 times in a row" in alert["text"]
    assert len(fleet.records()) == 10


def test_people_are_told_once_and_not_by_each_host(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada")
    told = fleet.folder / "told"
    script = fleet.folder / "tell"
    script.write_text(f"#!/bin/sh\ncat >> {told}\necho >> {told}\n")
    script.chmod(0o700)
    fleet.alerts = f'command = ["{script}"]'
    for _ in range(3):
        fleet.start()
    fleet.sandbox.withdraw_consent(fleet.numbers["ada"])
    for host in list(fleet.hosts):
        fail_once_more(fleet, host)
    alerts = [json.loads(line) for line in told.read_text().splitlines() if line]
    assert [alert["kind"] for alert in alerts] == ["first"]
