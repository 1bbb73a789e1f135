"""SIGKILL of the program at random instants of a large sync: nobody is missing, nothing is wrong.

A journey is one company's first sync, killed and started again until it is through. Its kills are
spread over all of a run, from its start to its end.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.conftest import QUICK, Tell
from tests.faults.conftest import KILLED
from tests.integration.main_road.office import Office
from tests.zygote import Running, Zygote

PEOPLE = 50_000
BATCH = 2_500
KILLS = 100
SHARDS = 2
# So many kills of one journey at most, so that there are several journeys.
_OF_ONE = 10


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(3600)
def test_a_large_sync_arrives_whole_however_often_it_is_killed(
    shard: int,
    tmp_path: Path,
    zygote: Zygote,
    pytestconfig: pytest.Config,
    tell: Tell,
) -> None:
    wanted = max(KILLS, pytestconfig.getoption("kills") // 2) // SHARDS
    seed = pytestconfig.getoption("seed") or random.SystemRandom().randrange(10**9)
    tell(f"kills of a sync, seed {seed}")
    chance = random.Random(seed + shard)
    kills, journeys, longest, twice = 0, 0, 2.0, 0
    while kills < wanted:
        with Sandbox(settings=replace(QUICK, fast=True, processing_time=_waits(chance))) as sandbox:
            office = _office(tmp_path / f"journey-{journeys}", sandbox)
            done = _Journey(office, zygote, chance)
            kills += done.travel(min(_OF_ONE, wanted - kills), longest)
            # The next one's kills are as late as this one's longest run.
            longest = max(done.seconds, longest)
            _is_whole(sandbox)
            sent = _times_sent(office)
            assert len(sent) == PEOPLE
            assert max(sent.values()) <= 2, f"seed {seed}"
            twice += sum(1 for times in sent.values() if times == 2)
            before = len(office.imports())
            assert done.run_on() == ExitCode.DONE
            assert len(office.imports()) == before
        journeys += 1
    tell(
        f"{kills} kills in {journeys} journeys of {PEOPLE:,} contacts: {twice} contacts were sent "
        "twice"
    )


class _Journey:
    """One sync of one company, in as many runs as it takes."""

    def __init__(self, office: Office, zygote: Zygote, chance: random.Random) -> None:
        self._office = office
        self._zygote = zygote
        self._chance = chance
        self.seconds = 0.0
        """How long the longest run that was not killed took."""

    def travel(self, most: int, longest: float) -> int:
        """Until a run is through; returns how often it was killed."""
        kills = 0
        while kills < most:
            running = self._start()
            if not running.has_ended(within=self._chance.uniform(0, longest)):
                running.kill()
            code = running.wait()
            if code != KILLED:
                assert code == ExitCode.DONE, running.output()
                self.seconds = time.monotonic() - running.started
                return kills
            kills += 1
        self.run_on()
        return kills

    def run_on(self) -> int:
        """A run that is not killed."""
        running = self._start()
        code = running.wait()
        assert code == ExitCode.DONE, running.output()
        self.seconds = max(self.seconds, time.monotonic() - running.started)
        return code

    def _start(self) -> Running:
        return self._zygote.start(
            "--config", str(self._office.config), "--run-now", folder=self._office.folder
        )


def _office(folder: Path, sandbox: Sandbox) -> Office:
    api = [f"batch_contacts = {BATCH}", "batches_in_flight = 3"]
    office = Office(folder, sandbox, options={"api": api})
    office.authorize()
    office.contacts.write_text("email,first name\n" + "".join(_rows()))
    return office


def _rows() -> Iterator[str]:
    return (f"p{number}@example.com,Name {number}\n" for number in range(PEOPLE))


def _waits(chance: random.Random) -> timedelta:
    """Some imports are done at once, others must be waited for."""
    return timedelta(milliseconds=chance.choice([0, 50, 400]))


def _is_whole(sandbox: Sandbox) -> None:
    """Everybody is there, on the list, with what the source says, and nobody else is."""
    assert sandbox.people.count() == PEOPLE  # also works on what was put aside
    [wanted] = [one.seq for one in sandbox.people.lists() if one.name == "Customers"]
    sql = (
        "SELECT email, doc, members FROM contact JOIN list_set ON list_set.seq = list_set"
        " WHERE deleted_at IS NULL"
    )
    there = {
        email: (orjson.loads(doc)["first_name"], orjson.loads(members))
        for email, doc, members in sandbox.world.database.all(sql)
    }
    assert there == {
        f"p{number}@example.com": (f"Name {number}", [wanted]) for number in range(PEOPLE)
    }


def _times_sent(office: Office) -> Counter[str]:
    """How often each contact was in an import that reached the service."""
    return Counter(
        contact["email"] for entry in office.imports() for contact in entry.body["import_data"]
    )
