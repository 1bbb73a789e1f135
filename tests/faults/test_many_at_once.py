"""Many processes that need a refresh at one instant: one of them calls, all use what it got."""

import time
from datetime import timedelta

import pytest

from tests.conftest import Tell
from tests.faults import program
from tests.faults.conftest import Home

PATIENCE = timedelta(seconds=60).total_seconds()


@pytest.mark.parametrize("many", [2, 32])
@pytest.mark.timeout(1800)
def test_one_refresh_a_round(
    home: Home, many: int, pytestconfig: pytest.Config, tell: Tell
) -> None:
    rounds: int = pytestconfig.getoption("rounds") if many == 32 else 10
    start, end = home.context.Barrier(many + 1), home.context.Barrier(many + 1)
    pipes = [home.context.Pipe() for _ in range(many)]
    workers = [
        home.start(program.need_a_token_at_once, rounds, start, end, theirs) for _, theirs in pipes
    ]
    started = time.monotonic()
    try:
        for _ in range(rounds):
            before = home.granted()
            start.wait(PATIENCE)
            tokens = {ours.recv() for ours, _ in pipes}
            assert len(tokens) == 1
            assert home.works(tokens.pop())
            assert home.granted() == before + 1
            end.wait(PATIENCE)
    finally:
        for worker in workers:
            worker.join(5)
            worker.kill()
    took = (time.monotonic() - started) / rounds
    tell(f"{many} processes, {rounds} rounds: one refresh each, {took * 1000:.0f} ms a round")
