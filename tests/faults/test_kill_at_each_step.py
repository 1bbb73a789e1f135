"""SIGKILL between any two steps of a refresh, then a new start, on each kind of database."""

import pytest

from sync.auth.steps import Step
from tests.faults import program
from tests.faults.conftest import KILLED, Home


@pytest.mark.parametrize("step", [Step.LOCKED, Step.READ, Step.BEGUN, Step.STORED, Step.RELEASED])
def test_a_kill_outside_the_window_loses_nothing(home: Home, step: Step) -> None:
    before = home.row().generation
    assert home.renew(kill_at=step) == KILLED
    kind, token = home.start_again()
    assert kind == "token"
    assert home.works(token)
    renewed = step in (Step.BEGUN, Step.STORED, Step.RELEASED)
    assert home.row().generation == before + renewed


def test_a_kill_between_answer_and_write_is_told_and_one_authorize_recovers(home: Home) -> None:
    assert home.renew(kill_at=Step.ANSWERED) == KILLED
    # The old access token goes on being used; that the refresh token is dead is known at once.
    assert home.start_again()[0] == "token"
    row = home.row()
    assert row.lost_at is not None
    assert "was lost" in str(row.lost_cause)
    home.authorize()
    kind, token = home.start_again()
    assert kind == "token"
    assert home.works(token)


def test_a_dead_holder_of_the_lock_blocks_nobody(home: Home) -> None:
    ours, theirs = home.context.Pipe()
    holder = home.start(program.hold_the_lock, theirs)
    assert ours.recv() == "held"
    waiting = home.start(program.renew, None)
    waiting.join(1)
    assert waiting.exitcode is None
    holder.kill()
    waiting.join(5)
    assert waiting.exitcode == 0
