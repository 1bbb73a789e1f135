"""What the fault tests run as a process of its own, to be killed."""

import os
import signal
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sync.auth.cipher import open_cipher
from sync.auth.steps import Observer, Step, unobserved
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault
from sync.errors import ContactSyncError
from sync.settings import Settings, load_settings
from sync.state.store import Store, open_store
from tests.fake_clock import FakeClock


def renew(config: Path, kill_at: Step | None, ready: Connection | None = None) -> None:
    """Renew the pair, needed or not; die by SIGKILL right after `kill_at`."""
    settings = load_settings(config)

    def die_at(step: Step) -> None:
        if step is kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_store(settings) as store:
        vault = _vault(settings, store, die_at)
        if ready is not None:
            ready.send("ready")
        vault.keep_alive(unused_for=timedelta(0))


def start_again(config: Path, answer: Connection) -> None:
    """What the next start does: ask for a token; send it, or the name of what was raised."""
    settings = load_settings(config)
    with open_store(settings) as store:
        vault = _vault(settings, store, unobserved)
        try:
            answer.send(("token", vault.access_token()))
        except ContactSyncError as error:
            answer.send((type(error).__name__, str(error)))


def need_a_token_at_once(
    config: Path, rounds: int, start: Barrier, end: Barrier, answer: Connection
) -> None:
    """Ask for a token with many others, round after round, each time a day later."""
    settings = load_settings(config)
    with open_store(settings) as store:
        clock = FakeClock()
        vault = Vault(settings, store, open_cipher(settings), TokenEndpoint(settings, clock), clock)
        for _ in range(rounds):
            clock.advance(timedelta(days=1))
            start.wait()
            try:
                answer.send(vault.access_token())
            except ContactSyncError as error:
                answer.send(repr(error))
            end.wait()


def hold_the_lock(config: Path, ready: Connection) -> None:
    """Take the vault's lock and keep it until killed."""
    settings = load_settings(config)
    with (
        open_store(settings) as store,
        store.locks.hold(f"vault-{settings.account.name}", wait=timedelta(seconds=5)),
    ):
        ready.send("held")
        time.sleep(600)


def _vault(settings: Settings, store: Store, observe: Observer) -> Vault:
    clock = FakeClock()
    endpoint = TokenEndpoint(settings, clock)
    return Vault(settings, store, open_cipher(settings), endpoint, clock, observe=observe)


def renew_again_and_again(config: Path, times: int, answer: Connection) -> None:
    """Renew with one vault that lives on, as a worker's does; send what went wrong."""
    settings = load_settings(config)
    wrong = []
    with open_store(settings) as store:
        vault = _vault(settings, store, unobserved)
        for _ in range(times):
            try:
                vault.keep_alive(unused_for=timedelta(0))
                vault.access_token()
            except ContactSyncError as error:
                wrong.append(repr(error))
    answer.send(wrong)
