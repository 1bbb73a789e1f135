"""A served page of many accounts."""

from contextlib import ExitStack, closing
from pathlib import Path

import requests

from sync.charge import Charge
from sync.clock import utc_now
from sync.errors import ConfigurationError
from sync.overview import Overview
from sync.settings import Accounts, load_accounts
from sync.state import troubles
from sync.state.stores import Stores
from sync.state.troubles import Told
from sync.status.server import StatusServer
from sync.status.watched import Watched
from tests.agency import Agency


class AgencySite:
    """Accounts that are well, but for those that a test makes ill; no worker runs."""

    def __init__(self, folder: Path, stack: ExitStack, *names: str) -> None:
        self.agency = Agency(folder, shared={"status": "enabled = true\nport = 0"})
        for name in names:
            self.agency.has(name)
            self.agency.authorize(name)
            self.agency.synced(name)
        self.accounts = load_accounts(folder)
        stores = stack.enter_context(closing(Stores()))
        self.charges = {
            name: Charge(settings, stores, utc_now, on_step=lambda: None)
            for name, settings in self.accounts.settings.items()
        }
        self._stores = stores
        self._overview = Overview(
            lambda: list(self.charges.values()), lambda: self.accounts, utc_now
        )
        watched = Watched(
            settings=lambda: self.accounts.any_settings,
            many=True,
            standings=self._overview.standings,
            view=self._overview.view,
        )
        server = StatusServer(watched)
        server.start()
        stack.callback(server.stop)
        self.url = f"http://127.0.0.1:{server.port}"
        self.look()

    def look(self) -> None:
        """What the worker does now and then."""
        for charge in self.charges.values():
            charge.look()

    def has_broken(self, name: str, why: str) -> None:
        """An account whose file is wrong."""
        broken = {**self.accounts.broken, name: ConfigurationError(why)}
        self.accounts = Accounts(self.accounts.place, self.accounts.settings, broken, many=True)

    def people_know(self, account: str, topic: str) -> None:
        """Something is wrong with the account, and was told."""
        settings, now = self.accounts.settings[account], utc_now()
        with self._stores.opened(settings) as store, store.write() as connection:
            troubles.note(connection, account, topic, Told("UNAVAILABLE", now, now))
        self.look()

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)
