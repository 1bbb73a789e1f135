"""The tables: made, opened again, the same as described, and a newer version's refused."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select, text
from sqlalchemy.engine import make_url

from sync.errors import StateError
from sync.state import bodies, migrate
from sync.state.migrate import revisions
from sync.state.schema import contact, metadata, staged
from sync.state.store import Store, open_database, open_store
from tests.conftest import SERVERS, SettingsFor, on_server


def test_the_migrations_make_exactly_the_described_tables(store: Store) -> None:
    with store.engine.connect() as connection:
        # MariaDB makes a TINYBLOB of a short LargeBinary, and Alembic takes it for another type.
        types = connection.dialect.name != "mariadb"
        context = MigrationContext.configure(connection, opts={"compare_type": types})
        assert compare_metadata(context, metadata) == []
        found = set(inspect(connection).get_table_names())
    assert found == set(metadata.tables) | {"alembic_version"}


def test_the_files_names_are_the_order_of_the_migrations() -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).with_name("migrations")))
    assert revisions() == [script.revision for script in scripts.walk_revisions()][::-1]


def test_opening_again_changes_nothing(settings_for: SettingsFor, state_url: str) -> None:
    settings = settings_for(state_url=state_url)
    for _ in range(2):
        with open_store(settings) as store, store.write() as connection:
            connection.execute(
                text("INSERT INTO api_day (application, utc_day, used) VALUES ('a', '1', 1)")
            ) if not connection.scalar(text("SELECT count(*) FROM api_day")) else None
    with open_store(settings) as store, store.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM api_day")) == 1


def test_bodies_of_an_older_version_are_found_again(
    settings_for: SettingsFor, state_url: str
) -> None:
    now = 1_700_000_000_000_000
    people = [(account, n) for account in ("museum", "theatre") for n in range(600)]
    engine = create_engine(state_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
        insert_contact = text(
            "INSERT INTO contact (account, email, fingerprint, list_set_id, body, first_sent_at, "
            "last_synced_at, source_key) "
            "VALUES (:account, :email, :print, 1, :body, :now, :now, 'k')"
        )
        values = [
            {
                "account": account,
                "email": f"p{n}@x.org",
                "print": b"f" * 16,
                "body": f'{{"of":"{account} {n} Zoë"}}',
                "now": now,
            }
            for account, n in people
        ]
        connection.execute(insert_contact, values)
        connection.execute(
            text(
                "INSERT INTO run (id, account, started_at, host, pid, dry_run, message, rows_read, "
                "rejected, opted_out, duplicates, warnings, confirmed, refused, requests, "
                f"{_quoted(engine, 'new')}, {_quoted(engine, 'changed')}, unchanged, gone) VALUES "
                "(7, 'museum', 1, 'h', 1, false, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
            )
        )
        connection.execute(
            text(
                f"INSERT INTO staged (run_id, {_quoted(engine, 'row')}, email, fingerprint, body, "
                "size, list_set_id) VALUES (7, 3, 'a@x.org', :print, :body, 1, 1)"
            ),
            {"print": b"f" * 16, "body": '{"of":"a kept plan"}'},
        )
    engine.dispose()
    with open_store(settings_for(state_url=state_url)) as store, store.read() as connection:
        for account in ("museum", "theatre"):
            rows = connection.execute(
                select(contact.c.email, contact.c.body_id, contact.c.source_key).where(
                    contact.c.account == account
                )
            ).all()
            found = bodies.read(connection, account, [row.body_id for row in rows])
            assert len(rows) == 600
            for row, body in zip(rows, found, strict=True):
                assert body == f'{{"of":"{account} {row.email[1:-6]} Zoë"}}'
                assert row.source_key == "k"
        [kept] = connection.execute(select(staged)).all()
        assert (kept.run_id, kept.row, kept.email) == (7, 3, "a@x.org")
        assert bodies.read(connection, "museum", [kept.body_id]) == ['{"of":"a kept plan"}']


def _quoted(engine: Engine, name: str) -> str:
    return engine.dialect.identifier_preparer.quote_identifier(name)


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


def test_a_user_who_may_make_no_tables_is_told_so_in_a_sentence(tmp_path: Path) -> None:
    name = f"contact_sync_{uuid4().hex[:12]}"
    address = make_url(SERVERS["postgresql"]).set(username=name, password="a", database=name)
    on_server("postgresql", f"CREATE ROLE {name} LOGIN PASSWORD 'a'")
    try:
        on_server("postgresql", f"CREATE DATABASE {name}")
        with (
            pytest.raises(StateError, match="make tables in the schema public") as told,
            open_database(address.render_as_string(hide_password=False), tmp_path),
        ):
            pass
        assert "permission denied for schema public" in str(told.value)
    finally:
        on_server("postgresql", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        on_server("postgresql", f"DROP ROLE {name}")


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


def test_the_databases_of_many_accounts_are_made_and_brought_up_to_date_at_once(
    tmp_path: Path,
) -> None:
    """In threads of one process, in which Alembic can do but one thing at a time."""
    folders = [tmp_path / str(number) for number in range(8)]

    def tables(folder: Path) -> set[str]:
        with open_database(f"sqlite:///{folder / 'state.db'}", folder) as store:
            return set(inspect(store.engine).get_table_names())

    whole = set(metadata.tables) | {"alembic_version"}
    for _ in range(2):
        with ThreadPoolExecutor(len(folders)) as pool:
            assert list(pool.map(tables, folders)) == [whole] * len(folders)
        for folder in folders:
            _undo(folder / "state.db", "checked_rows", revisions()[-2])


def _undo(file: Path, table: str, revision: str) -> None:
    """Put a database back to how an earlier version left it, which did not have the table."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    engine.dispose()


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
