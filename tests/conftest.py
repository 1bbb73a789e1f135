"""What tests of several parts need: a state database of each kind, settings, a sandbox."""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from sync.sandbox import Sandbox, SandboxSettings
from sync.settings import Settings
from sync.state.store import Store, open_store
from tests.contract.recording import every_request_is_as_declared
from tests.zygote import Zygote

# The fixture holds for every test.
__all__ = ["every_request_is_as_declared"]

# Without TLS, for which PyMySQL reads all certificates of the system at each connection (30 ms).
SERVERS = {
    "postgresql": os.environ.get(
        "CONTACT_SYNC_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
    ),
    "mariadb": os.environ.get(
        "CONTACT_SYNC_TEST_MARIADB", "mariadb+pymysql://root@127.0.0.1:3306/mysql?ssl_disabled=true"
    ),
}
BACKENDS = ("sqlite", *SERVERS)

# Without limits of pace, and with activities that end at once.
QUICK = SandboxSettings(
    requests_per_second=None,
    token_calls_per_second=None,
    start_delay=timedelta(0),
    processing_time=timedelta(0),
)

SettingsFor = Callable[..., Settings]
Tell = Callable[[str], None]
_TOLD = "told"


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the fault tests go on; `make soak` asks for more."""
    parser.addoption("--kills", type=int, default=200, help="random SIGKILLs of the program")
    parser.addoption("--rounds", type=int, default=100, help="rounds of 32 processes at once")
    parser.addoption("--sequences", type=int, default=300, help="random lives of a company")
    parser.addoption("--seed", type=int, default=None, help="seed of the random instants")


@pytest.fixture
def tell(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print a line that a person wants to see of a test that passes, too: a seed, a measurement.

    A worker of xdist has no terminal; what its tests tell is printed at the end.
    """

    def told(line: str) -> None:
        request.node.user_properties.append((_TOLD, line))
        if not hasattr(request.config, "workerinput"):
            with capsys.disabled():
                print(f"\n{line}", end="", flush=True)

    return told


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print what the tests in xdist's workers told."""
    if not config.getoption("numprocesses", None):
        return
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    for report in reports:
        lines = [line for name, line in report.user_properties if name == _TOLD]
        if report.when == "call" and lines:
            terminalreporter.write_line(report.nodeid, bold=True)
            for line in lines:
                terminalreporter.write_line(f"  {line}")


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A test that calls a command in this process sets up no other test's log."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A quick local Constant Contact."""
    with Sandbox(settings=QUICK) as running:
        yield running


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Starts the real program in milliseconds, for tests that need hundreds of runs."""
    with Zygote() as ready:
        yield ready


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFor:
    """Make settings: for a sandbox, a state database, and any section's options as a dict."""

    def make(
        sandbox: Sandbox | None = None, state_url: str | None = None, **sections: dict[str, Any]
    ) -> Settings:
        oauth = {"client_id": "an-application", "client_secret": "its-secret-of-some-length"}
        api: dict[str, Any] = {"timeout": 5}
        if sandbox is not None:
            oauth = {
                "client_id": sandbox.client_id,
                "client_secret": sandbox.client_secret,
                "authorize_url": sandbox.authorize_url,
                "token_url": sandbox.token_url,
            }
            api["base_url"] = sandbox.api_url
        defaults: dict[str, dict[str, Any]] = {
            "oauth": oauth,
            "api": api,
            "source": {"path": tmp_path / "contacts.csv"},
            "consent": {"all_rows_have_consent": True},
            "lists": {"names": ["Customers"]},
            "state": {"directory": tmp_path / "state", "url": state_url},
            "report": {"directory": tmp_path / "reports"},
        }
        names = defaults.keys() | sections.keys()
        merged: dict[str, Any] = {
            name: {**defaults.get(name, {}), **sections.get(name, {})} for name in names
        }
        return Settings(**merged)

    return make


@pytest.fixture(params=BACKENDS)
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database: on SQLite, PostgreSQL and MariaDB, one after another."""
    backend: str = request.param
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    name = f"contact_sync_test_{uuid.uuid4().hex[:12]}"
    on_server(backend, f"CREATE DATABASE {name}")
    try:
        yield make_url(SERVERS[backend]).set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if backend == "postgresql" else ""
        on_server(backend, f"DROP DATABASE {name}{force}")


@pytest.fixture
def store(settings_for: SettingsFor, state_url: str) -> Iterator[Store]:
    """An opened state database of each kind."""
    with open_store(settings_for(state_url=state_url)) as opened:
        yield opened


@pytest.fixture
def local_store(settings_for: SettingsFor) -> Iterator[Store]:
    """An SQLite state, where the kind of database makes no difference or it alone is meant."""
    with open_store(settings_for()) as opened:
        yield opened


def on_server(backend: str, statement: str) -> None:
    """Run a statement as the test server's administrator; skips when there is no server."""
    engine = create_engine(
        SERVERS[backend], isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    except SQLAlchemyError as error:
        if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1":
            raise
        pytest.skip(f"no {backend} server answers ({type(error).__name__})")
    finally:
        engine.dispose()


def end_connections_of_locks(store: Store) -> None:
    """Let the locks be lost, as by a restart of the server; it leaves the pool of PostgreSQL."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if store.engine.dialect.name == "postgresql":
            end = text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database "
                "WHERE locktype = 'advisory' AND datname = current_database()"
            )
            connection.execute(end)
            return
        sleeping = text(
            "SELECT id FROM information_schema.processlist "
            "WHERE id <> CONNECTION_ID() AND db = DATABASE()"
        )
        for number in connection.scalars(sleeping).all():
            connection.execute(text(f"KILL {number}"))
