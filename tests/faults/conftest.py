"""An authorized account whose program runs in processes of its own."""

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import requests

from sync.auth.steps import Step
from sync.auth.vault import open_vault
from sync.sandbox import Sandbox
from sync.settings import Settings, load_settings
from sync.state.store import open_store
from sync.state.tokens import StoredPair, read_pair
from tests.faults import program
from tests.integration.auth.conftest import authorize

TOML = """
[oauth]
client_id = "{sandbox.client_id}"
client_secret = "{sandbox.client_secret}"
authorize_url = "{sandbox.authorize_url}"
token_url = "{sandbox.token_url}"
[api]
base_url = "{sandbox.api_url}"
[source]
path = "contacts.csv"
[lists]
names = ["Customers"]
[state]
url = "{state_url}"
"""


@dataclass
class Home:
    """One installation: its configuration, its sandbox, and its program as processes."""

    config: Path
    settings: Settings
    sandbox: Sandbox
    context: ForkServerContext

    def authorize(self) -> None:
        """The person's visit."""
        with open_store(self.settings) as store:
            authorize(
                open_vault(self.settings, store, create_key=True), self.settings, self.sandbox
            )

    def start(self, function: Callable[..., None], *arguments: object) -> BaseProcess:
        """Run a function of `program` in a process of its own."""
        process = self.context.Process(target=function, args=(self.config, *arguments))
        process.start()
        return process

    def renew(self, kill_at: Step | None = None) -> int:
        """Renew in a process that dies after `kill_at`; return its exit code."""
        process = self.start(program.renew, kill_at)
        process.join(60)
        assert process.exitcode is not None
        return process.exitcode

    def start_again(self) -> tuple[str, str]:
        """What a new start gets: ("token", …) or the name and text of the error."""
        ours, theirs = self.context.Pipe()
        process = self.start(program.start_again, theirs)
        theirs.close()
        try:
            outcome: tuple[str, str] = ours.recv()
        finally:
            process.join(60)
        return outcome

    def row(self) -> StoredPair:
        """The account's row."""
        with open_store(self.settings) as store:
            row = read_pair(store, self.settings.account.name)
        assert row is not None
        return row

    def granted(self) -> int:
        """How often the sandbox gave a pair."""
        calls = self.sandbox.requests(path="/oauth2/default/v1/token")
        return sum(1 for entry in calls if entry.status == 200)

    def works(self, token: str) -> bool:
        """Whether the service takes an access token."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.sandbox.api_url}/contact_lists"
        return requests.get(url, headers=headers, timeout=10).status_code == 200


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Children of a server that has the modules loaded, so that each starts in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.program", "sqlalchemy.dialects.sqlite"])
    return context


@pytest.fixture
def home(tmp_path: Path, sandbox: Sandbox, state_url: str, processes: ForkServerContext) -> Home:
    config = tmp_path / "contact-sync.toml"
    config.write_text(TOML.format(sandbox=sandbox, state_url=state_url))
    made = Home(config, load_settings(config), sandbox, processes)
    made.authorize()
    return made


KILLED = -signal.SIGKILL
