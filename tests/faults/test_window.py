"""The one window in which a kill loses a pair on our side: answer read, write not yet durable."""

import statistics
import time
from datetime import timedelta

from sync.auth.cipher import open_cipher
from sync.auth.steps import Step
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault
from sync.sandbox import Sandbox
from sync.state.store import open_store
from tests.conftest import SettingsFor, Tell
from tests.integration.auth.conftest import authorize

REFRESHES = 50


def test_the_window_is_measured(
    settings_for: SettingsFor,
    sandbox: Sandbox,
    state_url: str,
    tell: Tell,
) -> None:
    settings = settings_for(sandbox, state_url)
    answered = 0.0
    windows: list[float] = []

    def observe(step: Step) -> None:
        nonlocal answered
        if step is Step.ANSWERED:
            answered = time.perf_counter()
        elif step is Step.STORED and answered:
            windows.append(time.perf_counter() - answered)

    with open_store(settings) as store:
        cipher = open_cipher(settings, create=True)
        vault = Vault(settings, store, cipher, TokenEndpoint(settings), observe=observe)
        authorize(vault, settings, sandbox)
        for _ in range(REFRESHES):
            vault.keep_alive(unused_for=timedelta(0))
    assert len(windows) == REFRESHES
    median, worst = statistics.median(windows) * 1000, max(windows) * 1000
    backend = state_url.partition(":")[0]
    tell(f"answer to durable write, {backend}: median {median:.1f} ms, worst {worst:.1f} ms")
