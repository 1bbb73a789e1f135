"""A database as the source: streamed, read-only, limited in time, and honest about failures."""

import datetime as dt
import gc
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
    text,
)

from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source
from sync.source import ContactSource, open_source
from sync.source.database import read_column
from tests.integration.source.conftest import SourceFor, Sync, fill

METADATA = MetaData()
PEOPLE = Table(
    "people",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("email", String(80)),
    Column("zip", String(10)),
    Column("born", Date),
    Column("seen", DateTime),
    Column("balance", Numeric(12, 2)),
    Column("points", BigInteger),
    Column("active", Boolean),
)
ANN = {
    "id": 1,
    "email": "ann@example.com",
    "zip": "02451",
    "born": dt.date(1990, 5, 7),
    "seen": dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 (databases keep local times)
    "balance": Decimal("12.50"),
    "points": 9_007_199_254_740_993,
    "active": True,
}
NOBODY = dict.fromkeys(ANN) | {"id": 2}


@pytest.fixture
def people(database: Engine) -> Engine:
    fill(database, METADATA, {"people": [ANN, NOBODY]})
    return database


def rows_of(source: ContactSource) -> list[tuple[int, list[str]]]:
    return [
        (row, cells)
        for chunk in source.chunks()
        for row, cells in zip(chunk.rows.tolist(), chunk.frame.to_numpy().tolist(), strict=True)
    ]


@pytest.mark.usefixtures("people")
def test_values_of_all_types_are_the_texts_of_an_export(source_for: SourceFor) -> None:
    query = "SELECT email, zip, born, seen, balance, points FROM people ORDER BY id;"
    source = open_source(source_for(query=query))
    assert source.header == ("email", "zip", "born", "seen", "balance", "points")
    ann, nobody = rows_of(source)
    assert ann[0] == 1
    assert ann[1][:3] == ["ann@example.com", "02451", "1990-05-07"]
    assert ann[1][3].startswith("2026-01-02 03:04:05")
    assert Decimal(ann[1][4]) == Decimal("12.50")
    assert ann[1][5] == "9007199254740993"
    assert nobody == (2, [""] * 6)


@pytest.mark.usefixtures("people")
def test_a_table_can_be_named_instead_of_a_query(source_for: SourceFor) -> None:
    source = open_source(source_for(table="people"))
    assert source.header[:2] == ("id", "email")
    assert len(rows_of(source)) == 2
    assert source.name.startswith("table people on ")


@pytest.mark.usefixtures("people")
def test_colons_and_percent_signs_of_a_query_are_its_own(source_for: SourceFor) -> None:
    query = "SELECT ':x 100%' AS a, email FROM people WHERE email LIKE '%@%'"
    assert rows_of(open_source(source_for(query=query))) == [(1, [":x 100%", "ann@example.com"])]


def test_rows_are_streamed_in_chunks(database: Engine, source_for: SourceFor) -> None:
    fill(database, METADATA, {"people": [NOBODY | {"id": number} for number in range(1, 2_501)]})
    source = open_source(source_for(query="SELECT id FROM people ORDER BY id", chunk_rows=1_000))
    chunks = list(source.chunks())
    assert [len(chunk.rows) for chunk in chunks] == [1_000, 1_000, 500]
    assert chunks[1].rows[0] == 1_001
    assert chunks[1].frame["id"].iloc[0] == "1001"


def test_a_chunk_may_be_fetched_in_parts(database: Engine, source_for: SourceFor) -> None:
    fill(database, METADATA, {"people": [NOBODY | {"id": number} for number in range(1, 10_501)]})
    source = open_source(source_for(query="SELECT id FROM people ORDER BY id", chunk_rows=5_000))
    chunks = list(source.chunks())
    assert [len(chunk.rows) for chunk in chunks] == [4_000, 4_000, 2_500]
    rows = [
        (row, cell)
        for each in chunks
        for row, cell in zip(each.rows, each.frame["id"], strict=True)
    ]
    assert rows == [(number, str(number)) for number in range(1, 10_501)]


