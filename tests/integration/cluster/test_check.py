"""`check` of a cluster: its extra, its database, its queue, its hosts, each with its mend."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from sync.cli import cluster
from sync.clock import utc_now
from sync.cluster.checking import findings
from sync.cluster.queue import make_tables, schema_name
from sync.errors import ExitCode
from sync.settings import load_accounts
from sync.state import hosts
from sync.state.hosts import Host
from sync.state.store import Store
from sync.surroundings import Finding
from tests.agency import Agency
from tests.conftest import on_server
from tests.integration.cluster.conftest import FleetOf, wait_for

pytestmark = pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)
LIMITED = "contact_sync_test_limited"


@pytest.fixture
def agency(tmp_path: Path, state_url: str) -> Agency:
    """Two accounts that nobody has authorized yet."""
    made = Agency(
        tmp_path / "config", shared={"state": f'url = "{state_url}"', "cluster": "enabled = true"}
    )
    made.has("ada")
    made.has("bob")
    return made


@pytest.fixture
def limited(agency: Agency, store: Store, state_url: str) -> Iterator[Agency]:
    """The user of the database may use the tables that are there, and make no schema."""
    on_server("postgresql", f"CREATE ROLE {LIMITED}")
    try:
        with store.write() as connection:
            for things in ("ALL TABLES IN SCHEMA public", "SCHEMA public"):
                connection.exec_driver_sql(f"GRANT ALL ON {things} TO {LIMITED}")
        agency.share(state=f'url = "{state_url}?options=-crole%3D{LIMITED}"')
        yield agency
    finally:
        with store.write() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {LIMITED}")
        on_server("postgresql", f"DROP ROLE {LIMITED}")


def found(folder: Path) -> dict[str, list[Finding]]:
    told: dict[str, list[Finding]] = {}
    for finding in findings(load_accounts(folder), utc_now()):
        told.setdefault(finding.what, []).append(finding)
    return told


def test_a_cluster_that_works_is_told_host_by_host(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada", "bob")
    fleet.start()
    fleet.start()
    wait_for(lambda: len(hosts.present(fleet.store)) == 2, fleet)
    told = found(fleet.home)
    assert all(finding.well for each in told.values() for finding in each)
    assert "one for all accounts: postgresql" in told["database"][0].sentence
    assert "its tables are there" in told["queue"][0].sentence
    pids = {str(host.pid) for host in fleet.hosts.values()}
    assert {each.sentence.split("process ")[1].split(",")[0] for each in told["hosts"]} == pids


def test_the_command_tells_it_once_for_all_accounts(agency: Agency) -> None:
    done = agency.run("check")
    assert done.code == ExitCode.AUTHORIZATION, done.err
    assert done.out.count("The cluster:") == 1
    assert done.out.count("✓ queue: the first worker that starts makes its tables") == 1
    assert done.out.count("! hosts: no worker is there, so nothing runs by itself") == 1
    assert "service:" not in done.out
    one = agency.run("check", "--account", "ada")
    assert "✓ queue:" in one.out
    assert "! hosts:" in one.out


def test_a_queue_that_can_t_be_made_is_told(limited: Agency, store: Store) -> None:
    (queue,) = found(limited.folder)["queue"]
    assert queue.exit_code is ExitCode.STATE
    assert "GRANT CREATE ON DATABASE" in queue.sentence
    done = limited.run("check")
    assert "✗ queue: The queue's tables can't be made" in done.out
    make_tables(store)
    (queue,) = found(limited.folder)["queue"]
    assert queue.exit_code is ExitCode.STATE
    assert "are another user's" in queue.sentence
    with store.write() as connection:
        connection.exec_driver_sql(f'GRANT ALL ON SCHEMA "{schema_name()}" TO {LIMITED}')
    assert found(limited.folder)["queue"][0].well


def test_accounts_elsewhere_are_told(agency: Agency) -> None:
    agency.has("cleo", state='url = "postgresql+psycopg://x@db.example.com/x"')
    (database,) = found(agency.folder)["database"]
    assert database.exit_code is ExitCode.CONFIGURATION
    assert "state.url is another one for" in database.sentence


def test_hosts_that_are_silent_or_old_are_told(agency: Agency, store: Store) -> None:
    now = utc_now()
    well = Host("1", "alpha", 11, version("contact-sync"), now, now)
    hosts.show(store, replace(well, id="2", name="beta", seen_at=now - timedelta(hours=3)))
    hosts.show(store, replace(well, id="3", name="gamma", version="0.0.1"))
    hosts.show(store, well)
    alpha, beta, gamma = found(agency.folder)["hosts"]
    assert alpha.well
    assert "beta, process 11, was not heard of for 3 h" in beta.sentence
    assert "gamma, process 11, has version 0.0.1" in gamma.sentence
    assert beta.warning
    assert gamma.warning


def test_a_missing_extra_is_told(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = load_accounts(agency.folder)
    for name in [each for each in sys.modules if each.startswith("sync.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    (extra,) = cluster.look(accounts)
    assert extra.exit_code is ExitCode.CONFIGURATION
    assert "pip install 'contact-sync[cluster]'" in extra.sentence
