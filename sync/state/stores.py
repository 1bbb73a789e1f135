"""The state databases of many accounts in one process.

A database on a server is opened once for all its accounts, and so is the file in which accounts
with files of their own count their requests. An account's own file is opened while it is used, so
that an idle account costs nothing.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, make_url

from sync.errors import ConfigurationError, StateError
from sync.settings import Settings
from sync.state.store import Store, make_private_folder, open_database

# Of a file and its log: when it was last written, its size and its number.
Stamp = tuple[int, int, int]
Mark = tuple[Stamp | None, Stamp | None]


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

    def mark(self, settings: Settings) -> Mark | None:
        """What is another one once something was written to the account's own file.

        None when the account has no file of its own.
        """
        url = make_url(settings.state_url)
        if url.get_backend_name() != "sqlite":
            return None
        # What was written is in the log first, until the last who has the file open closes it.
        return _stamp(f"{url.database}"), _stamp(f"{url.database}-wal")

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


def _stamp(file: str) -> Stamp | None:
    try:
        found = os.stat(file)  # noqa: PTH116 (a thousand at once: paths cost more than this)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


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
