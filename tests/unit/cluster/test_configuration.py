"""What a cluster needs is said in a sentence; a single machine never loads what it is made of."""

import subprocess
import sys
from pathlib import Path

import pytest

from sync.cli import cluster
from sync.cluster import refuse_other_states
from sync.errors import ConfigurationError
from sync.settings import load_accounts
from tests.zygote import ROOT

DEFAULTS = """
[oauth]
client_id = "x"
[source]
path = "contacts.csv"
[lists]
names = ["A"]
[cluster]
enabled = true
"""
POSTGRESQL = '[state]\nurl = "postgresql+psycopg://x@db.example.com/x"\n'


def folder(path: Path, defaults: str, **accounts: str) -> Path:
    (path / "defaults.toml").write_text(defaults)
    for name, text in accounts.items():
        (path / f"{name}.toml").write_text(text)
    return path


def test_it_needs_postgresql(tmp_path: Path) -> None:
    mariadb = '[state]\nurl = "mariadb+pymysql://x@db.example.com/x"\n'
    for state in ("", mariadb):
        with pytest.raises(ConfigurationError) as failed:
            load_accounts(folder(tmp_path, DEFAULTS + state, ada=""))
        assert "cluster.enabled needs a PostgreSQL database in state.url" in str(failed.value)


def test_all_its_accounts_are_in_one_database(tmp_path: Path) -> None:
    elsewhere = POSTGRESQL.replace("db.", "other.")
    accounts = load_accounts(folder(tmp_path, DEFAULTS + POSTGRESQL, ada="", bob=elsewhere))
    with pytest.raises(ConfigurationError, match=r"another one for bob: .*\.$"):
        refuse_other_states(accounts, accounts.settings["ada"].state_url)


def test_it_is_a_matter_of_all_accounts(tmp_path: Path) -> None:
    own = "[cluster]\nenabled = false\n"
    accounts = load_accounts(folder(tmp_path, DEFAULTS + POSTGRESQL, ada="", bob=own))
    assert "[cluster] is about the worker of all accounts" in str(accounts.broken["bob"])


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = load_accounts(folder(tmp_path, DEFAULTS + POSTGRESQL, ada=""))
    monkeypatch.delitem(sys.modules, "sync.cluster")
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    for name in [each for each in sys.modules if each.startswith("sync.cluster.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigurationError, match=r"pip install 'contact-sync\[cluster\]'"):
        cluster.work(accounts, reread=lambda: accounts)


def test_the_single_machine_s_road_loads_nothing_of_it() -> None:
    loads = "import sys, sync.cli.run, sync.cli.work; print('procrastinate' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", loads], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "False"
