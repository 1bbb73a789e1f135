"""Three hosts of a cluster that are killed again and again, over a database that restarts."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync.sandbox import Sandbox
from tests.conftest import QUICK, Tell
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

ACCOUNTS, CONTACTS, HOSTS, PER_SECOND = 12, 200, 3, 20
PATIENCE = 270


@pytest.fixture
def postgresql() -> Iterator[OwnPostgresql]:
    with own_postgresql() as running:
        yield running


@pytest.mark.timeout(900)
def test_killed_hosts_and_a_restarted_database_lose_nothing_and_do_nothing_twice(
    tmp_path: Path,
    sandbox: Sandbox,
    postgresql: OwnPostgresql,
    zygote: Zygote,
    pytestconfig: pytest.Config,
    tell: Tell,
) -> None:
    seed: int = pytestconfig.getoption("seed") or random.SystemRandom().randrange(10**9)
    tell(f"kills of hosts, seed {seed}")
    sandbox.settings = replace(
        QUICK,
        requests_per_second=PER_SECOND,
        processing_time=timedelta(seconds=1),
        # A kill in the window that no program can close is another test's.
        rotation_grace=timedelta(minutes=10),
    )
    names = tuple(f"account-{number}" for number in range(ACCOUNTS))
    api = f"requests_per_second = {PER_SECOND}\nbatch_contacts = 100"
    with Fleet(tmp_path, sandbox, postgresql.url, zygote, names, CONTACTS, api=api) as fleet:
        for _ in range(HOSTS):
            fleet.start()
        began, since = len(sandbox.requests()), datetime.now(UTC)
        ask_for_all(fleet)
        done = disturb(
            fleet, postgresql, random.Random(seed), since=since, pause=3, patience=PATIENCE
        )
        entries = sandbox.requests(path="/v3", since=began)
        tell(f"kills of hosts: {len(done.kills)}, {len(fleet.records())} runs")
        assert done.restarts
        assert two_at_once(fleet, done) == []
        assert over_the_limits(fleet, entries, PER_SECOND, done) == []
        assert [name for name in names if not fleet.equal(name)] == []
        # Who was killed when all was done leaves a run behind that others end.
        wait_until(lambda: synced(fleet, since) == ACCOUNTS, fleet, PATIENCE)
        assert lost_pairs(fleet) == []
