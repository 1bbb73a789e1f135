"""SIGKILL of the program between any two steps of a refresh, on each kind of database."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from sqlalchemy import update

from sync.auth.steps import Step
from sync.errors import ExitCode
from sync.sandbox import Fault
from sync.state.schema import token_pair
from tests.faults import program
from tests.faults.conftest import KILLED, Home
from tests.zygote import Running

OUTSIDE = [Step.LOCKED, Step.READ, Step.BEGUN, Step.STORED, Step.RELEASED]


@pytest.mark.parametrize("step", OUTSIDE)
def test_a_kill_outside_the_window_loses_nothing(home: Home, step: Step) -> None:
    before = home.row().generation
    assert home.renew(program.die_at, step.name).wait() == KILLED
    assert home.row().generation == before + (step in (Step.STORED, Step.RELEASED))
    _goes_on_by_itself(home)
    assert home.row().generation == before + 1


def test_a_kill_after_the_rescue_loses_nothing(home: Home) -> None:
    before = home.row().generation
    assert home.renew(program.die_at, Step.RESCUED.name, True).wait() == KILLED
    assert home.row().generation == before
    assert home.vault().status().rescued_pair_waits
    _goes_on_by_itself(home)
    assert home.row().generation == before + 1
    assert not home.vault().status().rescued_pair_waits


def test_a_kill_between_answer_and_write_is_told_and_one_authorize_recovers(home: Home) -> None:
    assert home.renew(program.die_at, Step.ANSWERED.name).wait() == KILLED
    told = home.check()
    assert told.wait() == ExitCode.AUTHORIZATION
    assert "was lost" in told.output()
    assert "Run contact-sync authorize" in told.output()
    home.authorize()
    _goes_on_by_itself(home)


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("answer", "grace"),
    [("slow", 0), ("slow-body", 10), ("slow-body", 0)],
    ids=["before its commit", "after it, with a grace", "after it"],
)
def test_a_kill_while_the_service_works_on_it_is_settled_by_the_next_start(
    home: Home, answer: Literal["slow", "slow-body"], grace: int
) -> None:
    home.sandbox.settings = replace(home.sandbox.settings, rotation_grace=timedelta(minutes=grace))
    before, given = home.row().generation, home.granted()
    home.sandbox.add_fault(Fault(kind=answer, path="*/token", delay=60, count=1))
    running = home.renew()
    committed = answer == "slow-body"
    while home.row().refresh_begun_at is None or (committed and home.granted() == given):
        assert not running.has_ended(within=0.02)
    running.kill()
    assert running.wait() == KILLED
    assert home.row().generation == before
    if committed and not grace:
        told = home.check()
        assert told.wait() == ExitCode.AUTHORIZATION
        assert "was lost" in told.output()
        home.authorize()
    _goes_on_by_itself(home)
    assert home.row().generation == before + 1


@pytest.mark.parametrize("killed", [True, False])
def test_a_new_pair_that_a_locked_database_keeps_waiting_is_rescued_meanwhile(
    home: Home, killed: bool
) -> None:
    before = home.row().generation
    answered, go = (home.config.with_name(name) for name in ("answered", "go"))
    running = home.renew(program.wait_when_answered, str(answered), str(go))
    while not answered.exists():
        assert not running.has_ended(within=0.02)
    with home.store.write() as theirs:
        theirs.execute(update(token_pair).values(refresh_attempts=0))
        go.touch()
        while not home.vault().status().rescued_pair_waits:
            assert not running.has_ended(within=0.02)
        if killed:
            running.kill()
            assert running.wait() == KILLED
    if not killed:
        assert running.wait() == ExitCode.DONE, running.output()
        assert not home.vault().status().rescued_pair_waits
    _goes_on_by_itself(home)
    assert home.row().generation == before + 1
    assert home.granted() == 2


def test_a_worker_settles_at_its_start_what_a_kill_left(home: Home) -> None:
    before = home.row().generation
    assert home.renew(program.die_at, Step.BEGUN.name).wait() == KILLED
    assert home.row().refresh_begun_at is not None
    with _worker(home) as worker:
        while home.row().generation == before:
            assert not worker.has_ended(within=0.02)
    assert home.row().refresh_begun_at is None
    assert home.works(home.vault().access_token())


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
def test_a_worker_adopts_at_its_start_what_was_rescued(home: Home) -> None:
    before = home.row().generation
    assert home.renew(program.die_at, Step.RESCUED.name, True).wait() == KILLED
    with _worker(home) as worker:
        while home.vault().status().rescued_pair_waits:
            assert not worker.has_ended(within=0.02)
    assert home.row().generation == before + 1
    assert "rescued token pair adopted" in worker.output()


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
def test_a_worker_tells_at_its_start_that_the_authorization_is_lost(home: Home) -> None:
    assert home.renew(program.die_at, Step.ANSWERED.name).wait() == KILLED
    with _worker(home) as worker:
        while home.row().lost_at is None:
            assert not worker.has_ended(within=0.02)
    (told,) = [line for line in worker.output().splitlines() if '"authorization lost"' in line]
    assert "was lost" in told


def test_a_dead_holder_of_the_lock_blocks_nobody(home: Home) -> None:
    ours, theirs = home.context.Pipe()
    holder = home.start(program.hold_the_lock, theirs)
    theirs.close()
    assert ours.recv() == "held"
    waiting = home.renew()
    assert not waiting.has_ended(within=1)
    holder.kill()
    assert waiting.has_ended(within=5)
    assert waiting.wait() == ExitCode.DONE


@pytest.mark.parametrize(
    ("state_url", "with_the_row"),
    [("postgresql", False), ("postgresql", True), ("mariadb", False), ("mariadb", True)],
    indirect=["state_url"],
)
def test_a_host_that_vanishes_with_the_lock_blocks_nobody_for_long(
    home: Home, with_the_row: bool
) -> None:
    ours, theirs = home.context.Pipe()
    holder = home.start(program.hold_the_lock_and_vanish, with_the_row, theirs)
    theirs.close()
    assert ours.recv() == "held"
    try:
        waiting = home.renew()
        assert waiting.wait(within=timedelta(seconds=30)) == ExitCode.DONE
    finally:
        holder.kill()


@contextmanager
def _worker(home: Home) -> Iterator[Running]:
    """The program as a worker, whose next sync is hours away; it stops in peace at the end."""
    running = home.zygote.start("--config", str(home.config), folder=home.config.parent)
    try:
        yield running
        running.kill(signal.SIGTERM)
        assert running.wait() == ExitCode.DONE, running.output()
    finally:
        running.kill()


def _goes_on_by_itself(home: Home) -> None:
    """The next start has a pair that works."""
    next_start = home.check()
    assert next_start.wait() == ExitCode.DONE, next_start.output()
