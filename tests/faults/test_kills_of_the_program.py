"""SIGKILL of main.py itself at random instants while it renews the pair."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.conftest import KILLED, Home

_MAIN = Path(__file__).resolve().parents[2] / "main.py"


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(3600)
def test_a_pair_survives_kills_of_the_program(
    home: Home, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    kills: int = pytestconfig.getoption("kills") // 20
    seed: int = pytestconfig.getoption("seed") or random.SystemRandom().randrange(10**9)
    instants = random.Random(seed)
    killed = renewed = in_window = 0
    while killed < kills:
        before = home.row().generation
        # The service takes the access token no more, so that the program must renew the pair.
        home.sandbox.revoke_access_tokens()
        granted = home.granted()
        with subprocess.Popen(
            [sys.executable, str(_MAIN), "--config", str(home.config), "check"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _wait_for_a_request(home, process)
            # Most of them early: the renewal is the first thing after the refused request.
            time.sleep(0.15 * instants.random() ** 3)
            process.kill()
        killed += process.returncode == KILLED
        kind, token = home.start_again()
        row = home.row()
        if row.lost_at is not None:
            assert home.granted() == granted + 1
            assert row.generation == before
            in_window += 1
            home.authorize()
            continue
        assert kind == "token"
        if row.generation > before:
            renewed += 1
            assert home.works(token)
        else:
            assert home.granted() == granted
    with capsys.disabled():
        print(
            f"\n{killed} kills of main.py (seed {seed}): {renewed} renewed, {in_window} between "
            f"the service's commit and the durable write, {killed - renewed - in_window} before it"
        )


def _wait_for_a_request(home: Home, process: subprocess.Popen[bytes]) -> None:
    """Until the program has reached the service: its start takes long, and renews nothing."""
    seen = len(home.sandbox.requests())
    while process.poll() is None and len(home.sandbox.requests()) == seen:
        time.sleep(0.005)