def test_reading_can_be_given_up_and_begun_again(database: Engine, source_for: SourceFor) -> None:
    fill(database, METADATA, {"people": [NOBODY | {"id": number} for number in range(1, 5_001)]})
    source = open_source(source_for(table="people", chunk_rows=1_000))
    chunks = source.chunks()
    assert len(next(chunks).rows) == 1_000
    chunks.close()  # type: ignore[attr-defined]
    assert sum(len(chunk.rows) for chunk in source.chunks()) == 5_000


def test_nothing_can_be_written(people: Engine) -> None:
    """The database itself refuses, where it knows read-only transactions."""
    options = Source.model_validate(
        {"url": people.url.render_as_string(hide_password=False), "query": _writing(people)}
    )
    with pytest.raises(SourceError):
        rows_of(open_source(options))
    with people.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM people")) == 2


def _writing(people: Engine) -> str:
    if people.dialect.name == "postgresql":
        return "WITH gone AS (DELETE FROM people RETURNING *) SELECT * FROM gone"
    return "DELETE FROM people"


SLOW = {
    "postgresql": "SELECT 'a' AS email, pg_sleep(30)",
    "mariadb": "SELECT 'a' AS email, SLEEP(30)",
    "mysql": "SELECT 'a' AS email, SLEEP(30)",
    "sqlite": "WITH RECURSIVE n(email) AS (SELECT 1 UNION ALL SELECT email + 1 FROM n) "
    "SELECT sum(email) AS email FROM n",
}


def test_a_query_that_takes_too_long_is_a_sentence(people: Engine, source_for: SourceFor) -> None:
    options = source_for(query=SLOW[people.dialect.name], query_timeout=1)
    with pytest.raises(SourceError, match="longer than the 1 seconds that source"):
        rows_of(open_source(options))


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT nothing FROM people", "can't be read"),
        ("SELEKT 1", "can't be read"),
        ("SELECT email FROM people WHERE id > 10", "gives no rows"),
    ],
)
def test_a_query_that_is_wrong_or_gives_nothing_is_a_sentence(
    source_for: SourceFor, query: str, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence) as caught:
        rows_of(open_source(source_for(query=query)))
    assert "\n" not in str(caught.value)


def test_only_changed_rows_are_read_since_a_mark(database: Engine, source_for: SourceFor) -> None:
    """Also those of the overlap, and those that don't say when they were changed."""
    start = dt.datetime(2026, 1, 1, 12)  # noqa: DTZ001
    rows = [
        NOBODY | {"id": number, "email": f"{number}@example.com", "seen": seen}
        for number, seen in enumerate(
            [start, start + dt.timedelta(days=1), start + dt.timedelta(days=1, minutes=30), None], 1
        )
    ]
    fill(database, METADATA, {"people": rows})
    options = source_for(
        query="SELECT id, email, seen FROM people ORDER BY id", changed_column="seen"
    )
    first = open_source(options)
    assert len(rows_of(first)) == 4
    assert first.newest is not None
    again = open_source(options, since=first.newest)
    assert [cells[0] for _, cells in rows_of(again)] == ["2", "3", "4"]
    assert "only rows changed since 2026-01-02" in again.description
    with database.begin() as connection:
        connection.execute(
            insert(PEOPLE), [NOBODY | {"id": 9, "seen": start + dt.timedelta(days=3)}]
        )
    last = open_source(options, since=again.newest)
    rows_of(last)
    newest = open_source(options, since=last.newest)
    assert [cells[0] for _, cells in rows_of(newest)] == ["4", "9"]


def test_nothing_changed_is_no_fault(database: Engine, source_for: SourceFor) -> None:
    fill(database, METADATA, {"people": [ANN]})
    options = source_for(table="people", changed_column="points")
    first = open_source(options)
    rows_of(first)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM people"))
    again = open_source(options, since=first.newest)
    assert rows_of(again) == []
    assert again.newest == first.newest


@pytest.mark.usefixtures("people")
def test_a_changed_column_must_be_there(source_for: SourceFor) -> None:
    with pytest.raises(SourceError, match=r"no column “changed”.*its columns are: email"):
        open_source(source_for(query="SELECT email FROM people", changed_column="changed"))


