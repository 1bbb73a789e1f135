"""SIGKILL of the real program at random instants while it renews the pair.

After each, either the stored pair works, or the kill fell between the service's commit and the
durable write.
"""

import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.auth.steps import Step
from sync.errors import ExitCode
from tests.conftest import Tell
from tests.faults import program
from tests.faults.conftest import KILLED, Home
from tests.zygote import ROOT

IN_THE_WINDOW = "between the service's commit and the durable write"
# Every so many kills the database takes no new pair, so that it goes to the rescue file.
_DATABASE_FAILS_EVERY = 8
_STARTS_OF_MAIN_PY = 3
_SECONDS_AFTER_THE_FIRST_REQUEST = 0.1


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(7200)
def test_a_pair_survives_kills_of_the_program(
    home: Home, pytestconfig: pytest.Config, tell: Tell
) -> None:
    kills: int = pytestconfig.getoption("kills")
    seed: int = pytestconfig.getoption("seed") or random.SystemRandom().randrange(10**9)
    tell(f"kills of the program, seed {seed}")
    instants = random.Random(seed)
    windows = home.config.with_name("windows")
    windows.touch()
    life = _usual_life(home)
    fates: Counter[str] = Counter()
    while fates.total() < kills:
        before = home.row().generation
        home.sandbox.world.log.clear()
        said = windows.stat().st_size
        number = fates.total()
        database_fails = number % _DATABASE_FAILS_EVERY == 0
        running = home.renew(program.time_the_window, str(windows), database_fails)
        if number % 2:
            running.has_ended(within=instants.uniform(0, life))
        else:
            # The renewal is the first thing after the request that is refused.
            _wait_for_any(home.sandbox.requests, running.has_ended)
            running.has_ended(within=instants.uniform(0, _SECONDS_AFTER_THE_FIRST_REQUEST))
        running.kill()
        if running.wait() == KILLED:
            fates[_fate(home, before, durable=windows.stat().st_size > said)] += 1
    _tell_all(tell, fates, windows)
    assert home.check().wait() == ExitCode.DONE


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
def test_a_pair_survives_kills_of_main_py(home: Home) -> None:
    # The same with whole starts of the interpreter, a few.
    for number in range(_STARTS_OF_MAIN_PY):
        before = home.row().generation
        home.sandbox.revoke_access_tokens()
        home.sandbox.world.log.clear()
        with subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "--config", str(home.config), "check"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _wait_for_any(home.sandbox.requests, process.poll)
            time.sleep(0.02 * number)
            process.kill()
        _fate(home, before, durable=False)


def _fate(home: Home, before: int, *, durable: bool) -> str:
    """What the kill came to; fails when a pair is lost that a program could have kept.

    `durable` says that the killed process had still told that its new pair was on the disk.
    """
    rescued = home.vault().status().rescued_pair_waits
    stored = home.row().generation > before
    token = home.vault().access_token()
    row = home.row()
    if row.lost_at is not None:
        # The service gave a pair to the killed process, and it was not in our hands yet.
        _wait_for_any(home.granted)
        assert home.granted() == 1
        assert row.generation == before
        assert not durable
        assert not rescued
        home.authorize()
        return IN_THE_WINDOW
    if row.generation > before:
        assert home.works(token)
        if rescued:
            return "after the pair was in the rescue file"
        return "after the write" if stored else "in a doubt that the next start settled"
    assert home.granted() == 0
    assert home.works(home.vault().renew(token))
    return "before the request for a pair"


def _usual_life(home: Home) -> float:
    """How long a run lives that nobody disturbs, in seconds."""
    lives = []
    for _ in range(5):
        running = home.renew()
        assert running.wait() == ExitCode.DONE, running.output()
        lives.append(time.monotonic() - running.started)
    return statistics.median(lives)


def _wait_for_any(*events: Callable[[], object]) -> None:
    while not any(event() for event in events):
        time.sleep(0.001)


def _tell_all(tell: Tell, fates: Counter[str], windows: Path) -> None:
    tell(f"{fates.total()} kills of the program:")
    for fate, number in fates.most_common():
        tell(f"{number:>7} {fate}")
    for step, where in ((Step.STORED, "database"), (Step.RESCUED, "rescue file")):
        lines = [line.split() for line in windows.read_text().splitlines()]
        times = [float(seconds) * 1000 for name, seconds in lines if name == step.name]
        tell(
            f"the window, from the answer to the {where}, {len(times)} times: median "
            f"{statistics.median(times):.1f} ms, worst {max(times):.1f} ms"
        )
