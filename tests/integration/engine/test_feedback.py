"""The company learns what people did, in its own table and in a file; neither fails a sync."""

import csv
import socket
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from sync.check import Check
from sync.cli.summary import show_summary
from sync.errors import ExitCode
from sync.feedback.file import write_file
from sync.state import feedback
from sync.state.observations import Ended, Observation, note
from sync.state.runs import Runs
from sync.state.store import Store
from tests.conftest import on_server
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith

TABLE = "contact_feedback"
NEWS = "News"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def theirs(state_url: str) -> Iterator[Engine]:
    """The company's own database, of each kind."""
    engine = create_engine(state_url)
    try:
        yield engine
    finally:
        engine.dispose()


FeedingCompany = Callable[..., Company]


@pytest.fixture
def feeding(company_with: CompanyWith, theirs: Engine) -> FeedingCompany:
    """A company of thirty on two lists that has a table, which options may change."""

    def make(*, full_every_runs: int = 4, **options: Any) -> Company:
        url = theirs.url.render_as_string(hide_password=False)
        company = company_with(
            lists={"names": ["Customers", NEWS]},
            observe={"full_every_runs": full_every_runs},
            feedback={"url": url, "table": TABLE, **options},
        )
        company.has(*people(30), first_name="Ada")
        return company

    return make


def table(engine: Engine, name: str = TABLE) -> dict[tuple[str, str], dict[str, Any]]:
    """The table's rows by address and what."""
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {name}")).mappings().all()
    return {(row["email"], row["what"]): dict(row) for row in rows}


def warning(company: Company) -> str:
    """The one warning of the last run, which went well."""
    record = Runs(company.store, "default").last(1)[0]
    assert record.exit_code is ExitCode.DONE
    [said] = record.notes
    assert said.endswith(" The sync is done all the same; the next run tries again.")
    return said


def quiet(company: Company) -> bool:
    return Runs(company.store, "default").last(1)[0].notes == ()