@pytest.mark.usefixtures("people")
def test_a_suppression_query_gives_its_first_column(source_for: SourceFor) -> None:
    options = source_for(table="people")
    assert read_column(options, None, "SELECT email FROM people WHERE id = 1") == [
        "ann@example.com"
    ]
    assert read_column(options, None, "SELECT email FROM people WHERE id = 7") == []


@pytest.fixture
def relay(database: Engine) -> Iterator["Relay"]:
    if database.dialect.name == "sqlite":
        pytest.skip("SQLite has no connection to lose")
    with Relay(str(database.url.host), int(database.url.port or 0)) as running:
        yield running


class Relay:
    """Passes a TCP connection on until so many bytes have come back, and cuts it then."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_after = 1 << 40

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, counted: bool) -> None:
        passed = 0
        try:
            while data := one.recv(65_536):
                other.sendall(data)
                passed += len(data)
                if counted and passed > self.cut_after:
                    break
        except OSError:
            pass
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_connection_is_a_sentence_and_nothing_is_sent(
    database: Engine, relay: Relay
) -> None:
    rows = [NOBODY | {"id": number, "email": "x" * 80} for number in range(1, 60_001)]
    fill(database, METADATA, {"people": rows})
    url = database.url.set(host="127.0.0.1", port=relay.port)
    options = Source.model_validate(
        {"url": url.render_as_string(hide_password=False), "table": "people"}
    ).model_copy(update={"chunk_rows": 2_000})
    source = open_source(options)
    relay.cut_after = 1_000_000
    with pytest.raises(
        SourceError, match=r"connection to the table people.*lost after [\d,]+ rows.*nothing was"
    ):
        rows_of(source)
    gc.collect()  # PyMySQL looks at its lost connection once more when it is forgotten


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_whose_connection_is_lost_sends_nothing(
    database: Engine, relay: Relay, sync: Sync
) -> None:
    rows = [
        NOBODY | {"id": number, "email": f"p{number:05}{'x' * 30}@example.com"}
        for number in range(1, 30_001)
    ]
    fill(database, METADATA, {"people": rows})
    url = database.url.set(host="127.0.0.1", port=relay.port)
    relay.cut_after = 1_000_000
    address = url.render_as_string(hide_password=False)
    source = {"path": None, "url": address, "table": "people", "chunk_rows": 2_000}
    with pytest.raises(SourceError, match=r"lost after [\d,]+ rows.*nothing was sent"):
        sync(source=source)
    assert sync.sandbox.people.audience() == {}
    requests = sync.sandbox.requests()
    assert {entry.method for entry in requests if entry.path.startswith("/v3")} == {"GET"}
    gc.collect()  # see above


def test_a_password_comes_from_elsewhere_and_is_never_shown(database: Engine) -> None:
    if database.dialect.name == "sqlite":
        pytest.skip("SQLite has no password")
    url = database.url.set(username="nobody-here", host="127.0.0.1")
    options = Source.model_validate(
        {"url": url.render_as_string(hide_password=False), "table": "people"}
    )
    with pytest.raises(SourceError) as caught:
        open_source(options, "hunter2-secret")
    assert "hunter2-secret" not in str(caught.value)


def test_an_unknown_driver_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    options = Source.model_validate({"url": "postgresql+psycopg://h/d", "table": "t"})
    with pytest.raises(ConfigurationError, match=r"pip install 'contact-sync\[postgresql\]'"):
        open_source(options)


def test_an_address_of_no_database_is_a_configuration_error() -> None:
    options = Source.model_validate({"url": "klingon://h/d", "table": "t"})
    with pytest.raises(ConfigurationError, match=r"source\.url"):
        open_source(options)


def test_a_missing_sqlite_file_is_not_made(tmp_path: object) -> None:
    options = Source.model_validate({"url": f"sqlite:///{tmp_path}/none.db", "table": "t"})
    with pytest.raises(SourceError, match="can't be read"):
        open_source(options)
    engine = create_engine(f"sqlite:///file:{tmp_path}/none.db?mode=ro&uri=true")
    with pytest.raises(Exception, match="unable to open"):
        engine.connect()
