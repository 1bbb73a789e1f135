"""What the engine's tests run as processes of their own."""

import importlib
import os
import signal
from datetime import timedelta

from sync.auth.vault import open_vault
from sync.run import Run
from sync.settings import Settings
from sync.state.store import open_store
from sync.stop import Stop
from tests.fake_clock import FakeClock


def sync_and_die(settings: Settings, offset: timedelta, module: str, function: str) -> None:
    """Sync when so much time has passed; die by SIGKILL as soon as that function is called."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(importlib.import_module(module), function, die)
    with open_store(settings) as store:
        clock = FakeClock()
        clock.advance(offset)
        vault = open_vault(settings, store, clock=clock)
        Run(settings, store, vault, stop=Stop(), clock=clock).sync()
