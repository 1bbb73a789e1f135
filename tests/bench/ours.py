"""The real program on four days: a first sync, nothing changed, some changed, some gone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from sync.auth.token_answer import TokenAnswer
from sync.auth.vault import open_vault
from sync.clock import utc_now
from sync.settings import load_settings
from sync.state.store import open_store
from tests.bench.measured import Cost
from tests.bench.people import People
from tests.bench.server import FIELD, Served, Server, running
from tests.conftest import SERVERS, on_server

ROOT = Path(__file__).resolve().parents[2]
FIRST = "first sync"
UNCHANGED = "nothing changed"
CHANGED = "0.1 % changed"
FEWER = "1 % gone, 0.1 % emptied"
STATES = ("sqlite", *SERVERS)
_CONFIGURATION = """\
[oauth]
client_id = "bench"
client_secret = "not-asked-for"
authorize_url = "{server}/authorize"
token_url = "{server}/token"
[api]
base_url = "{server}/v3"
requests_per_second = 1000
requests_per_day = 10_000_000
[source]
path = "contacts.csv"
[mapping]
custom_fields = {{ {field} = "{field}" }}
[consent]
all_rows_have_consent = true
[lists]
names = ["Customers"]
[state]
{state}
"""


def days(people: People, state: str) -> Iterator[tuple[str, Cost, Served]]:
    """Each day, what it cost, and what it cost the server; `state` is one of STATES."""
    with TemporaryDirectory() as made, running() as server, _state(state) as url:
        folder = Path(made)
        config = _configure(folder, server, url)
        source = folder / "contacts.csv"
        for day, path, sent in (
            (FIRST, people.csv, people.contacts),
            (UNCHANGED, people.csv, 0),
            (CHANGED, people.changed_csv, people.changed),
            (FEWER, people.fewer_csv, people.emptied),
        ):
            source.unlink(missing_ok=True)
            source.symlink_to(path)
            command = [sys.executable, str(ROOT / "main.py"), "--config", str(config), "--run-now"]
            yield day, *server.measure(command, folder=folder, contacts=sent)


@contextmanager
def _state(kind: str) -> Iterator[str | None]:
    """The address of an empty database; None for SQLite, whose file is made in the folder."""
    if kind == "sqlite":
        yield None
        return
    name = f"contact_sync_bench_{uuid4().hex[:12]}"
    try:
        on_server(kind, f"CREATE DATABASE {name}")
    except pytest.skip.Exception as absent:
        raise SystemExit(str(absent)) from None
    try:
        yield make_url(SERVERS[kind]).set(database=name).render_as_string(hide_password=False)
    finally:
        on_server(kind, f"DROP DATABASE {name}" + " WITH (FORCE)" * (kind == "postgresql"))


def _configure(folder: Path, server: Server, state_url: str | None) -> Path:
    """Write the configuration, and keep a token pair that is good for today."""
    config = folder / "contact-sync.toml"
    state = f'url = "{state_url}"' if state_url else ""
    text = _CONFIGURATION.format(server=server.url, field=FIELD, state=state)
    config.touch(mode=0o600)
    config.write_text(text, encoding="utf-8")
    settings = load_settings(config)
    now = utc_now()
    pair = TokenAnswer(
        access_token=os.urandom(16).hex(),
        refresh_token=os.urandom(16).hex(),
        scope=" ".join(settings.oauth.scopes),
        expires_in=timedelta(days=1),
        requested_at=now,
        received_at=now,
    )
    with open_store(settings) as store:
        open_vault(settings, store, create_key=True).keep(pair, encoded_account_id=None)
    return config
