"""One worker of a cluster: what systemd, a page and `status` are told, and what signals do."""

import json
import signal
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from structlog.testing import capture_logs

from sync.cluster import worker
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_accounts
from sync.state.stores import Stores
from tests.hanging import Hanging
from tests.integration.alerts.conftest import Posts
from tests.integration.cluster.conftest import FleetOf, wait_for
from tests.integration.main_road.office import Office
from tests.integration.main_road.test_service import Systemd

pytestmark = pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)


def test_systemd_is_told_all_that_goes_on(tmp_path: Path, sandbox: Sandbox, state_url: str) -> None:
    options = {"state": [f'url = "{state_url}"'], "cluster": ["enabled = true"]}
    office = Office(tmp_path / "office", sandbox, options=options)
    office.authorize()
    systemd = Systemd(office, tmp_path)
    systemd.wait(lambda: "READY=1" in systemd.told)
    systemd.wait(lambda: "WATCHDOG=1" in systemd.told)
    systemd.wait(lambda: "STATUS=Waiting for what is due" in systemd.told)
    systemd.process.send_signal(signal.SIGUSR1)
    systemd.wait(lambda: systemd.event("sync done"))
    assert list(sandbox.people.audience()) == ["ada@example.com"]
    shown = office.run("status")
    assert shown.code == ExitCode.DONE
    assert f"process {systemd.process.pid}, version" in shown.out
    office.configure(schedule='time = "25:00"')
    systemd.process.send_signal(signal.SIGHUP)
    systemd.wait(lambda: systemd.told.count("READY=1") == 2)
    assert systemd.event("configuration refused, the old one is kept")
    assert systemd.stop() == ExitCode.DONE
    assert systemd.told[-1] == "STOPPING=1"
    assert "Host " not in office.run("status").out


def test_the_page_shows_the_hosts_and_a_second_worker_of_one_does_without(
    fleet_of: FleetOf,
) -> None:
    fleet = fleet_of("ada", "bob", defaults="[status]\nenabled = true\nport = 0\n")
    first, second = fleet.start(), fleet.start()
    wait_for(lambda: fleet.output().count("worker started") == 2, fleet)
    page = f"http://127.0.0.1:{_port(fleet.output(first))}"
    wait_for(
        lambda: requests.get(page, timeout=10).text.count("Waits for what is due.") == 2, fleet
    )
    text = requests.get(page, timeout=10).text
    assert all(f"process {fleet.hosts[host].pid}" in text for host in (first, second))
    fleet.defaults = fleet.defaults.replace("port = 0", f"port = {_port(fleet.output(first))}")
    third = fleet.start()
    wait_for(lambda: "this worker has no page" in fleet.output(third), fleet)
    wait_for(lambda: "worker started" in fleet.output(third), fleet)


def test_a_new_schedule_is_taken_in_by_a_signal(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada")
    host = fleet.start()
    wait_for(lambda: "worker started" in fleet.output(), fleet)
    fleet.schedule = 'cron = "* * * * *"'
    fleet.configure(fleet.folder / host)
    fleet.hosts[host].kill(signal.SIGHUP)
    wait_for(lambda: fleet.equal("ada"), fleet)
    (begun, *_) = [line for line in fleet.output().splitlines() if "sync begins" in line]
    assert json.loads(begun)["why"] == "on schedule"


def test_the_page_tells_of_a_new_account_as_soon_as_it_is_taken_in(fleet_of: FleetOf) -> None:
    fleet = fleet_of("ada", defaults="[status]\nenabled = true\nport = 0\n")
    host = fleet.start()
    wait_for(lambda: "worker started" in fleet.output(), fleet)
    page = f"http://127.0.0.1:{_port(fleet.output())}"
    wait_for(lambda: "Not looked at yet" not in requests.get(page, timeout=10).text, fleet)
    fleet.names = ("ada", "bob")  # whom nobody has authorized
    fleet.configure(fleet.folder / host)
    fleet.hosts[host].kill(signal.SIGHUP)
    wait_for(lambda: "There is no token pair yet" in requests.get(page, timeout=10).text, fleet)


def test_an_account_that_hangs_is_told_of_once(
    fleet_of: FleetOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_ROUND", timedelta(seconds=0.2))
    with Posts() as posts, closing(Stores()) as stores, capture_logs() as log:
        hanging = Hanging(tmp_path, posts, monkeypatch)
        fleet = fleet_of("ada", "bob", alerts=f'webhook_url = "{posts.url}"')
        fleet.configure(fleet.home, ada=f'[api]\nbase_url = "{hanging.url}"\ntimeout = 600\n')
        accounts = load_accounts(fleet.home)
        host = worker.ClusterWorker(
            accounts, stores, fleet.store, reread=lambda: accounts, manager=hanging.manager
        )
        hanging.serve(host.serve, lambda: "sync done" in {entry["event"] for entry in log})
    [(kind, text)] = posts.alerts
    assert kind == "first"
    assert text.startswith("The sync has shown no sign of life since ")
    hung = [entry["account"] for entry in log if entry["event"] == "sync shows no sign of life"]
    assert hung == ["ada"]
    assert fleet.equal("bob")


def _port(log: str) -> int:
    entries = map(json.loads, log.splitlines())
    return next(int(entry["port"]) for entry in entries if entry["event"] == "status page")
