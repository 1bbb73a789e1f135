"""One sandbox for each test: without limits of pace, and with activities that end at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sync.sandbox import Sandbox, SandboxSettings
from tests.sandbox.client import Client

QUICK = SandboxSettings(
    requests_per_second=None,
    token_calls_per_second=None,
    start_delay=timedelta(0),
    processing_time=timedelta(0),
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=QUICK) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)
