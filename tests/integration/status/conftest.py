"""A worker's page, served."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import requests

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.progress import Shown
from sync.sandbox import Sandbox
from sync.state import troubles
from sync.state.runs import Counts, Runs
from sync.state.store import open_store
from sync.state.troubles import Told
from sync.status.facts import gather
from sync.status.server import StatusServer
from sync.status.watched import HISTORY, View, Watched
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock
from tests.integration.auth.conftest import authorize

DAY = timedelta(days=1)


class Site:
    """A served page, and the account behind it."""

    def __init__(
        self, settings_for: SettingsFor, sandbox: Sandbox, stack: ExitStack, **options: object
    ) -> None:
        self.clock = FakeClock()
        self.settings = settings_for(sandbox, status={"port": 0, "enabled": True, **options})
        self.store = stack.enter_context(open_store(self.settings))
        self.vault = open_vault(self.settings, self.store, create_key=True, clock=self.clock)
        self.account = self.settings.account.name
        self.live: Shown | None = None
        self.watched = Watched(
            settings=lambda: self.settings,
            many=False,
            standings=lambda: [self.view().facts],
            view=lambda account: self.view() if account == self.account else None,
        )
        self.server = StatusServer(self.watched, self.clock)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.server.start()
        stack.callback(self.server.stop)
        authorize(self.vault, self.settings, sandbox)

    def view(self) -> View:
        facts = gather(self.settings, self.store, self.clock, live=self.live)
        return View(self.settings, facts, Runs(self.store, self.account).last(HISTORY))

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=10)

    def ran(self, code: ExitCode, message: str, counts: Counts | None = None) -> int:
        runs = Runs(self.store, self.account)
        number = runs.begin(self.clock(), dry_run=False)
        report = self.settings.report.directory / f"{number}.html"
        report.parent.mkdir(exist_ok=True)
        report.write_text("<title>The report</title>")
        runs.finish(
            number,
            exit_code=code,
            message=message,
            counts=counts or Counts(),
            report=report,
            rejects=None,
            now=self.clock() + timedelta(minutes=2),
        )
        return number

    def people_know(self, topic: str, cause: str) -> None:
        now = self.clock()
        with self.store.write() as connection:
            troubles.note(connection, self.account, topic, Told(cause, now, now))


SiteWith = Callable[..., Site]


@pytest.fixture
def site_with(settings_for: SettingsFor, sandbox: Sandbox) -> Iterator[SiteWith]:
    with ExitStack() as stack:
        yield lambda **options: Site(settings_for, sandbox, stack, **options)


@pytest.fixture
def site(site_with: SiteWith) -> Site:
    return site_with()
