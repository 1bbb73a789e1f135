"""How an account stands, seen again and again for years without reading its file each time."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sync.api.limits import Limits
from sync.charge import Charge
from sync.clock import utc_now
from sync.errors import ExitCode
from sync.state import troubles
from sync.state.runs import Runs
from sync.state.store import open_store
from sync.state.stores import Stores
from sync.state.troubles import Told
from sync.status.facts import Facts, Need, Unreadable
from sync.stop import Stop
from tests.agency import Agency
from tests.fake_clock import FakeClock


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    made = Agency(tmp_path / "config")
    made.has("ada")
    made.authorize("ada")
    made.synced("ada")
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def charge(agency: Agency, clock: FakeClock) -> Iterator[Charge]:
    """An account that was looked at."""
    with closing(Stores()) as stores:
        looked_at = Charge(agency.settings("ada"), stores, clock, on_step=lambda: None)
        looked_at.look()
        yield looked_at


def state_file(agency: Agency) -> Path:
    return agency.settings("ada").state.directory / "state.db"


def test_a_file_that_nobody_wrote_is_not_read_again(charge: Charge, agency: Agency) -> None:
    file = state_file(agency)
    there, written = file.read_bytes(), file.stat()
    # As if nobody had: of the same size and time, but nothing that could be read.
    file.write_bytes(bytes(len(there)))
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    charge.look_again()
    assert charge.standing.well
    os.utime(file)
    charge.look_again()
    assert isinstance(charge.standing, Unreadable)
    file.write_bytes(there)
    charge.look_again()
    assert charge.standing.well


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
def test_what_another_process_writes_is_seen(charge: Charge, agency: Agency, closed: bool) -> None:
    now = utc_now()
    with open_store(agency.settings("ada")) as store:
        with store.write() as connection:
            troubles.note(connection, "ada", "sync", Told("UNAVAILABLE", now, now))
        if not closed:  # what was written is still in the log alone
            charge.look_again()
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.need is Need.FAILING


def test_while_a_sync_is_tried_again_it_is_told_why_the_last_one_failed(
    charge: Charge, agency: Agency
) -> None:
    agency.ended("ada", ExitCode.UNAVAILABLE, "The source is away.")
    now = utc_now()
    with open_store(agency.settings("ada")) as store:
        with store.write() as connection:
            troubles.note(connection, "ada", "sync", Told("UNAVAILABLE", now, now))
        Runs(store, "ada").begin(now, dry_run=False)
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.trouble == "The source is away."


def test_so_is_what_time_alone_changes(charge: Charge, clock: FakeClock) -> None:
    assert isinstance(charge.standing, Facts)
    before = charge.standing
    clock.advance(timedelta(seconds=1))
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.now > before.now
    clock.advance(before.next_start.at - clock() + timedelta(hours=2))
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.need is Need.OVERDUE
    assert charge.standing.next_start.missed == before.next_start.at


def test_so_are_the_requests_of_the_application(
    charge: Charge, agency: Agency, clock: FakeClock
) -> None:
    settings = agency.settings("ada")
    with open_store(settings) as store:
        limits = Limits(
            store,
            settings.oauth.client_id,
            per_second=4,
            per_day=100,
            stop=Stop(),
            clock=clock,
        )
        with limits.request():
            pass
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.used == 1


def test_so_is_another_configuration(charge: Charge, agency: Agency) -> None:
    agency.share(api="requests_per_day = 777")
    charge.take_in(agency.settings("ada"))
    charge.look_again()
    assert isinstance(charge.standing, Facts)
    assert charge.standing.per_day == 777
