"""The account's lock, as each kind of database keeps it."""

import multiprocessing
import os
import signal
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from sync.errors import Busy, LockLost, StateError
from sync.settings import Settings
from sync.state.locks import _own_connection
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor, end_connections_of_locks

AT_ONCE = timedelta(0)


def test_a_lock_is_held_once_and_free_again(store: Store) -> None:
    for _ in range(2):
        with store.locks.hold("a.run", wait=AT_ONCE):
            with pytest.raises(Busy) as failed, store.locks.hold("a.run", wait=AT_ONCE):
                pass
            assert str(failed.value).endswith(".")
            with store.locks.hold("b.run", wait=AT_ONCE):
                pass


def test_a_lock_is_free_again_after_an_error(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.locks.hold("a.run", wait=AT_ONCE):
        raise ZeroDivisionError
    with store.locks.hold("a.run", wait=AT_ONCE):
        pass


def hold_until_killed(settings: Settings, answer: Connection) -> None:
    """Take the lock, say so, and wait for the end."""
    with open_store(settings) as store, store.locks.hold("a.run", wait=AT_ONCE):
        answer.send("held")
        time.sleep(600)


def test_a_killed_holder_frees_its_lock(settings_for: SettingsFor, state_url: str) -> None:
    settings = settings_for(state_url=state_url)
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    holder = context.Process(target=hold_until_killed, args=(settings, theirs))
    holder.start()
    theirs.close()  # so that its death ends the waiting
    assert ours.recv() == "held"
    with open_store(settings) as store:
        with pytest.raises(Busy), store.locks.hold("a.run", wait=AT_ONCE):
            pass
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join(30)
        with store.locks.hold("a.run", wait=timedelta(seconds=30)):
            pass


@pytest.mark.parametrize("state_url", ["mariadb"], indirect=True)
def test_a_lock_outlives_the_server_s_patience_with_idle_connections(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.state.locks._MARIADB_PATIENCE_SECONDS", 1)
    with store.locks.hold("a.run", wait=AT_ONCE):
        time.sleep(2.5)
        with pytest.raises(Busy), store.locks.hold("a.run", wait=AT_ONCE):
            pass


@pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)
def test_waiting_for_a_lock_may_take_longer_than_a_statement(
    settings_for: SettingsFor, state_url: str
) -> None:
    impatient = make_url(state_url).update_query_dict({"options": "-c statement_timeout=300"})
    settings = settings_for(state_url=impatient.render_as_string(hide_password=False))
    with (
        open_store(settings) as store,
        store.locks.hold("a.run", wait=AT_ONCE),
        pytest.raises(Busy),
        store.locks.hold("a.run", wait=timedelta(seconds=1)),
    ):
        pass


def test_configurations_that_share_a_sqlite_file_share_its_locks(
    settings_for: SettingsFor, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    first = settings_for(state={"directory": tmp_path / "one", "url": url})
    second = settings_for(state={"directory": tmp_path / "two", "url": url})
    with (
        open_store(first) as one,
        open_store(second) as two,
        one.locks.hold("a.run", wait=AT_ONCE),
        pytest.raises(Busy),
        two.locks.hold("a.run", wait=AT_ONCE),
    ):
        pass


@pytest.mark.parametrize("state_url", ["postgresql"], indirect=True)
def test_the_server_asks_soon_whether_a_lock_s_holder_lives(store: Store) -> None:
    # Over a Unix socket the server shows 0: there the kernel itself tells of a death.
    with store.locks.hold("a.run", wait=AT_ONCE), _own_connection(store.locks._unpooled) as own:
        assert own.scalar(text("SHOW tcp_keepalives_idle")) in ("15", "0")


@pytest.mark.parametrize("state_url", ["postgresql", "mariadb"], indirect=True)
def test_who_has_lost_its_lock_writes_nothing_more(store: Store) -> None:
    count = text("SELECT count(*) FROM api_day")
    put = text("INSERT INTO api_day (application, utc_day, used) VALUES ('a', :day, 1)")
    with store.locks.hold("a.run", wait=AT_ONCE) as held:
        under = store.under(held)
        with under.write() as connection:
            connection.execute(put, {"day": "1"})
        end_connections_of_locks(store)
        with store.locks.hold("a.run", wait=timedelta(seconds=30)):
            for day in ("2", "3"):
                with pytest.raises(LockLost) as failed, under.write() as connection:
                    connection.execute(put, {"day": day})
                assert str(failed.value).endswith(".")
            with store.read() as connection:
                assert connection.scalar(count) == 1
            # What is no run's is written all the same.
            with store.write() as connection:
                connection.execute(put, {"day": "4"})


@pytest.mark.parametrize("state_url", ["mariadb"], indirect=True)
def test_a_transaction_whose_host_says_nothing_more_ends(
    settings_for: SettingsFor, state_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.state.store._MARIADB_LONGEST_PAUSE_SECONDS", 1)
    change = text("UPDATE api_day SET used = used + 1")
    with open_store(settings_for(state_url=state_url)) as store:
        with store.write() as connection:
            connection.execute(
                text("INSERT INTO api_day (application, utc_day, used) VALUES ('a', '1', 1)")
            )

        def be_silent() -> None:
            with store.write() as silent:
                silent.execute(change)
                with store.write() as connection:
                    connection.execute(change)
                silent.execute(change)

        with pytest.raises(StateError):
            be_silent()


def test_what_another_has_locked_is_not_waited_for_for_ever(
    settings_for: SettingsFor, state_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.state.store._PATIENCE_SECONDS", 1)
    change = text("UPDATE probe SET used = used + 1")
    with open_store(settings_for(state_url=state_url)) as store:
        with store.write() as connection:
            connection.execute(text("CREATE TABLE probe (used INTEGER)"))
            connection.execute(text("INSERT INTO probe VALUES (1)"))
        with store.write() as theirs:
            theirs.execute(change)
            with pytest.raises(StateError) as failed, store.write() as ours:
                ours.execute(change)
            assert str(failed.value).endswith("then run again.")
