"""Accounts whose claims to requests were taken back by a run by hand, or never noted."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from sync.api.claims import want
from sync.clock import utc_now
from sync.cluster import ClusterWorker
from sync.service import Worker
from sync.service_manager import ServiceManager
from sync.settings import Accounts, load_accounts
from sync.state.schema import api_claim
from sync.state.stores import Stores
from sync.status.facts import gather
from tests.agency import Agency

_NAMES = ("ada", "bob", "cleo")


@pytest.fixture
def accounts(tmp_path: Path, state_url: str) -> Accounts:
    """Three that were synced; of SQLite each with a file of its own."""
    one = "" if state_url.startswith("sqlite") else f'url = "{state_url}"'
    agency = Agency(tmp_path / "config", shared={"state": one})
    for name in _NAMES:
        agency.has(name)
        agency.authorize(name)
        agency.synced(name)
    return load_accounts(agency.folder)


@pytest.fixture
def stores() -> Iterator[Stores]:
    with closing(Stores()) as opened:
        yield opened


def claims(accounts: Accounts, stores: Stores) -> dict[str, datetime | None]:
    with stores.shared(accounts.any_settings).read() as connection:
        rows = connection.execute(select(api_claim.c.account, api_claim.c.wants_at)).all()
    return {row.account: row.wants_at for row in rows}


def look_around(accounts: Accounts, stores: Stores) -> None:
    """What each kind of worker does now and then."""
    settings, manager = accounts.any_settings, ServiceManager({})
    if settings.state_url.startswith("sqlite"):
        Worker(accounts, stores, reread=lambda: accounts, manager=manager)._look_around()
        return
    with stores.opened(settings) as store:
        worker = ClusterWorker(accounts, stores, store, reread=lambda: accounts, manager=manager)
        worker._attending.look_around()


@pytest.mark.parametrize("state_url", ["sqlite", "postgresql"], indirect=True)
def test_a_worker_that_looks_around_notes_what_its_accounts_want(
    accounts: Accounts, stores: Stores
) -> None:
    settings, now = accounts.any_settings, utc_now()
    # A run by hand takes back what it wants, a sync is under way, and of one nothing was noted.
    shared = stores.shared(settings)
    want(shared, settings.oauth.client_id, {"ada": None, "bob": now})
    look_around(accounts, stores)
    found = claims(accounts, stores)
    for name in ("ada", "cleo"):
        with stores.opened(accounts.settings[name]) as store:
            assert found[name] == gather(accounts.settings[name], store, utc_now).next_start.at
    assert found["bob"] == now
