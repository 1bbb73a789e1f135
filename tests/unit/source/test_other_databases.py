"""SQL Server and Oracle, of which there is no server here: addresses, statements, sentences."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from sqlalchemy.engine import Dialect, make_url

from sync.errors import ConfigurationError, ContactSyncError
from sync.settings.options import Source
from sync.source import open_source
from sync.source.database import statement

ROOT = Path(__file__).parents[3]
README = (ROOT / "sync" / "source" / "README.md").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
DIALECTS = {name: make_url(f"{name}://").get_dialect()() for name in ("mssql", "oracle")}
SINCE = '["time", "2026-01-02T03:04:05"]'


def documented(backend: str) -> Source:
    """The address and the query that the README gives."""
    found = re.search(rf'^url = "({backend}\+[^"]+)"\nquery = "([^"]+)"$', README, re.MULTILINE)
    assert found is not None
    return Source.model_validate({"url": found[1], "query": found[2], "changed_column": "changed"})


def written(options: Source, dialect: Dialect, *, since: str | None, only_header: bool) -> str:
    assert options.url is not None
    url = make_url(options.url.get_secret_value())
    found = statement(options, url, since, only_header=only_header)
    return " ".join(str(found.compile(dialect=dialect)).split())


@pytest.mark.parametrize("backend", DIALECTS)
def test_the_documented_address_has_an_extra_with_its_driver(backend: str) -> None:
    options = documented(backend)
    assert options.url is not None
    url = make_url(options.url.get_secret_value())
    driver = url.drivername.partition("+")[2]
    assert f"'contact-sync[{backend}]'" in README
    assert any(each.startswith(driver) for each in EXTRAS[backend])
    assert url.get_dialect().name == backend


@pytest.mark.parametrize("backend", DIALECTS)
def test_no_server_at_that_address_is_a_sentence_without_the_password(backend: str) -> None:
    options = documented(backend)
    assert options.url is not None
    here = make_url(options.url.get_secret_value()).set(host="127.0.0.1", port=1)
    options = Source.model_validate({"url": str(here), "query": options.query})
    with pytest.raises(ContactSyncError) as failed:
        open_source(options, "its-pass-word")
    said = str(failed.value)
    assert "its-pass-word" not in said
    assert "\n" not in said
    assert said.endswith(".")


@pytest.mark.parametrize("backend", DIALECTS)
def test_the_statements_are_such_as_each_takes(backend: str) -> None:
    options, dialect = documented(backend), DIALECTS[backend]
    query = "SELECT email, first_name, zip FROM sales.customers WHERE active = 1"
    assert written(options, dialect, since=None, only_header=False) == query
    header = written(options, dialect, since=None, only_header=True)
    assert header == f"SELECT * FROM ( {query} ) contact_sync_source WHERE 1 = 0"
    since = written(options, dialect, since=SINCE, only_header=False)
    # In quotes Oracle would look for a column in small letters.
    name = "changed" if backend == "oracle" else "[changed]"
    assert since.endswith(f"WHERE {name} >= :changed_1 OR {name} IS NULL")
    table = Source.model_validate({"url": options.url, "table": "sales.customers"})
    found = written(table, dialect, since=None, only_header=True)
    assert found == "SELECT * FROM sales.customers WHERE 1 = 0"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql://reader@127.0.0.1:1/crm", "begin source.url with mysql+pymysql://"),
        ("mariadb+mysqldb://reader@127.0.0.1:1/crm", "begin source.url with mariadb+pymysql://"),
        ("postgresql+pg8000://reader@127.0.0.1:1/crm", "with postgresql+psycopg://"),
        ("mssql+pymssql://reader@127.0.0.1:1/crm", "with mssql+pyodbc://"),
    ],
)
def test_another_driver_than_the_extra_s_is_told_how_to_be_replaced(url: str, advice: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        open_source(Source.model_validate({"url": url, "query": "SELECT 1"}))
    assert advice in str(failed.value)


def test_a_driver_that_lacks_a_library_of_the_system_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyodbc.py").write_text("raise ImportError('libodbc.so.2: not there')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyodbc", raising=False)
    with pytest.raises(ConfigurationError, match=r"can't be loaded: libodbc\.so\.2: not"):
        open_source(documented("mssql"))
