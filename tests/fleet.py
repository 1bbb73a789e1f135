"""Hosts of a cluster as processes, each with a folder of its own, and the accounts they share."""

import csv
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.sandbox import Sandbox
from sync.sandbox.people import Simulation
from sync.settings import load_accounts
from sync.state.runs import RunRecord, Runs
from sync.state.store import open_database
from tests.zygote import Running, Zygote

_DEFAULTS = """
[oauth]
client_id = "{sandbox.client_id}"
client_secret = "{sandbox.client_secret}"
authorize_url = "{sandbox.authorize_url}"
token_url = "{sandbox.token_url}"
[vault]
key_file = "vault.key"
[api]
base_url = "{sandbox.api_url}"
{api}
[consent]
all_rows_have_consent = true
[lists]
names = ["Customers"]
create_missing = true
[schedule]
{schedule}
[state]
url = "{state_url}"
[alerts]
{alerts}
[cluster]
enabled = true
[worker]
parallel_runs = {at_once}
{defaults}
"""


@dataclass
class Fleet:
    """Some accounts in one state; `start` puts a host beside those that run."""

    folder: Path
    sandbox: Sandbox
    state_url: str
    zygote: Zygote
    names: tuple[str, ...]
    contacts: int
    api: str = "requests_per_second = 1000"
    at_once: int = 2
    schedule: str = 'time = "00:00"'
    alerts: str = ""
    defaults: str = ""
    hosts: dict[str, Running] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    people: dict[str, Simulation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._started = 0
        self._opened = ExitStack()
        self._sources = self.folder / "sources"
        self._sources.mkdir(parents=True)
        self.sandbox.people.add_list("Customers")
        self.configure(self.home)
        self.store = self._opened.enter_context(open_database(self.state_url, self.home / "state"))
        for name in self.names:
            self.write(name, self.contacts)
            account, self.people[name] = self.sandbox.add_account(name, f"{name}@example.com")
            self.numbers[name] = account.number
            self._authorize(name, account.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.kill()
            host.wait()
        self._opened.close()

    @property
    def home(self) -> Path:
        """The folder that each host has a copy of."""
        return self.folder / "home"

    def configure(self, folder: Path, **more: str) -> None:
        """Write the configuration folder; `more` is lines by account."""
        folder.mkdir(parents=True, exist_ok=True)
        defaults = folder / "defaults.toml"
        defaults.touch(mode=0o600)
        defaults.write_text(_DEFAULTS.format(**vars(self)))
        for name in self.names:
            source = f'[source]\npath = "{self._sources / name}.csv"\n'
            (folder / f"{name}.toml").write_text(source + more.get(name, ""))

    def write(self, name: str, contacts: int, first_name: str = "Ada") -> None:
        """Write an account's source."""
        with (self._sources / f"{name}.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(("email", "first_name"))
            lines.writerows((f"{name}.{n}@example.com", first_name) for n in range(contacts))

    def start(self, name: str | None = None) -> str:
        """Start a worker on a new host, or again on one; returns its name."""
        self._started += 1
        name = name or f"host-{self._started}"
        folder = self.folder / name
        self.configure(folder)
        shutil.copy2(self.home / "vault.key", folder)
        self.hosts[name] = self.zygote.start("--config", str(folder), folder=folder)
        return name

    def output(self, *names: str) -> str:
        """What these hosts have logged, or all of them."""
        files = [self.hosts[name].stderr for name in names or self.hosts]
        return "".join(file.read_text() for file in files if file.exists())

    def equal(self, name: str) -> bool:
        """Whether an account holds what its source does."""
        with (self._sources / f"{name}.csv").open() as file:
            wanted = {row["email"]: row["first_name"] for row in csv.DictReader(file)}
        there = self.people[name].audience()
        return wanted == {email: person["first_name"] for email, person in there.items()}

    def records(self) -> list[RunRecord]:
        """Every run of every account, in order."""
        found = [run for name in self.names for run in Runs(self.store, name).last(1000)]
        return sorted(found, key=lambda run: run.id)

    def _authorize(self, name: str, account: int) -> None:
        settings = load_accounts(self.home).settings[name]
        request = begin(settings)
        code = code_from_pasted(request, self.sandbox.press_allow(request.url, account=account))
        answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
        vault = open_vault(settings, self.store, create_key=True)
        vault.keep(answer, encoded_account_id=None)
