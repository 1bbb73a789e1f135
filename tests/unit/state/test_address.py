"""What is said of an address of the state database that can't be used."""

from pathlib import Path

import pytest

from sync.errors import ConfigurationError, StateError
from sync.state import store
from sync.state.store import open_database

_UNUSABLE = {
    "postgres://u:hush@h/d": "begins with postgres://, by which no database is known: PostgreSQL's",
    "mysql://u:hush@h/d": r"needs the package MySQLdb.*begin it with mysql\+pymysql:// and pip",
}


@pytest.mark.parametrize("address", _UNUSABLE)
def test_it_is_told_how_an_address_begins_and_nothing_of_the_rest(
    tmp_path: Path, address: str
) -> None:
    with (
        pytest.raises(ConfigurationError, match=_UNUSABLE[address]) as told,
        open_database(address, tmp_path),
    ):
        pass
    assert "hush" not in str(told.value)


def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(store, "create_engine", without)
    needed = r"needs the package psycopg, which is not installed: pip install 'contact-sync\[postg"
    with (
        pytest.raises(ConfigurationError, match=needed),
        open_database("postgresql+psycopg://u@h/d", tmp_path),
    ):
        pass


def test_a_server_that_can_not_be_reached_is_not_told_as_a_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(
            StateError, match="whether its server runs, can be reached and has room, then"
        ),
        open_database("postgresql+psycopg://u@127.0.0.1:1/d", tmp_path),
    ):
        pass
