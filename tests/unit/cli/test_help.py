"""What `--help` promises: the commands, the exit codes, and nothing of our insides."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sync.cli.app import app
from sync.errors import ExitCode

ROOT = Path(__file__).parents[3]
COMMANDS = (
    (),
    ("init",),
    ("authorize",),
    ("map",),
    ("check",),
    ("status",),
    ("sandbox",),
    ("demo",),
    ("rotate-key",),
    ("adopt",),
    ("logout",),
    ("tokens",),
    ("tokens", "export"),
    ("tokens", "import"),
)
# Scripts and service managers decide by these: a change here breaks them.
STABLE = {0, 3, 64, 65, 66, 69, 70, 74, 75, 76, 77, 78}


def help_of(*command: str) -> str:
    done = CliRunner().invoke(app, [*command, "--help"], prog_name="contact-sync")
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_is_for_people(command: tuple[str, ...]) -> None:
    text = help_of(*command)
    assert text.startswith("Usage: contact-sync")
    assert max(map(len, text.splitlines())) <= 100
    assert "..." not in text.replace("[ARGS]...", "").replace("[OPTIONS]...", "")


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
        assert " ".join(("main.py", *command[:1])) in readme
