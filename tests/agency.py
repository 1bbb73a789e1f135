"""An agency's machine: one configuration folder with an account a file, and the real program."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from sync.auth.token_answer import TokenAnswer
from sync.auth.vault import open_vault
from sync.clock import utc_now
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import Settings, load_account
from sync.state.runs import Counts, Runs
from sync.state.store import open_store
from tests.integration.main_road.office import ROOT, Done

_PATIENCE_SECONDS = 240
_HOUR = timedelta(hours=1)


@dataclass
class Agency:
    """A folder; `shared` are lines of TOML by section that its defaults.toml has besides."""

    folder: Path
    sandbox: Sandbox | None = None
    shared: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.share()

    def share(self, **sections: str) -> None:
        """Write defaults.toml; a section given here replaces what it held."""
        secret = self.folder / "client_secret"
        secret.write_text(self.sandbox.client_secret if self.sandbox else "a-secret-of-some-length")
        secret.chmod(0o600)
        usual = {
            "oauth": 'client_id = "an-application"\nclient_secret_file = "client_secret"',
            "api": "requests_per_second = 1000",
            "vault": 'key_file = "vault.key"',
            "consent": "all_rows_have_consent = true",
            "lists": 'names = ["Customers"]\ncreate_missing = true',
        }
        if self.sandbox is not None:
            usual["oauth"] = (
                f'client_id = "{self.sandbox.client_id}"\nclient_secret_file = "client_secret"\n'
                f'authorize_url = "{self.sandbox.authorize_url}"\n'
                f'token_url = "{self.sandbox.token_url}"'
            )
            usual["api"] = f'base_url = "{self.sandbox.api_url}"\n{usual["api"]}'
        self.shared = {**usual, **self.shared, **sections}
        self._write("defaults", self.shared)

    def has(self, name: str, people: int = 1, **sections: str) -> Path:
        """Write an account's file and its contacts; returns the contacts' file."""
        contacts = self.folder / f"{name}.csv"
        rows = "".join(f"{name}.{number}@example.com\n" for number in range(people))
        contacts.write_text(f"email\n{rows}")
        self._write(name, {"source": f'path = "{name}.csv"', **sections})
        return contacts

    def settings(self, name: str) -> Settings:
        """The account's configuration."""
        with patch.dict(os.environ, self.environment):
            return load_account(self.folder, name)

    def authorize(self, *names: str) -> None:
        """Have a pair of each at once, which the sandbox knows if there is one."""
        for name in names:
            settings = self.settings(name)
            with open_store(settings) as store:
                vault = open_vault(settings, store, create_key=True)
                vault.keep(self._answer(settings, name), encoded_account_id=None)

    def synced(self, name: str, ago: timedelta = _HOUR) -> None:
        """Record that the account was synced."""
        self.ended(name, ExitCode.DONE, "1 contact sent, 0 unchanged.", ago)

    def ended(self, name: str, code: ExitCode, message: str, ago: timedelta = _HOUR) -> None:
        """Record how a sync of the account ended."""
        settings = self.settings(name)
        with open_store(settings) as store:
            runs = Runs(store, name)
            number = runs.begin(utc_now() - ago, dry_run=False)
            runs.finish(
                number,
                exit_code=code,
                message=message,
                counts=Counts(),
                report=None,
                rejects=None,
                now=utc_now() - ago,
            )

    def copy_state(self, origin: str, *names: str) -> None:
        """Give others the pair and the runs of one account, in milliseconds."""
        there = self.settings(origin).state.directory
        for name in names:
            folder = there.with_name(name)
            folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copy(there / "state.db", folder / "state.db")
            with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as copied:
                copied.execute("PRAGMA synchronous=OFF")
                for table in ("token_pair", "run"):
                    copied.execute(f"UPDATE {table} SET account = ?", (name,))

    def run(self, *arguments: str) -> Done:
        """Run the program to its end, with nobody at its input."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, log: Path | None = None) -> subprocess.Popen[str]:
        """Start the program and go on; what it logs may go to a file."""
        errors = subprocess.PIPE if log is None else log.open("w", encoding="utf-8")
        return subprocess.Popen(
            self.command(*arguments),
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )

    def command(self, *arguments: str) -> list[str]:
        """What is started."""
        return [sys.executable, str(ROOT / "main.py"), "--config", str(self.folder), *arguments]

    def variables(self) -> dict[str, str]:
        """The environment that the program sees."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CONTACT_SYNC_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {**kept, "PYTHONUNBUFFERED": "1", "COLUMNS": "250", **self.environment}

    def _answer(self, settings: Settings, name: str) -> TokenAnswer:
        tokens = {"access_token": f"access-{name}", "refresh_token": f"refresh-{name}"}
        if self.sandbox is not None:
            tokens = self.sandbox.issue_tokens()
        return TokenAnswer(
            tokens["access_token"],
            tokens["refresh_token"],
            scope=" ".join(settings.oauth.scopes),
            expires_in=timedelta(hours=24),
            requested_at=utc_now(),
            received_at=utc_now(),
        )

    def _write(self, name: str, sections: dict[str, str]) -> None:
        text = "\n".join(f"[{section}]\n{lines}\n" for section, lines in sections.items())
        (self.folder / f"{name}.toml").write_text(text, encoding="utf-8")
