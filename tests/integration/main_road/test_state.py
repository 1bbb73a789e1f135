"""`state backup` and `state restore`: one instant, and never a spent pair for a good one."""

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.state.backup import server_command
from sync.state.store import open_store
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

PEOPLE = 2_000


def state_of(office: Office) -> Path:
    return office.folder / "state" / "state.db"


def renew(office: Office) -> None:
    settings = load_settings(office.config)
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        vault.renew(vault.access_token())


def token_calls(sandbox: Sandbox) -> int:
    return sum(entry.path.endswith("/token") for entry in sandbox.requests())


@contextmanager
def worked_since(office: Office, sandbox: Sandbox) -> Iterator[Path]:
    """A backup, after which the pair was renewed, Bob came and Ada unsubscribed."""
    file = office.folder / "backup.db"
    assert office.run("--run-now").code == ExitCode.DONE
    done = office.run("state", "backup", str(file))
    assert done.code == ExitCode.DONE, done.err
    renew(office)
    office.contacts.write_text("email,first name\nada@example.com,Ada L.\nbob@example.com,Bob\n")
    assert office.run("--run-now").code == ExitCode.DONE
    sandbox.people.unsubscribe("ada@example.com")
    yield file


def test_a_backup_during_a_sync_is_of_one_instant(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office(api=["batch_contacts = 100"])
    office.authorize()
    office.contacts.write_text(
        "email,city\n" + "".join(f"p{n}@example.com,Town {n}\n" for n in range(PEOPLE))
    )
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(minutes=10))
    process = office.start("--run-now")
    while not office.imports():
        assert process.poll() is None
    file = office.folder / "backup.db"
    done = office.run("state", "backup", str(file))
    assert done.code == ExitCode.DONE, done.err
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in office.folder.glob("*backup*")) == ["backup.db"]
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        waiting = copy.execute(
            "SELECT sum(contacts) FROM batch WHERE state != 'confirmed'"
        ).fetchone()
    assert waiting == (PEOPLE,)
    assert office.run("state", "restore", str(file)).code == ExitCode.DONE
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(0))
    sandbox.advance(timedelta(minutes=11))
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert len(sandbox.people.audience()) == PEOPLE


def test_an_old_backup_brings_no_spent_pair_back_and_resubscribes_nobody(
    office: Office, sandbox: Sandbox
) -> None:
    with worked_since(office, sandbox) as file:
        done = office.run("state", "restore", str(file))
    assert done.code == ExitCode.DONE, done.err
    assert "The state is again as it was after run 1 " in done.out
    assert "newer than the backup's, and stays" in done.out
    assert office.run("check").code == ExitCode.DONE
    assert "generation 2" in office.run("status").out

    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    renew(office)
    assert sandbox.people.contact("ada@example.com")["email_address"]["permission_to_send"] == (
        "unsubscribed"
    )
    assert set(sandbox.people.audience()) >= {"bob@example.com"}
    (kept,) = office.folder.glob("state/state.db.replaced-*")
    assert kept.stat().st_mode & 0o777 == 0o600
    shutil.move(kept, office.folder / "kept.db")
    assert office.run("state", "restore", str(office.folder / "kept.db")).code == ExitCode.DONE
    assert "generation 3" in office.run("status").out


def test_a_spent_pair_of_a_backup_is_told_and_never_sent(office: Office, sandbox: Sandbox) -> None:
    with worked_since(office, sandbox) as file:
        for part in office.folder.glob("state/state.db*"):
            part.unlink()
        calls = token_calls(sandbox)
        done = office.run("state", "restore", str(file))
    assert done.code == ExitCode.DONE, done.err
    assert "What was there is kept" not in done.out
    told = [done.out, office.run("status").out, office.run("check").out]
    assert office.run("--run-now").code == ExitCode.AUTHORIZATION
    for said in told:
        assert "restored from a backup, and its refresh token is spent" in said
        assert "contact-sync authorize" in said
    assert token_calls(sandbox) == calls
    office.authorize()
    assert office.run("--run-now").code == ExitCode.DONE
    assert sandbox.people.contact("ada@example.com")["email_address"]["permission_to_send"] == (
        "unsubscribed"
    )


@pytest.mark.parametrize("lost", [False, True])
def test_a_number_that_a_run_was_given_is_given_to_no_other(
    office: Office, sandbox: Sandbox, lost: bool
) -> None:
    with worked_since(office, sandbox) as file:
        reports = {each.name: each.read_bytes() for each in office.folder.rglob("*-run-*")}
        if lost:
            state_of(office).write_bytes(b"no database at all" * 1000)
    done = office.run("state", "restore", str(file))
    assert "The state is again as it was after run 1 " in done.out
    assert "Brought back from backup.db" in office.run("status").out
    office.run("--run-now")
    after = {each.name: each.read_bytes() for each in office.folder.rglob("*-run-*")}
    assert any("run-000002" in name for name in reports)
    assert reports.items() <= after.items()
    assert any("run-000004" in name for name in after)


