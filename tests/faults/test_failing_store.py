"""A disk that is full or read-only, a database that is gone: at each step of a refresh."""

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.engine import URL, make_url

from sync.auth.cipher import open_cipher
from sync.auth.rescue import Rescue
from sync.auth.steps import Step
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import Vault
from sync.errors import ConfigurationError, LockLost, StateError
from sync.sandbox import Sandbox
from sync.settings import Settings
from sync.state.schema import token_pair
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor, end_connections_of_locks, on_server
from tests.integration.auth.conftest import authorize

NEVER = timedelta(0)


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave not a block."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while filler.write(b"x" * 65536):
                    pass
            with contextlib.suppress(OSError):
                while filler.write(b"x" * 64):
                    pass

    def empty(self) -> None:
        (self.folder / "filler").unlink()

    def hide(self) -> None:
        """Put an empty, read-only file system in front of the state directory."""
        _mount("-t", "tmpfs", "-o", "ro", "tmpfs", str(self.folder / "state"))

    def turn_read_only(self) -> None:
        """Let the state directory's own files be read, and nothing be written."""
        state = str(self.folder / "state")
        _mount("--bind", state, state)
        _mount("-o", "remount,bind,ro", state)

    def show(self) -> None:
        """Take away what was put there."""
        subprocess.run(["umount", "--lazy", str(self.folder / "state")], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError):
        if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1" and os.geteuid() == 0:
            raise
        pytest.skip("no right to mount a small file system")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Case:
    """A vault that must refresh, and something that happens after one of the steps."""

    def __init__(self, settings: Settings, store: Store, sandbox: Sandbox) -> None:
        self.settings, self.store, self.sandbox = settings, store, sandbox
        self.at: Step | None = None
        self.happens: Callable[[], None] = lambda: None
        self.vault = self.new_start()
        authorize(self.vault, settings, sandbox)
        self.calls = self._calls()

    def new_start(self) -> Vault:
        """The vault of a process that knows nothing but the disk."""
        endpoint = TokenEndpoint(self.settings)
        cipher = open_cipher(self.settings, create=True)
        vault = Vault(self.settings, self.store, cipher, endpoint, observe=self._observe)
        vault._custody.safekeeping._patience = NEVER
        vault._custody.safekeeping._last_patience = NEVER
        return vault

    def renew(self) -> None:
        self.vault.keep_alive(unused_for=timedelta(0))

    def lose(self, disk: Callable[[], None]) -> None:
        """Let something happen to the disk; open files are closed, as a new start would."""
        self.store.engine.dispose()
        disk()

    def sent(self) -> int:
        """How many calls of the token endpoint there were since the start."""
        return self._calls() - self.calls

    def _calls(self) -> int:
        return len(self.sandbox.requests(path="/oauth2/default/v1/token"))

    def _observe(self, step: Step) -> None:
        if step is self.at:
            self.at = None
            self.happens()


@pytest.fixture
def case(
    disk: Disk, settings_for: SettingsFor, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    elsewhere = disk.folder.parent / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    settings = settings_for(sandbox, state={"directory": disk.folder / "state"})
    with open_store(settings) as store:
        made = Case(settings, store, sandbox)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        yield made
    Rescue._memory.clear()


@pytest.mark.parametrize("step", [Step.LOCKED, Step.READ])
@pytest.mark.parametrize("what", ["fill", "hide", "turn_read_only"])
def test_a_disk_that_takes_nothing_stops_before_the_token_is_spent(
    case: Case, disk: Disk, step: Step, what: str
) -> None:
    case.at, case.happens = step, lambda: case.lose(getattr(disk, what))
    # At once after the lock it is the hidden key file that is missed first.
    with pytest.raises((StateError, ConfigurationError), match=r"key file|run again"):
        case.renew()
    assert case.sent() == 0
    disk.empty() if what == "fill" else disk.show()
    case.renew()
    assert case.sent() == 1


@pytest.mark.parametrize("step", [Step.BEGUN, Step.ANSWERED])
def test_a_disk_that_fills_up_once_the_refresh_is_journalled_still_takes_the_rescue_file(
    case: Case, disk: Disk, step: Step
) -> None:
    case.at, case.happens = step, lambda: case.lose(disk.fill)
    with pytest.raises(StateError, match="safe in the rescue file"):
        case.renew()
    assert case.vault.status().rescued_pair_waits
    case.lose(disk.fill)
    with pytest.raises(StateError):
        case.new_start().access_token()
    disk.empty()
    restarted = case.new_start()
    _adopts(restarted, case)


@pytest.mark.parametrize("step", [Step.BEGUN, Step.ANSWERED])
@pytest.mark.parametrize("what", ["hide", "turn_read_only"])
def test_a_folder_that_takes_nothing_more_sends_the_rescue_elsewhere(
    case: Case, disk: Disk, step: Step, what: str
) -> None:
    case.at, case.happens = step, lambda: case.lose(getattr(disk, what))
    with pytest.raises(StateError, match="safe in the rescue file"):
        case.renew()
    (rescued,) = Path(tempfile.gettempdir()).glob("rescued-pair-*")
    assert rescued.stat().st_mode & 0o077 == 0
    disk.show()
    _adopts(case.new_start(), case)
    assert not rescued.exists()


def test_with_no_place_at_all_the_pair_stays_in_memory_and_is_stored_when_it_can_be(
    case: Case, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder / "state"))
    case.vault = case.new_start()
    case.at, case.happens = Step.ANSWERED, lambda: case.lose(disk.hide)
    with pytest.raises(StateError, match="don't end it"):
        case.renew()
    disk.show()
    assert case.new_start().status().rescued_pair_waits
    _adopts(case.new_start(), case)


