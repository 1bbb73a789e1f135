"""The documents are true: their commands run, their options exist, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from sync.cli.app import COMMANDS, app
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import Settings, load_accounts, load_settings
from tests.agency import Agency
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import ROOT, Office

DOCUMENTS = sorted(
    ROOT / line
    for line in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
)
NAMES = [str(file.relative_to(ROOT)) for file in DOCUMENTS]
# What is not run here, by the document and the beginning of the line, and why.
NOT_RUN = {
    ("README.md", "make "): "takes minutes to hours, and is the suite itself",
    ("README.md", "python3 -m venv"): "makes the environment that this test runs in",
    ("README.md", ".venv/bin/pip"): "installs into that environment",
    ("systemd/README.md", ""): "changes the machine; tests/integration/systemd tries it",
    ("sync/cluster/README.md", ""): "installs, and needs Docker; a test reads the example",
    ("tests/bench/README.md", ""): "measures for minutes",
}
# Ends that a document's command may have here: well, with drift, or stopped as it was made to be.
GOOD_ENDS = {ExitCode.DONE, ExitCode.DONE_WITH_REJECTS, ExitCode.DONE_WITH_DRIFT}
INLINE = re.compile(r"`(?:\.venv/bin/python )?(?:contact-sync|main\.py)((?: [^`]*)?)`")
PEOPLE = "".join(f"p{n}@example.com,P{n}\n" for n in range(40))


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(document: str) -> Iterator[list[str]]:
    """The words of each command that is to be run."""
    for block in blocks(document, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            skipped = any(document == where and line.startswith(start) for where, start in NOT_RUN)
            if line.strip() and not skipped:
                yield shlex.split(line, comments=True)


@pytest.fixture
def stopped_office(make_office: MakeOffice, sandbox: Sandbox) -> Office:
    """Its first run has synced, and the guard has stopped its second one.

    Beside it is a configuration folder, with an account that may run at once.
    """
    sandbox.settings = replace(sandbox.settings, second_consent_kills_earlier=False)
    office = make_office()
    office.authorize()
    brands = Agency(office.folder / "brands", sandbox)
    brands.has("north")
    brands.authorize("north")
    office.contacts.write_text("email,first name\n" + PEOPLE)
    assert office.run("--run-now").code == ExitCode.DONE
    office.contacts.write_text("email,first name\n" + "".join(PEOPLE.splitlines(True)[:20]))
    assert office.run("--run-now").code == ExitCode.GUARD
    return office


@pytest.mark.parametrize("document", [name for name in NAMES if list(commands(name))])
def test_each_command_of_a_document_runs(stopped_office: Office, document: str) -> None:
    office = stopped_office
    for words in commands(document):
        if words[:2] == [".venv/bin/python", "main.py"]:
            words = ["contact-sync", *words[2:]]
        assert words[0] == "contact-sync", f"{words}: run it here, or say in NOT_RUN why not"
        arguments = ["2" if word == "N" else word for word in words[1:]]
        if not {"--config", "demo"} & {*arguments}:
            arguments = ["--config", str(office.config), *arguments]
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *arguments],
            cwd=office.folder,
            env=office.variables(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        # What the office was made to be stopped by stays until the plan is approved.
        ends = GOOD_ENDS | ({ExitCode.GUARD} if {"--dry-run", "--run-now"} & {*words} else set())
        assert done.returncode in ends, f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_is_not_run_is_still_there() -> None:
    for document, start in NOT_RUN:
        lines = "".join(blocks(document, "sh")).splitlines()
        assert any(line.startswith(start) for line in lines), (document, start)


@pytest.mark.parametrize("document", NAMES)
def test_each_command_that_a_text_names_can_be_called(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for rest in INLINE.findall(text):
        words = [word for word in rest.split() if word not in ("…", "...")]
        command: Any = typer.main.get_command(app)
        while words and not words[0].startswith("-"):
            if not hasattr(command, "commands"):
                words.pop(0)  # an argument
                continue
            name = words.pop(0)
            if name in COMMANDS:
                command.commands[name] = COMMANDS[name].load()
            assert name in command.commands, f"{document}: {rest}"
            command = command.commands[name]
        of = (command, typer.main.get_command(app))
        known = {each for one in of for parameter in one.params for each in parameter.opts}
        for word in words:
            if word.startswith("--"):
                assert word in known | {"--help"}, f"{document}: {rest}"


@pytest.mark.parametrize("document", NAMES)
def test_each_option_that_a_text_names_is_one(document: str) -> None:
    sections: dict[str, Any] = {
        name: field.annotation for name, field in Settings.model_fields.items()
    }
    text = (ROOT / document).read_text(encoding="utf-8")
    for section, option in re.findall(r"`(\w+)\.(\w+)[` ]", text):
        if section in sections and option not in ("py", "toml", "db", "log"):
            assert option in sections[section].model_fields, f"{document}: {section}.{option}"
    for block in blocks(document, "toml"):
        sectioned = re.search(r"^\[", block, re.MULTILINE)
        # Without a section they are several ways to fill [source].
        for part in [block] if sectioned else block.split("\n\n"):
            whole = part if sectioned else f"[source]\n{part}"
            for section, options in tomllib.loads(whole).items():
                assert set(options) <= set(sections[section].model_fields), f"{document}: {part}"


def test_the_worked_configurations_load(tmp_path: Path) -> None:
    worked = [text for text in blocks("config/README.md", "toml") if not text.startswith("# ")]
    assert len(worked) == 3
    for number, text in enumerate(worked):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        load_settings(file)


def test_the_worked_folder_loads(tmp_path: Path) -> None:
    for text in blocks("config/README.md", "toml"):
        if named := re.match(r"# brands/(\w+\.toml)\n", text):
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
    accounts = load_accounts(tmp_path)
    assert (accounts.names, dict(accounts.broken)) == (("north",), {})


@pytest.mark.parametrize("document", NAMES)
def test_each_link_leads_somewhere(document: str) -> None:
    file = ROOT / document
    text = file.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path) if path else file
        assert target.exists(), f"{document}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{document}: {link}"


def anchors(file: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_exit_code_has_its_advice() -> None:
    text = (ROOT / "sync" / "cli" / "README.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert re.search(rf"^\| {code.value} \| ", text, re.MULTILINE), code


def test_every_section_of_the_configuration_is_explained() -> None:
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    for section in Settings.model_fields:
        assert f"| `[{section}]` |" in text


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 250