def test_nothing_is_restored_while_a_run_is_under_way(office: Office) -> None:
    office.run("--run-now")
    file = office.folder / "backup.db"
    office.run("state", "backup", str(file))
    settings = load_settings(office.config)
    with open_store(settings) as store, store.locks.hold("default.run", wait=timedelta(0)):
        done = office.run("state", "restore", str(file))
    assert done.code == ExitCode.BUSY
    assert "a run or a refresh is under way" in done.err
    assert not list(office.folder.glob("state/*restoring*"))
    assert not list(office.folder.glob("state/*replaced*"))


def test_who_has_the_state_open_goes_on_with_what_was_brought_back(office: Office) -> None:
    office.run("--run-now")
    file = office.folder / "backup.db"
    office.run("state", "backup", str(file))
    office.run("--dry-run")
    count = text("SELECT count(*) FROM run")
    with open_store(load_settings(office.config)) as store:
        with store.read() as connection:
            assert connection.scalar(count) == 2
        assert office.run("state", "restore", str(file)).code == ExitCode.DONE
        with store.read() as connection:
            assert connection.scalar(text("SELECT max(id) FROM run")) == 3
            assert connection.scalar(count) == 2  # one of the backup, and the bringing back


def test_a_damaged_state_is_moved_aside(office: Office) -> None:
    office.run("--run-now")
    file = office.folder / "backup.db"
    office.run("state", "backup", str(file))
    for part in office.folder.glob("state/state.db-*"):
        part.unlink()
    state_of(office).write_bytes(b"no database at all" * 1000)
    assert office.run("status").code == ExitCode.STATE
    done = office.run("state", "restore", str(file))
    assert done.code == ExitCode.DONE, done.err
    (kept,) = office.folder.glob("state/state.db.replaced-*")
    assert kept.read_bytes().startswith(b"no database")
    assert office.run("--run-now").code == ExitCode.DONE


def test_what_is_no_backup_is_refused_and_the_state_stays(office: Office) -> None:
    office.run("--run-now")
    before = office.run("status").out.splitlines()[-3:]
    others = {"text": b"email\n", "empty": b""}
    for name, content in others.items():
        (office.folder / name).write_bytes(content)
    with closing(sqlite3.connect(office.folder / "foreign")) as foreign:
        foreign.execute("CREATE TABLE cats (name)")
    office.run("state", "backup", str(office.folder / "newer"))
    with closing(sqlite3.connect(office.folder / "newer")) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    for name in (*others, "foreign", "newer", "missing"):
        done = office.run("state", "restore", str(office.folder / name))
        assert done.code == ExitCode.USAGE, name
        assert ("There is no file" if name == "missing" else "is no backup") in done.err
    assert office.run("status").out.splitlines()[-3:] == before
    done = office.run("state", "backup", str(office.folder / "text"))
    assert done.code == ExitCode.USAGE
    assert (office.folder / "text").read_bytes() == others["text"]
    done = office.run("state", "backup", str(office.folder / "nowhere" / "file"))
    assert done.code == ExitCode.STATE


@pytest.mark.parametrize(
    ("address", "what", "command"),
    [
        (
            "postgresql+psycopg://ops:hidden@db.example.com:5433/contacts",
            "backup",
            "pg_dump --host=db.example.com --port=5433 --username=ops --format=custom "
            "--file=f.dump contacts",
        ),
        (
            "postgresql+psycopg:///contacts",
            "restore",
            "pg_restore --clean --if-exists --dbname=contacts f.dump",
        ),
        (
            "mariadb+pymysql://ops:hidden@db.example.com/contacts",
            "backup",
            "mariadb-dump --host=db.example.com --user=ops --password --single-transaction "
            "--result-file=f.dump contacts",
        ),
        (
            "mysql+pymysql://ops@db.example.com/contacts",
            "restore",
            "mariadb --host=db.example.com --user=ops --password contacts < f.dump",
        ),
    ],
)
def test_a_server_s_own_program_is_named_without_the_password(
    address: str, what: str, command: str
) -> None:
    assert server_command(make_url(address), what, Path("f.dump")) == command


def test_a_server_s_state_is_not_copied_here(make_office: MakeOffice) -> None:
    office = make_office(
        environment={"CONTACT_SYNC_STATE__URL": "postgresql+psycopg://ops:hidden@db.example.com/c"}
    )
    for what in ("backup", "restore"):
        done = office.run("state", what, "file")
        assert done.code == ExitCode.USAGE
        assert "db.example.com" in done.err
        assert "hidden" not in done.err


def test_a_move_to_another_machine_takes_state_and_pair_along(
    office: Office, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert office.run("--run-now").code == ExitCode.DONE
    backup, pair = tmp_path / "backup.db", tmp_path / "pair"
    assert office.run("state", "backup", str(backup)).code == ExitCode.DONE
    exported = office.run("tokens", "export", str(pair))
    key = exported.out.splitlines()[1].strip()

    new = Office(tmp_path / "new", sandbox)
    done = new.run("state", "restore", str(backup))
    assert done.code == ExitCode.DONE, done.err
    with new.start("tokens", "import", str(pair)) as process:
        out, err = process.communicate(f"{key}\n", timeout=60)
    assert process.returncode == ExitCode.DONE, out + err
    assert new.run("check").code == ExitCode.DONE
    done = new.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert "Nothing to send, 1 unchanged." in done.out
    assert office.run("--run-now").code == ExitCode.AUTHORIZATION