def test_a_disk_that_recovers_in_time_needs_no_new_start(case: Case, disk: Disk) -> None:
    case.vault._custody.safekeeping._patience = timedelta(seconds=30)
    case.at, case.happens = Step.ANSWERED, lambda: case.lose(disk.fill)
    relief = threading.Timer(0.5, disk.empty)
    relief.start()
    case.renew()
    relief.join()
    assert case.sent() == 1
    assert not case.vault.status().rescued_pair_waits
    assert case.vault.status().generation == 2


@pytest.mark.parametrize("state_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("step", [Step.LOCKED, Step.READ, Step.BEGUN, Step.ANSWERED])
def test_a_database_that_vanishes_costs_no_pair(
    step: Step, state_url: str, settings_for: SettingsFor, sandbox: Sandbox
) -> None:
    with _may_vanish(make_url(state_url)) as (url, vanish, come_back):
        settings = settings_for(sandbox, url.render_as_string(hide_password=False))
        with open_store(settings) as store:
            case = Case(settings, store, sandbox)
            case.at, case.happens = step, vanish
            with pytest.raises((StateError, LockLost)):
                case.renew()
            assert case.sent() == (1 if step is Step.ANSWERED else 0)
            come_back()
            if step is Step.ANSWERED:
                _adopts(case.new_start(), case)
            else:
                case.renew()
                assert case.sent() == 1


Vanishing = tuple[URL, Callable[[], None], Callable[[], None]]


@contextlib.contextmanager
def _may_vanish(url: URL) -> Iterator[Vanishing]:
    """An address of the database, what lets it vanish for who uses that, and what brings it back.

    On MariaDB it is a user's of its own, who is locked out.
    """
    backend, name = url.get_backend_name(), str(url.database)

    def run(*statements: str) -> Callable[[], None]:
        def do() -> None:
            for statement in statements:
                on_server(backend, statement)

        return do

    if backend == "postgresql":
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        allow = f"ALTER DATABASE {name} ALLOW_CONNECTIONS"
        yield url, run(f"{allow} false", end), run(f"{allow} true")
        return
    user = f"{name}@'%'"
    run(f"CREATE USER {user}", f"GRANT ALL ON {name}.* TO {user}")()
    try:
        alter = f"ALTER USER {user} ACCOUNT"
        lock, unlock = run(f"{alter} LOCK", f"KILL USER {name}"), run(f"{alter} UNLOCK")
        yield url.set(username=name, password=None), lock, unlock
    finally:
        run(f"DROP USER {user}")()


@pytest.mark.parametrize("step", [Step.LOCKED, Step.READ, Step.ANSWERED])
def test_a_locked_database_costs_no_pair(
    step: Step,
    state_url: str,
    settings_for: SettingsFor,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sync.state.store._PATIENCE_SECONDS", 1)
    settings = settings_for(sandbox, state_url)
    with open_store(settings) as store, contextlib.ExitStack() as theirs:
        case = Case(settings, store, sandbox)

        def lock() -> None:
            connection = theirs.enter_context(store.write())
            connection.execute(update(token_pair).values(refresh_attempts=0))

        case.at, case.happens = step, lock
        with pytest.raises(StateError, match="see to the database"):
            case.renew()
        assert case.sent() == (1 if step is Step.ANSWERED else 0)
        theirs.close()
        if step is Step.ANSWERED:
            _adopts(case.new_start(), case)
        else:
            case.renew()
            assert case.sent() == 1


@pytest.mark.parametrize("state_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("step", [Step.LOCKED, Step.READ, Step.BEGUN])
def test_who_has_lost_the_lock_spends_no_token(
    step: Step, state_url: str, settings_for: SettingsFor, sandbox: Sandbox
) -> None:
    settings = settings_for(sandbox, state_url)
    with open_store(settings) as store:
        case = Case(settings, store, sandbox)
        case.at, case.happens = step, lambda: end_connections_of_locks(store)
        with pytest.raises(LockLost):
            case.renew()
        assert case.sent() == 0
        case.renew()
        assert case.sent() == 1
        assert case.vault.status().refresh_in_flight_since is None


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
def test_a_bug_between_answer_and_write_still_leaves_the_pair(
    state_url: str, settings_for: SettingsFor, sandbox: Sandbox
) -> None:
    settings = settings_for(sandbox, state_url)
    with open_store(settings) as store:
        case = Case(settings, store, sandbox)

        def rename_the_table() -> None:
            with store.write() as connection:
                connection.execute(text("ALTER TABLE token_pair RENAME TO elsewhere"))

        case.at, case.happens = Step.ANSWERED, rename_the_table
        with pytest.raises(Exception, match="no such table"):
            case.renew()
        with store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO token_pair"))
        _adopts(case.new_start(), case)


def _adopts(vault: Vault, case: Case) -> None:
    """The rescued pair is in the database, without another call, and both tokens work."""
    sent = case.sent()
    vault.access_token()
    assert case.sent() == sent
    status = vault.status()
    assert status.generation == 2
    assert not status.rescued_pair_waits
    assert status.refresh_in_flight_since is None
    vault.keep_alive(unused_for=timedelta(0))
    assert vault.status().generation == 3


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
