"""A configuration folder: shared defaults, an account a file, and what a wrong file concerns."""

from pathlib import Path

import pytest

from sync.errors import ConfigurationError, UsageError
from sync.settings import load_account, load_accounts, load_alert_settings
from sync.settings.accounts import merged

DEFAULTS = """
[oauth]
client_id = "an-application"
[source]
path = "contacts.csv"
chunk_rows = 500
[lists]
names = ["Customers"]
[mapping.columns]
first_name = "Given"
last_name = "Family"
"""


class Folder:
    """A configuration folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def says(self, **files: str) -> "Folder":
        for name, text in files.items():
            (self.path / f"{name}.toml").write_text(text, encoding="utf-8")
        return self


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return Folder(tmp_path / "config").says(defaults=DEFAULTS)


def test_each_file_is_an_account_of_its_name_and_what_it_says_goes_first(folder: Folder) -> None:
    folder.says(
        north='[source]\npath = "north.csv"\n[mapping.columns]\nlast_name = "Surname"\n',
        south='[lists]\nnames = ["South"]\n',
    )
    accounts = load_accounts(folder.path)
    assert (accounts.many, accounts.names) == (True, ("north", "south"))
    north, south = accounts.settings["north"], accounts.settings["south"]
    assert north.account.name == "north"
    assert north.source.path == folder.path / "north.csv"
    assert north.source.chunk_rows == 500
    assert set(north.mapping.columns) == {"first_name", "last_name"}
    assert north.mapping.columns["last_name"] != south.mapping.columns["last_name"]
    assert (north.lists.names, south.lists.names) == (("Customers",), ("South",))
    assert south.source.path == folder.path / "contacts.csv"


def test_each_account_has_a_state_and_reports_of_its_own_and_counts_in_a_common_one(
    folder: Folder,
) -> None:
    folder.says(north="", south='[state]\ndirectory = "/data/south"\n')
    accounts = load_accounts(folder.path).settings
    assert accounts["north"].state.directory == folder.path / "state" / "north"
    assert accounts["north"].report.directory == folder.path / "reports" / "north"
    assert accounts["south"].state.directory == Path("/data/south")
    assert accounts["south"].report.directory == folder.path / "reports" / "south"
    common = {each.shared_state_url for each in accounts.values()}
    assert common == {f"sqlite:///{folder.path}/state/state.db"}
    folder.says(defaults=f'{DEFAULTS}[state]\ndirectory = "/var/lib/contact-sync"\n')
    (north, _) = load_accounts(folder.path).settings.values()
    assert north.state_url == "sqlite:////var/lib/contact-sync/north/state.db"
    assert north.shared_state_url == "sqlite:////var/lib/contact-sync/state.db"
    folder.says(defaults=f'{DEFAULTS}[state]\nurl = "postgresql+psycopg://x/y"\n')
    (north, _) = load_accounts(folder.path).settings.values()
    assert north.state_url == north.shared_state_url == "postgresql+psycopg://x/y"


def test_one_file_is_one_account_as_ever(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "contact-sync.toml"
    file.write_text(DEFAULTS)
    accounts = load_accounts(file)
    assert (accounts.many, accounts.names) == (False, ("default",))
    settings = accounts.settings["default"]
    assert settings.state_url == settings.shared_state_url == f"sqlite:///{tmp_path}/state/state.db"
    assert load_account(file, "default") == load_account(file) == settings
    with pytest.raises(UsageError, match="for the account default alone"):
        load_account(file, "another")


def test_a_wrong_file_concerns_its_account_alone_and_is_named(folder: Folder) -> None:
    folder.says(
        north="",
        south='[guard]\nmax_shrink_percent = "a lot"\n',
        east="[guard\n",
        west='[status]\nport = 1\n[account]\nname = "east"\n',
    )
    accounts = load_accounts(folder.path)
    assert accounts.names == ("east", "north", "south", "west")
    assert list(accounts.settings) == ["north"]
    south = str(accounts.broken["south"])
    assert f"{folder.path}/south.toml is wrong" in south
    assert "guard.max_shrink_percent" in south
    assert "(in defaults.toml)" not in south
    assert "east.toml is not valid TOML" in str(accounts.broken["east"])
    west = str(accounts.broken["west"])
    assert "[status] is about the worker of all accounts: it belongs into defaults.toml" in west
    assert "account.name is west here" in west


def test_a_wrong_value_of_the_defaults_is_told_with_their_name(folder: Folder) -> None:
    folder.says(
        defaults=f"{DEFAULTS}[guard]\nmax_shrink_percent = 500\n[schedule]\nretries = [1]\n",
        north="[guard]\nmax_shrink_percent = 10\n",
        south="[guard]\nmax_shrink_percent = 600\n[schedule]\nretries = []\n",
        west="[guard]\nmax_shrink_percent = 5\n[schedule]\nretries = []\n",
    )
    broken = load_accounts(folder.path).broken
    (north,) = broken["north"].problems
    assert north == "schedule.retries: has a pause of less than a minute (in defaults.toml)"
    (south,) = broken["south"].problems
    assert south.startswith("guard.max_shrink_percent")
    assert "defaults" not in south


def test_a_folder_without_any_right_account_is_refused(folder: Folder) -> None:
    with pytest.raises(ConfigurationError, match=r"has no account: write a file NAME\.toml"):
        load_accounts(folder.path)
    folder.says(north="x = 1\n")
    with pytest.raises(ConfigurationError, match="x is not an option"):
        load_accounts(folder.path)
    folder.says(south="x = 1\n")
    with pytest.raises(ConfigurationError, match=r"No account of .* The first of 2: .*north.toml"):
        load_accounts(folder.path)
    folder.says(defaults="[")
    with pytest.raises(ConfigurationError, match=r"defaults\.toml is not valid TOML"):
        load_accounts(folder.path)
    (folder.path / "defaults.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"no defaults\.toml"):
        load_accounts(folder.path)


def test_a_command_for_one_account_needs_its_name(folder: Folder) -> None:
    folder.says(north="")
    assert load_account(folder.path).account.name == "north"
    folder.says(south="")
    assert load_account(folder.path, "south").account.name == "south"
    with pytest.raises(UsageError, match=r"2 accounts: name one with --account NAME \(north, so"):
        load_account(folder.path)
    with pytest.raises(UsageError, match=r"no account soth .* Did you mean south?"):
        load_account(folder.path, "soth")
    with pytest.raises(UsageError, match=r"no account x .* There are: north, south"):
        load_account(folder.path, "x")
    with pytest.raises(UsageError, match="defaults"):
        load_account(folder.path, "defaults")


def test_hidden_and_other_files_are_no_accounts(folder: Folder) -> None:
    folder.says(north="")
    for name in (".north.toml", "south.toml~", "notes.txt"):
        (folder.path / name).write_text("no TOML")
    assert load_accounts(folder.path).names == ("north",)


def test_a_file_s_name_that_is_none_of_an_account_is_told(folder: Folder) -> None:
    folder.says(**{"north": "", "the south": ""})
    assert "account.name" in str(load_accounts(folder.path).broken["the south"])


@pytest.mark.parametrize("variable", ["ACCOUNT__NAME", "STATE__DIRECTORY", "state__directory"])
def test_the_environment_makes_no_account_of_another(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folder.says(north="")
    monkeypatch.setenv(f"CONTACT_SYNC_{variable}", "/elsewhere")
    with pytest.raises(ConfigurationError, match=f"{variable} would hold for all accounts"):
        load_accounts(folder.path)


def test_the_environment_names_a_folder_and_goes_first_for_all(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.says(north="", south="[guard]\nmax_changed = 5\n")
    monkeypatch.setenv("CONTACT_SYNC_CONFIG", str(folder.path))
    monkeypatch.setenv("CONTACT_SYNC_GUARD__MAX_CHANGED", "7")
    assert [each.guard.max_changed for each in load_accounts().settings.values()] == [7, 7]


def test_the_alerts_of_a_wrong_account_and_of_the_defaults_are_found(folder: Folder) -> None:
    folder.says(
        defaults=f'{DEFAULTS}[alerts]\nwebhook_url = "http://all.example"\n',
        north='[alerts]\nwebhook_url = "http://north.example"\n[source]\nno_such = 1\n',
    )

    def address(account: str | None) -> str:
        url = load_alert_settings(folder.path, account).alerts.webhook_url
        assert url is not None
        return url.get_secret_value()

    assert address("north") == "http://north.example"
    assert address(None) == "http://all.example"
    assert load_alert_settings(folder.path, "north").state.directory.name == "north"


def test_tables_are_merged_and_other_values_replaced() -> None:
    shared = {"a": {"x": 1, "deep": {"p": 1}}, "b": [1, 2], "c": {"x": 1}}
    own = {"a": {"y": 2, "deep": {"q": 2}}, "b": [3], "c": 5}
    assert merged(shared, own) == {
        "a": {"x": 1, "y": 2, "deep": {"p": 1, "q": 2}},
        "b": [3],
        "c": 5,
    }
    assert shared["a"] == {"x": 1, "deep": {"p": 1}}