def test_the_table_holds_what_happened_and_what_has_ended(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    company = feeding()
    company.sync()
    assert table(theirs) == {}
    company.next_day()
    there = company.sandbox.people
    there.unsubscribe("p1@example.com", "too many mails")
    there.user_delete("p2@example.com")
    there.leave_list("p3@example.com", NEWS)
    there.bounce("p4@example.com")
    for _ in range(3):
        company.sync()
        company.next_day()
    found = table(theirs)
    assert sorted(found) == [
        ("p1@example.com", "unsubscribed"),
        ("p2@example.com", "deleted"),
        ("p3@example.com", "left_list"),
        ("p4@example.com", "held"),
    ]
    one = found["p1@example.com", "unsubscribed"]
    assert (one["reason"], one["opt_out_source"], one["account"]) == (
        "too many mails",
        "Contact",
        "default",
    )
    assert (one["list_id"], one["list_name"], one["ended_at"]) == ("", None, None)
    left = found["p3@example.com", "left_list"]
    ids = {each.name: each.list_id for each in there.lists()}
    assert (left["list_name"], left["list_id"]) == (NEWS, ids[NEWS])
    there.confirm("p1@example.com")
    company.sync()
    assert table(theirs)["p1@example.com", "unsubscribed"]["ended_at"] is not None
    company.next_day()
    there.unsubscribe("p1@example.com", "again")
    company.sync()
    one = table(theirs)["p1@example.com", "unsubscribed"]
    assert (one["reason"], one["ended_at"]) == ("again", None)
    assert quiet(company)


def test_only_what_changed_is_written_and_everything_into_a_new_table(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    company = feeding(full_every_runs=100)
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com", "theirs")
    for _ in range(2):  # the overlap of two observations sees it twice
        company.sync()
        company.next_day()
    with theirs.begin() as connection:
        connection.execute(text(f"UPDATE {TABLE} SET reason = 'mine'"))
    company.sandbox.people.unsubscribe("p2@example.com", "theirs")
    company.sync()
    reasons = {email: row["reason"] for (email, _), row in table(theirs).items()}
    assert reasons == {"p1@example.com": "mine", "p2@example.com": "theirs"}
    with theirs.begin() as connection:
        connection.execute(text(f"DROP TABLE {TABLE}"))
    company.next_day()
    company.sync()
    reasons = {email: row["reason"] for (email, _), row in table(theirs).items()}
    assert reasons == {"p1@example.com": "theirs", "p2@example.com": "theirs"}


def test_a_dry_run_and_a_stopped_run_write_nothing(feeding: FeedingCompany, theirs: Engine) -> None:
    company = feeding()
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com")
    company.vault.access_token()
    assert company.dry_run().counts.seen_unsubscribed == 1
    assert table(theirs) == {}
    assert company.sync().counts.seen_unsubscribed == 1
    assert list(table(theirs)) == [("p1@example.com", "unsubscribed")]


def test_a_table_of_the_company_s_own_is_used_and_its_other_columns_stay(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    with theirs.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE {TABLE} (account VARCHAR(64) NOT NULL, email VARCHAR(100) NOT NULL,"
                " what VARCHAR(20) NOT NULL, list_id VARCHAR(36) NOT NULL, list_name VARCHAR(255),"
                " happened_at TIMESTAMP NULL, reason TEXT, opt_out_source VARCHAR(20),"
                " first_seen_at TIMESTAMP NULL, last_seen_at TIMESTAMP NULL,"
                " ended_at TIMESTAMP NULL, source_key VARCHAR(100), read_by VARCHAR(20))"
            )
        )
        connection.execute(
            text(f"CREATE UNIQUE INDEX told ON {TABLE} (email, what, account, list_id)")
        )
    company = feeding()
    company.sandbox.people.add_contact("p1@example.com", permission="unsubscribed")
    company.sync()
    with theirs.begin() as connection:
        connection.execute(text(f"UPDATE {TABLE} SET read_by = 'Grace', reason = 'x'"))
    for _ in range(4):
        company.next_day()
        company.sync()
    one = table(theirs)["p1@example.com", "unsubscribed"]
    assert (one["read_by"], one["reason"]) == ("Grace", None)


def test_a_table_with_wrong_columns_or_no_key_is_named_and_nothing_is_written(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    columns = [
        *("account", "email", "what", "list_id", "list_name", "opt_out_source", "source_key"),
        *("happened_at", "first_seen_at", "last_seen_at", "ended_at"),
    ]
    company = feeding()
    company.sandbox.people.add_contact("p1@example.com", permission="unsubscribed")
    for extra, said in (([], "has no column reason:"), (["reason"], "has no primary key")):
        with theirs.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {TABLE}"))
            made = ", ".join(f"{name} VARCHAR(100)" for name in [*columns, *extra])
            connection.execute(text(f"CREATE TABLE {TABLE} ({made})"))
        company.sync()
        assert said in warning(company)
        assert table(theirs) == {}
        company.next_day()
    with theirs.begin() as connection:
        connection.execute(text(f"DROP TABLE {TABLE}"))
    company.sync()
    assert quiet(company)
    assert list(table(theirs)) == [("p1@example.com", "unsubscribed")]


def test_a_table_that_takes_no_such_value_leaves_what_was_there(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    if theirs.dialect.name == "sqlite":
        pytest.skip("SQLite takes any length")
    company = feeding()
    company.sync()
    alter = {
        "postgresql": f"ALTER TABLE {TABLE} ALTER COLUMN reason TYPE VARCHAR(3)",
        "mysql": f"ALTER TABLE {TABLE} MODIFY reason VARCHAR(3)",
        "mariadb": f"ALTER TABLE {TABLE} MODIFY reason VARCHAR(3)",
    }
    with theirs.begin() as connection:
        connection.execute(text(alter[theirs.dialect.name]))
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com", "no")
    company.sandbox.people.unsubscribe("p2@example.com", "a long reason")
    company.sync()
    assert "can't be written" in warning(company)
    assert table(theirs) == {}


@contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    """Somebody else holds the table, or the whole SQLite file."""
    statement = {
        "sqlite": "BEGIN IMMEDIATE",
        "postgresql": f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE",
    }.get(engine.dialect.name, f"SELECT * FROM {TABLE} FOR UPDATE")
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            assert connection.connection.driver_connection is not None
            connection.connection.driver_connection.isolation_level = None
        connection.exec_driver_sql(statement)
        yield
        connection.rollback()


def test_a_table_that_somebody_holds_is_waited_for_no_longer_than_allowed(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    company = feeding(timeout=1)
    company.sandbox.people.add_contact("p1@example.com", permission="unsubscribed")
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p2@example.com")
    with _locked(theirs):
        company.sync()
        assert "can't be written" in warning(company)
    company.next_day()
    company.sync()
    assert quiet(company)
    assert len(table(theirs)) == 2


def test_a_read_only_database_is_told_and_the_next_run_makes_up_for_it(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    company = feeding()
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com")
    with _read_only(theirs):
        company.sync()
        assert "can't be written" in warning(company)
    company.next_day()
    company.sync()
    assert list(table(theirs)) == [("p1@example.com", "unsubscribed")]


@contextmanager
def _read_only(engine: Engine) -> Iterator[None]:
    """The whole PostgreSQL database; elsewhere the table refuses every row."""
    backend = engine.url.get_backend_name()
    database, trigger = engine.url.database, f"CREATE TRIGGER no BEFORE INSERT ON {TABLE} "
    forbid, allow = {
        "postgresql": (
            f"ALTER DATABASE {database} SET default_transaction_read_only = on",
            f"ALTER DATABASE {database} RESET default_transaction_read_only",
        ),
        "sqlite": (
            trigger + "BEGIN SELECT RAISE(ABORT, 'read-only'); END",
            "DROP TRIGGER no",
        ),
    }.get(
        backend,
        (
            trigger + "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'read-only'",
            "DROP TRIGGER no",
        ),
    )
    for statement in (forbid, None, allow):
        if statement is None:
            yield
        elif backend == "postgresql":
            on_server("postgresql", statement)
        else:
            with engine.begin() as connection:
                connection.execute(text(statement))


def test_a_database_that_is_down_or_silent_is_told_without_its_password(
    company_with: CompanyWith, tmp_path: Path
) -> None:
    secret = tmp_path / "feedback_password"
    secret.write_text("hunter2-secret")
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    company = company_with(
        feedback={
            "url": f"postgresql+psycopg://writer@127.0.0.1:{free}/crm",
            "table": TABLE,
            "password_file": secret,
        }
    )
    company.has(*people(3))
    company.sync()
    said = warning(company)
    assert "can't be written" in said
    assert "hunter2" not in said
    secret.chmod(0o644)
    company.sync()
    assert "chmod 600" in warning(company)


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mariadb+pymysql"])
def test_a_server_that_says_nothing_is_left_after_the_time_allowed(
    company_with: CompanyWith, driver: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{driver}://writer@127.0.0.1:{silent.getsockname()[1]}/crm"
        company = company_with(feedback={"url": url, "table": TABLE, "timeout": 1})
        company.has(*people(3))
        company.sync()
    assert "can't be written" in warning(company)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("oracle://crm/x", "can be kept in PostgreSQL, MariaDB or SQLite"),
        ("sqlite:////nowhere/at/all.db", "can't be written"),
    ],
)
def test_an_address_of_nothing_is_a_sentence(
    company_with: CompanyWith, url: str, said: str
) -> None:
    company = company_with(feedback={"url": url, "table": TABLE})
    company.has(*people(3))
    company.sync()
    assert said in warning(company)


def test_people_read_what_is_new_and_what_could_not_be_told(
    company_with: CompanyWith, capsys: pytest.CaptureFixture[str]
) -> None:
    company = company_with(feedback={"url": "sqlite:////nowhere/at/all.db", "table": TABLE})
    company.has(*people(5))
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com", "no\0thing\n for <me>")
    recording = company.sync()
    show_summary(recording)
    printed = " ".join(capsys.readouterr().out.split())
    assert recording.record is not None
    assert recording.record.report is not None
    report = recording.record.report.read_text()
    for shown in (printed, report):
        assert "1 unsubscribed" in shown
        assert "can&#39;t be written" in shown or "can't be written" in shown
    [told] = feedback.pages(company.store, "default", None)
    assert [line.reason for line in told] == ["nothing for <me>"]


def test_check_names_the_table_or_what_is_wrong_with_it(
    feeding: FeedingCompany, theirs: Engine
) -> None:
    company = feeding()
    company.write()
    check = Check(company.settings)
    found = {finding.what: finding for finding in check.findings()}
    assert found["feedback"].well
    assert "the first sync makes" in found["feedback"].sentence
    with theirs.begin() as connection:
        connection.execute(text(f"CREATE TABLE {TABLE} (email VARCHAR(100))"))
    found = {finding.what: finding for finding in check.findings()}
    assert found["feedback"].exit_code is ExitCode.CONFIGURATION
    assert "has no column what" in found["feedback"].sentence


def test_what_the_company_calls_a_person_stands_beside_the_address(
    company_with: CompanyWith, tmp_path: Path
) -> None:
    path = tmp_path / "feedback.csv"
    company = company_with(feedback={"file": path}, source={"key_column": "number"})
    for number, email in enumerate(people(5)):
        company.has(email, number=f"C-{number}")
    company.sandbox.people.add_contact("p1@example.com", permission="unsubscribed")
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p2@example.com")
    company.sync()
    told = {line["email"]: line["source_key"] for line in lines(path)}
    assert told == {"p1@example.com": "C-1", "p2@example.com": "C-2"}


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_holds_all_of_it_each_time_and_is_private_and_without_formulas(
    company_with: CompanyWith, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "feedback.csv"
    company = company_with(feedback={"file": path}, observe={"full_every_runs": 3})
    company.has(*people(5))
    company.sync()
    assert lines(path) == []
    company.next_day()
    company.sandbox.people.unsubscribe("p1@example.com", '=HYPERLINK("http://x")')
    company.sync()
    company.next_day()
    company.sandbox.people.unsubscribe("p2@example.com")
    company.sandbox.people.confirm("p1@example.com")
    company.sync()
    told = {line["email"]: line for line in lines(path)}
    assert list(told) == ["p2@example.com", "p1@example.com"]
    assert told["p1@example.com"]["reason"].startswith("'=HYPERLINK")
    assert told["p1@example.com"]["ended_at"].endswith("Z")
    assert (told["p2@example.com"]["what"], told["p2@example.com"]["ended_at"]) == (
        "unsubscribed",
        "",
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_can_t_be_written_is_told_and_the_table_is_written_all_the_same(
    feeding: FeedingCompany, theirs: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "feedback.csv"
    path.mkdir()
    company = feeding(file=path)
    company.sandbox.people.add_contact("p1@example.com", permission="unsubscribed")
    company.sync()
    assert f"The feedback file {path} can't be written" in warning(company)
    assert list(table(theirs)) == [("p1@example.com", "unsubscribed")]
    assert sorted(tmp_path.glob(".feedback*")) == []
    path.rmdir()
    company.sync()
    assert quiet(company)
    assert len(lines(path)) == 1


def test_more_observations_take_no_more_memory(local_store: Store, tmp_path: Path) -> None:
    path, count = tmp_path / "feedback.csv", 0

    def peak(more: int) -> int:
        nonlocal count
        seen = (
            Observation(email=f"p{number}@example.com", kind=Ended.UNSUBSCRIBED)
            for number in range(count, count + more)
        )
        with local_store.write() as connection:
            note(connection, "default", seen, NOW)
        count += more
        tracemalloc.start()
        try:
            write_file(path, feedback.pages(local_store, "default", None))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert len(path.read_text().splitlines()) == count + 1

    peak(600)
    assert peak(20_000) < 2.5 * peak(5_000)
