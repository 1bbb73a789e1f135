"""What `--help` promises: the commands, the exit codes, and nothing of our insides."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sync.cli.app import COMMANDS, app
from sync.errors import ExitCode

ROOT = Path(__file__).parents[3]
GROUPS = {
    "plan": ("show", "approve"),
    "alert": ("test",),
    "state": ("backup", "restore"),
    "tokens": ("export", "import"),
}
CALLED = [
    (),
    *((name,) for name in COMMANDS),
    *((group, command) for group, commands in GROUPS.items() for command in commands),
]
# Scripts and service managers decide by these: a change here breaks them.
STABLE = {0, 3, 4, 64, 65, 66, 69, 70, 74, 75, 76, 77, 78}


def help_of(*command: str) -> str:
    # As wide as most terminals are.
    narrow = {"COLUMNS": "80"}
    done = CliRunner().invoke(app, [*command, "--help"], prog_name="contact-sync", env=narrow)
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("command", CALLED, ids=" ".join)
def test_the_help_is_for_people(command: tuple[str, ...]) -> None:
    text = help_of(*command)
    assert text.startswith("Usage: contact-sync")
    assert max(map(len, text.splitlines())) <= 100
    assert "..." not in text.replace("[ARGS]...", "").replace("[OPTIONS]...", "")


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"contact-sync {version('contact-sync')}\n")


def test_the_exit_codes_are_stable_and_listed() -> None:
    assert {int(code) for code in ExitCode} == STABLE
    text = help_of()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"{code.value:>3}  {code.meaning}" in text
        assert f"| {code.value} | {code.meaning} |" in readme


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`main.py {command}" in readme


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_summary_is_the_first_line_of_its_help(name: str) -> None:
    summary = COMMANDS[name].summary
    assert summary in help_of(name).splitlines()[2]
    assert f"{name} " in help_of()
    assert summary in help_of()


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (("--help",), ("pandas", "sqlalchemy", "pydantic", "requests")),
        (("status",), ("pandas", "pyarrow", "alembic")),
    ],
)
def test_a_command_loads_no_more_than_it_needs(
    arguments: tuple[str, ...], unneeded: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "contact-sync.toml"
    config.write_text(
        '[oauth]\nclient_id = "none"\n[source]\npath = "none.csv"\n[lists]\nnames = ["A"]\n'
    )
    program = (
        "import sys; from sync.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended:\n"
        f"    print('loaded', ended.code, *(set({unneeded}) & set(sys.modules)))\n"
    )
    for _ in range(2):  # the first one makes the database
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "CONTACT_SYNC_CONFIG": str(config)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines()[-1] == "loaded 0"


def test_help_that_nobody_reads_to_its_end_is_no_failure() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} main.py --help | true; exit ${{PIPESTATUS[0]}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
