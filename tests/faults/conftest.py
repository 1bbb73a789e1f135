"""An authorized account whose program runs in processes of its own."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import requests

from sync.auth.vault import Vault, open_vault
from sync.sandbox import Sandbox
from sync.settings import Settings, load_settings
from sync.state.store import Store, open_store
from sync.state.tokens import StoredPair, read_pair
from tests.integration.auth.conftest import visit
from tests.zygote import Running, Zygote

TOML = """
[oauth]
client_id = "{sandbox.client_id}"
client_secret = "{sandbox.client_secret}"
authorize_url = "{sandbox.authorize_url}"
token_url = "{sandbox.token_url}"
[api]
base_url = "{sandbox.api_url}"
requests_per_second = 1000
[source]
path = "contacts.csv"
[consent]
all_rows_have_consent = true
[lists]
names = ["Customers"]
create_missing = true
[schedule]
time = "{hours_away:%H:%M}"
[state]
url = "{state_url}"
"""
KILLED = -signal.SIGKILL


@dataclass
class Home:
    """One installation: its configuration, its sandbox, and its program as processes."""

    config: Path
    settings: Settings
    sandbox: Sandbox
    store: Store
    context: ForkServerContext
    zygote: Zygote

    def authorize(self) -> None:
        """The person's visit."""
        vault = open_vault(self.settings, self.store, create_key=True)
        vault.keep(visit(self.settings, self.sandbox), encoded_account_id=None)

    def start(self, function: Callable[..., None], *arguments: object) -> BaseProcess:
        """Run a function of `program` in a process of its own."""
        process = self.context.Process(target=function, args=(self.config, *arguments))
        process.start()
        return process

    def renew(self, first: Callable[..., None] | None = None, *given: Any) -> Running:
        """Start the program when the service takes the access token no more.

        So it must renew the pair. `first` is called in its process before it, with what is given.
        """
        self.sandbox.revoke_access_tokens()
        return self.check(first, *given)

    def check(self, first: Callable[..., None] | None = None, *given: Any) -> Running:
        """Start `contact-sync check`, which needs the pair for what it asks of the service."""
        config = str(self.config)
        return self.zygote.start(
            "--config", config, "check", folder=self.config.parent, first=first, given=given
        )

    def vault(self) -> Vault:
        """The vault of a process that knows nothing but what is stored."""
        return open_vault(self.settings, self.store)

    def row(self) -> StoredPair:
        """The account's row."""
        row = read_pair(self.store, self.settings.account.name)
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
def home(
    tmp_path: Path, sandbox: Sandbox, state_url: str, processes: ForkServerContext, zygote: Zygote
) -> Iterator[Home]:
    config = tmp_path / "contact-sync.toml"
    config.touch(mode=0o600)
    config.write_text(
        TOML.format(
            sandbox=sandbox, state_url=state_url, hours_away=datetime.now(UTC) + timedelta(hours=12)
        )
    )
    (tmp_path / "contacts.csv").write_text("email\nada@example.com\n")
    settings = load_settings(config)
    with open_store(settings) as store:
        made = Home(config, settings, sandbox, store, processes, zygote)
        made.authorize()
        yield made
