"""The state databases of many accounts in one process.

A database on a server is opened once for all its accounts, and so is the file in which accounts
with files of their own count their requests. An account's own file is opened while it is used, so
that an idle account costs nothing.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from sync.errors import ConfigurationError, StateError
from sync.settings import Settings
from sync.state.store import Store, make_private_folder, open_database


class Stores:
    """Opens them; may be used by several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, Store] = {}
        self._closing = ExitStack()
        self._one_at_a_time = Lock()

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[Store]:
        """The account's state database for the block; raises what `open_store` does."""
        address, folder = settings.state_url, settings.state.directory
        if not address.startswith("sqlite"):
            make_private_folder(folder)
            yield self._keep(address, folder)
            return
        shared = self.shared(settings) if settings.shared_state_url != address else None
        with open_database(address, folder, shared) as store:
            yield store

    def shared(self, settings: Settings) -> Store:
        """Where the account's application is counted; raises what `open_store` does."""
        folder = settings.state.shared_directory or settings.state.directory
        return self._keep(settings.shared_state_url, folder)

    def close(self) -> None:
        """Close those that were kept open."""
        with self._one_at_a_time:
            self._kept.clear()
            self._closing.close()

    def _keep(self, address: str, folder: Path) -> Store:
        with self._one_at_a_time:
            if address not in self._kept:
                opened = open_database(address, folder)
                self._kept[address] = self._closing.enter_context(opened)
            return self._kept[address]


class Reopening:
    """An account's state database, opened for each transaction."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self._stores = stores
        self._settings = settings

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; raises StateError."""
        with self._opened() as store, store.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write, durable at its end; raises StateError."""
        with self._opened() as store, store.write() as connection:
            yield connection

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        try:
            with self._stores.opened(self._settings) as store:
                yield store
        except ConfigurationError as error:
            raise StateError(str(error)) from None
