"""The tables: made, opened again, the same as described, and a newer version's refused."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from sync.errors import StateError
from sync.state.schema import metadata
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor


def test_the_migrations_make_exactly_the_described_tables(store: Store) -> None:
    with store.engine.connect() as connection:
        # MariaDB makes a TINYBLOB of a short LargeBinary, and Alembic takes it for another type.
        types = connection.dialect.name != "mariadb"
        context = MigrationContext.configure(connection, opts={"compare_type": types})
        assert compare_metadata(context, metadata) == []
        found = set(inspect(connection).get_table_names())
    assert found == set(metadata.tables) | {"alembic_version"}


def test_opening_again_changes_nothing(settings_for: SettingsFor, state_url: str) -> None:
    settings = settings_for(state_url=state_url)
    for _ in range(2):
        with open_store(settings) as store, store.write() as connection:
            connection.execute(
                text("INSERT INTO api_day (application, utc_day, used) VALUES ('a', '1', 1)")
            ) if not connection.scalar(text("SELECT count(*) FROM api_day")) else None
    with open_store(settings) as store, store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM api_day")) == 1


def test_a_newer_version_s_database_is_refused_with_a_sentence_and_left_alone(
    settings_for: SettingsFor, state_url: str
) -> None:
    settings = settings_for(state_url=state_url)
    with open_store(settings) as store, store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError) as failed, open_store(settings):
        pass
    message = str(failed.value)
    assert "newer" in message
    assert message.endswith(".")
    with pytest.raises(StateError, match="newer"), open_store(settings):
        pass


def test_many_processes_may_make_the_tables_at_once(
    settings_for: SettingsFor, state_url: str
) -> None:
    settings = settings_for(state_url=state_url)
    together = threading.Barrier(4, timeout=20)

    def open_it() -> int:
        together.wait()
        with open_store(settings) as store, store.read() as connection:
            return int(connection.scalar(text("SELECT count(*) FROM run")) or 0)

    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(open_it) for _ in range(4)]
        assert [each.result(60) for each in opened] == [0] * 4


def test_a_database_that_another_process_writes_just_now_is_waited_for(
    settings_for: SettingsFor,
) -> None:
    settings = settings_for()
    settings.state.directory.mkdir()
    other = sqlite3.connect(
        settings.state.directory / "state.db", isolation_level=None, check_same_thread=False
    )
    # What the first start of another process does before the write-ahead log is switched on.
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.5, other.execute, ["COMMIT"])
    done.start()
    try:
        with open_store(settings) as store, store.read() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    finally:
        done.join()
        other.close()
