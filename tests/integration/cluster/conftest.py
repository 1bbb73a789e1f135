"""Hosts of a cluster: real processes on a real PostgreSQL database."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sync.sandbox import Sandbox
from tests.fleet import Fleet
from tests.zygote import Zygote

FleetOf = Callable[..., Fleet]
_PATIENCE_SECONDS = 90


@pytest.fixture
def fleet_of(tmp_path: Path, sandbox: Sandbox, state_url: str, zygote: Zygote) -> Iterator[FleetOf]:
    """Make a fleet with these accounts; it ends with the test."""
    with ExitStack() as stack:

        def make(*names: str, contacts: int = 30, **more: Any) -> Fleet:
            fleet = Fleet(tmp_path, sandbox, state_url, zygote, names, contacts, **more)
            return stack.enter_context(fleet)

        yield make


def wait_for(what: Callable[[], object], fleet: Fleet) -> None:
    """Wait until something is so; fails with what the hosts have logged."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, fleet.output()
        time.sleep(0.1)
