"""`map` shows at once whether the mapping is right."""

import subprocess
import sys
from pathlib import Path

import pytest

from sync.errors import ExitCode

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
column = "Team"
separator = ","
[tags]
column = "Team"
values = { "a, b" = "Team one" }
[mapping.columns]
first_name = { first_of = ["Nickname", "Name"], changes = ["title"] }
country = { constant = "Chile" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "contact-sync.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "contacts.csv").write_text(
        "No.,E-mail,Nickname,Name,Birthday,Notes,Agreed,Team\n"
        '1,ANN@Example.com,,ANN,1990-05-07,x,yes,"A, B"\n'
        "2,bob@example.com,BOBBY,ROBERT,never,x,yes,\n"
        "3,cy@example.com,,CYRUS,,x,no,\n",
        encoding="utf-8",
    )
    return path


def run(config: Path, *options: str, columns: int = 160) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--config", str(config), "map", *options],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": str(columns), "PATH": "/usr/bin"},
    )


def test_without_consent_the_mapping_is_shown_and_what_is_missing_said_after_it(
    config: Path,
) -> None:
    section = '[consent]\ncolumn = "Agreed"\nvalues = ["yes"]\n'
    config.write_text(CONFIGURATION.replace(section, ""), encoding="utf-8")
    done = run(config)
    assert done.returncode == ExitCode.CONFIGURATION
    *table, not_mapped, rows, birthday = done.stdout.splitlines()
    assert any("first_name" in line for line in table)
    assert not_mapped == "Not mapped: “Notes”, “Agreed”."
    assert rows == "Of the first 3 rows 3 would be sent if these people agreed, and 0 would not."
    assert birthday.startswith("  birthday_invalid")
    assert done.stderr.startswith("The configuration doesn't say who agreed to be written to")


def test_on_a_narrow_terminal_samples_give_way_and_no_name_does(config: Path) -> None:
    lines = run(config, columns=80).stdout.splitlines()
    assert max(map(len, lines[1:10])) <= 80
    cells = {cell.strip() for line in lines for cell in line.split("│")}
    assert {"Nickname or Name (changed)", "first_name", "Team + “Customers” for all"} <= cells


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
    assert ["Team + “Customers” for all", "lists", "A, B", "Customers; A; B"] in rows
    assert ["", "", "", "Customers"] in rows
    assert ["Team", "tags", "A, B", "Team one"] in rows
    assert ["", "", "", "(none)"] in rows
    assert "Not mapped: “Notes”." in done.stdout
    assert "“Agreed” says who agreed to be written to." in done.stdout
    assert "“No.” tells who has a new address, and is shown in the rejects file." in done.stdout
    assert "Of the first 3 rows 2 would be sent, and 1 would not." in done.stdout
    assert "birthday_invalid, such as row 3 (birthday “never”): This is no date" in done.stdout
    assert "no_consent, such as row 4: The column “Agreed” does not say" in done.stdout


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


def test_rows_that_can_not_be_read_are_told_as_far_as_was_looked(config: Path) -> None:
    path = config.parent / "contacts.csv"
    path.write_text(path.read_text(encoding="utf-8") + "4,x\n", encoding="utf-8")
    assert "row_unreadable, such as row 5: The row has 2 cells" in run(config).stdout
    done = run(config, "--rows", "1")
    assert "The first row would be sent." in done.stdout
    assert "row_unreadable" not in done.stdout
    path.write_text("E-mail,Nickname,Name,Agreed,Team,No.\nx\n", encoding="utf-8")
    done = run(config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The first row would not be sent." in done.stdout
    assert "row_unreadable, such as row 2: The row has 1 cell" in done.stdout
