"""A signal that ends the program while the service renews the pair."""

import signal
import time

import pytest

from sync.errors import ExitCode
from sync.sandbox import Fault
from tests.faults import program
from tests.faults.conftest import Home


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGINT, ExitCode.BUSY),
    ],
)
def test_a_signal_waits_until_the_new_pair_is_safe(
    home: Home, number: signal.Signals, code: int
) -> None:
    before = home.row().generation
    begun = home.config.with_name("begun")
    home.sandbox.add_fault(Fault(kind="slow", path="*/token", delay=1))
    running = home.renew(program.tell_when_a_refresh_begins, str(begun))
    while not begun.exists():
        assert not running.has_ended()
        time.sleep(0.005)
    running.kill(number)
    assert running.wait() == code, running.output()
    assert home.row().generation == before + 1
    assert home.row().refresh_begun_at is None
    assert home.check().wait() == ExitCode.DONE
