"""A table of people on each kind of database, and as a CSV file; and whole runs."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, insert
from sqlalchemy.engine import make_url

from sync.auth.vault import Vault, open_vault
from sync.recording import Recording
from sync.run import Run
from sync.sandbox import Sandbox
from sync.settings import Settings
from sync.settings.options import Source
from sync.state.store import Store, open_store
from sync.stop import Stop
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock
from tests.integration.auth.conftest import authorize

SourceFor = Callable[..., Source]


@pytest.fixture
def database(state_url: str) -> Iterator[Engine]:
    """An empty database of each kind, for the test to fill."""
    engine = create_engine(state_url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def source_for(database: Engine) -> SourceFor:
    """Options that name the database, as the program gets them."""

    def make(**options: Any) -> Source:
        url = database.url.render_as_string(hide_password=False)
        chunk_rows = options.pop("chunk_rows", 20_000)
        source = Source.model_validate({"url": url, **options})
        return source.model_copy(update={"chunk_rows": chunk_rows})

    return make


def fill(engine: Engine, metadata: MetaData, rows: dict[str, list[dict[str, object]]]) -> None:
    """Make the tables and put the rows into them."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name, values in rows.items():
            connection.execute(insert(metadata.tables[name]), values)


def database_file(engine: Engine) -> Path | None:
    """SQLite's file."""
    url = make_url(engine.url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


@dataclass
class Sync:
    """Runs over one state and one sandbox, with settings that may change."""

    settings_for: SettingsFor
    sandbox: Sandbox
    clock: FakeClock
    stack: ExitStack
    opened: tuple[Store, Vault] | None = None

    def __call__(self, **sections: dict[str, Any]) -> Recording:
        settings = self.settings_for(self.sandbox, None, **sections)
        store, vault = self.opened or self._open(settings)
        return Run(settings, store, vault, stop=Stop(), clock=self.clock).sync()

    def _open(self, settings: Settings) -> tuple[Store, Vault]:
        store = self.stack.enter_context(open_store(settings))
        vault = open_vault(settings, store, create_key=True, clock=self.clock)
        authorize(vault, settings, self.sandbox)
        self.opened = store, vault
        return self.opened

    def next_day(self, days: int = 1) -> None:
        self.clock.advance(dt.timedelta(days=days))
        self.sandbox.advance(dt.timedelta(days=days))


@pytest.fixture
def sync(settings_for: SettingsFor, sandbox: Sandbox) -> Iterator[Sync]:
    for name in ("Customers", "Berlin", "Paris"):
        sandbox.people.add_list(name)
    with ExitStack() as stack:
        yield Sync(settings_for, sandbox, FakeClock(), stack)
