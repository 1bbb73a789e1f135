"""`contact-sync demo`: the whole road, with the real commands, against a local sandbox."""

import csv
import html
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import requests
import typer

from sync.cli.sandbox import need_sandbox, open_sandbox, sandbox_configuration
from sync.cli.terminal import output, say
from sync.errors import ContactSyncError, ExitCode, UsageError

if TYPE_CHECKING:
    from sync.sandbox import Sandbox

_ROOT = Path(__file__).resolve().parents[2]
_CONFIG = _ROOT / "config"
_MARK = ".made-by-contact-sync-demo"
_CONTACTS_AT_ONCE = 60


def command(
    folder: Annotated[
        Path, typer.Option(metavar="PATH", help="Where the demo works; made anew each time.")
    ] = Path("demo-out"),
) -> None:
    """See the whole road, on this machine alone.

    Authorize, plan, sync, change some rows, sync again. It starts a local Constant Contact,
    syncs config/sample_contacts.csv into it, and stops it.
    """
    need_sandbox()
    from sync.sandbox import SandboxSettings

    _make_folder(folder)
    redirect_uri = f"http://localhost:{_free_port()}/callback"
    settings = SandboxSettings(
        redirect_uris=(redirect_uri,), processing_time=timedelta(seconds=1.5)
    )
    with open_sandbox(settings=settings) as sandbox:
        Demo(folder.resolve(), sandbox, redirect_uri).play()


class Demo:
    """The demo's scenes, in order."""

    def __init__(self, folder: Path, sandbox: "Sandbox", redirect_uri: str) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._config = folder / "contact-sync.toml"
        self._contacts = folder / "contacts.csv"
        self._write_configuration(redirect_uri)

    def play(self) -> None:
        """Play them; raises ContactSyncError when a command ends otherwise than it should."""
        self._scene("A local Constant Contact", f"It runs at {self._sandbox.url}, for this demo.")
        self._scene("A person presses Allow, once")
        self._authorize()
        self._scene("Is everything in place?")
        self._run("check")
        self._scene("What would be sent?", "A dry run sends nothing.")
        self._run("--dry-run", expected=ExitCode.DONE_WITH_REJECTS)
        self._scene("The first sync", "The file has deliberate faults; each is told.")
        self._run("--run-now", expected=ExitCode.DONE_WITH_REJECTS)
        self._scene("The next day, some rows have changed", *self._change_rows())
        self._run("--run-now", expected=ExitCode.DONE_WITH_REJECTS)
        self._scene("What the state remembers")
        self._run("status")
        self._end()

    def _write_configuration(self, redirect_uri: str) -> None:
        oauth, api = sandbox_configuration(self._sandbox).split("\n\n")
        text = "\n".join(
            [
                (_CONFIG / "demo.toml").read_text(encoding="utf-8"),
                f'{oauth}\nredirect_uri = "{redirect_uri}"',
                "",
                f"{api.strip()}\nbatch_contacts = {_CONTACTS_AT_ONCE}",
                "",
            ]
        )
        self._config.touch(mode=0o600)
        self._config.write_text(text, encoding="utf-8")
        shutil.copyfile(_CONFIG / "sample_contacts.csv", self._contacts)

    def _authorize(self) -> None:
        """Run the command and be the person: open the address, press Allow."""
        arguments = ("authorize", "--no-browser")
        self._show(arguments)
        with subprocess.Popen(
            self._command(arguments),
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            lines = process.stdout or iter(())
            address = ""
            for line in lines:
                say(line.rstrip())
                if line.startswith(self._sandbox.authorize_url):
                    address = line.strip()
                if line.startswith("Waiting"):
                    self._press_allow(address)
        self._expect(process.returncode, ExitCode.DONE, "authorize")

    def _press_allow(self, address: str) -> None:
        page = requests.get(address, timeout=30)
        say()
        say("  The browser shows:", "dim")
        for line in _readable(page.text):
            say(f"  │ {line}", "cyan")
        say("  … and the person presses Allow. Then the browser shows:", "dim")
        landed = requests.get(self._sandbox.press_allow(address), timeout=30)
        for line in _readable(landed.text):
            say(f"  │ {line}", "cyan")
        say()

    def _change_rows(self) -> list[str]:
        """Edit the source as a company would; returns what was done."""
        with self._contacts.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        last_name, city, email = (header.index(name) for name in ("Last name", "City", "E-mail"))
        married, moved, dropped = rows[10], rows[20], rows.pop(30)
        told = [
            f"{married[email]}: last name {married[last_name]} → Okonkwo-Reyes",
            f"{moved[email]}: city {moved[city] or '(empty)'} → Santa Fe",
            f"{dropped[email]}: dropped from the file",
        ]
        married[last_name], moved[city] = "Okonkwo-Reyes", "Santa Fe"
        with self._contacts.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return told

    def _run(self, *arguments: str, expected: ExitCode = ExitCode.DONE) -> None:
        self._show(arguments)
        done = subprocess.run(self._command(arguments), check=False)
        self._expect(done.returncode, expected, arguments[0])

    def _expect(self, code: int, expected: ExitCode, name: str) -> None:
        if code != expected:
            raise ContactSyncError(
                f"The demo expected {name} to exit with {expected.value} ({expected.meaning}), "
                f"but it exited with {code}; please report this with what it printed."
            )
        if code:
            say(f"(exit code {code}: {ExitCode(code).meaning})", "dim")

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, str(_ROOT / "main.py"), "--config", str(self._config), *arguments]

    def _show(self, arguments: tuple[str, ...]) -> None:
        say(f"$ python main.py --config {self._config.name} {' '.join(arguments)}", "bold")

    def _scene(self, title: str, *lines: str) -> None:
        say()
        output.rule(title, align="left")
        for line in lines:
            say(line)

    def _end(self) -> None:
        self._scene("That was all; the sandbox is stopped")
        say(f"Reports:  {self._folder / 'reports'} (open the .html files in a browser)")
        say(f"Rejects:  {self._folder / 'reports'} (the .csv files)")
        say(f"State:    {self._folder / 'state'} (database, vault key)")
        say(f"Settings: {self._config}")
        say()
        say("To go live with your own contacts:")
        say("  1. Make an application in Constant Contact's developer portal.")
        say("  2. python main.py init       writes a configuration to fill in")
        say("  3. python main.py sandbox --rehearse contact-sync.toml")
        say("                               your own contacts, still on this machine alone")
        say("  4. python main.py authorize  a person presses Allow, once")
        say("  5. python main.py check      then --dry-run, then --run-now")
        say("  6. Install the daily service. README.md tells each step.")


def _make_folder(folder: Path) -> None:
    """An empty folder; an older demo's is replaced, anything else is left alone."""
    if folder.exists() and not (folder / _MARK).exists():
        raise UsageError(
            f"{folder} exists and is not an earlier demo's: name another with --folder."
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise UsageError(
            f"The demo's folder {folder} can't be made: {error.strerror}; name another with "
            "--folder."
        ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _readable(page: str) -> list[str]:
    """The text of a small page, a line a block; buttons in brackets."""
    body = re.sub(r"(?s)<(style|script|head)\b.*?</\1>", "", page)
    body = re.sub(r"(?s)<button[^>]*>\s*(.*?)\s*</button>", r"\n[ \1 ]\n", body)
    body = re.sub(r"</(p|h\d|li|div|dt|dd|form)>", "\n", body)
    text = html.unescape(re.sub(r"(?s)<[^>]+>", " ", body))
    return [line for each in text.splitlines() if (line := " ".join(each.split()))]
