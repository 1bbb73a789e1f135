"""`map` shows at once whether the mapping is right."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONFIGURATION = """
[oauth]
client_id = "an-application"
[source]
path = "contacts.csv"
key_column = "No."
[consent]
column = "Agreed"
values = ["yes"]
[lists]
names = ["Customers"]
[mapping.columns]
first_name = { first_of = ["Nickname", "Name"], changes = ["title"] }
country = { constant = "Chile" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "contact-sync.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "contacts.csv").write_text(
        "No.,E-mail,Nickname,Name,Birthday,Notes,Agreed\n"
        "1,ANN@Example.com,,ANN,1990-05-07,x,yes\n"
        "2,bob@example.com,BOBBY,ROBERT,never,x,yes\n"
        "3,cy@example.com,,CYRUS,,x,no\n",
        encoding="utf-8",
    )
    return path


def run(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--config", str(config), "map"],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "160", "PATH": "/usr/bin"},
    )


def test_columns_fields_and_values_before_and_after_are_shown(config: Path) -> None:
    done = run(config)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.replace("│", "|") for line in done.stdout.splitlines()]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    assert ["E-mail", "email", "ANN@Example.com", "ann@example.com"] in rows
    assert ["“Chile” for all", "country", "", "Chile"] in rows
    assert ["Nickname or Name (changed)", "first_name", "ANN", "Ann"] in rows
    assert ["Birthday", "birthday", "1990-05-07", "month 5, day 7"] in rows
    assert ["", "", "never", "(left out)"] in rows
    assert "Not mapped: “Notes”." in done.stdout
    assert "“Agreed” says who agreed to be written to." in done.stdout
    assert "“No.” is shown in the rejects file." in done.stdout
    assert "Of the first 3 rows 2 are contacts; 1 would not be sent." in done.stdout
    assert "birthday_invalid, such as row 3" in done.stdout


def test_nothing_is_stored_and_no_account_is_needed(config: Path) -> None:
    run(config)
    assert sorted(path.name for path in config.parent.iterdir()) == [
        "contact-sync.toml",
        "contacts.csv",
    ]


def test_a_mapping_that_can_not_be_is_a_sentence(config: Path) -> None:
    config.write_text(CONFIGURATION.replace("Nickname", "Nick"), encoding="utf-8")
    done = run(config)
    assert done.returncode == 66
    assert "no column “Nick”" in done.stderr
