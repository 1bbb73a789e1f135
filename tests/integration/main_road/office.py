"""A company's machine: its configuration, its source, and the real program as a process."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.sandbox import Entry, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store

ROOT = Path(__file__).resolve().parents[3]
IMPORTS = "/v3/activities/contacts_json_import"
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    code: int
    out: str
    err: str


@dataclass
class Office:
    """One account's folder; `options` are lines of TOML by section."""

    folder: Path
    sandbox: Sandbox
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = self.folder / "client_secret"
        secret.write_text(self.sandbox.client_secret)
        secret.chmod(0o600)
        self.contacts.write_text("email,first name\nada@example.com,Ada\n")
        defaults = {
            "oauth": [
                f'client_id = "{self.sandbox.client_id}"',
                'client_secret_file = "client_secret"',
                f'authorize_url = "{self.sandbox.authorize_url}"',
                f'token_url = "{self.sandbox.token_url}"',
            ],
            "api": [f'base_url = "{self.sandbox.api_url}"', "requests_per_second = 1000"],
            "source": ['path = "contacts.csv"'],
            "consent": ["all_rows_have_consent = true"],
            "lists": ['names = ["Customers"]', "create_missing = true"],
        }
        self.options = {
            name: defaults.get(name, []) + self.options.get(name, [])
            for name in defaults | self.options
        }
        self.configure()

    @property
    def config(self) -> Path:
        return self.folder / "contact-sync.toml"

    @property
    def contacts(self) -> Path:
        return self.folder / "contacts.csv"

    def configure(self, **sections: str) -> None:
        """Write the configuration; a section given here replaces what it held."""
        text = {name: "\n".join(lines) for name, lines in self.options.items()} | sections
        self.config.write_text(
            "\n".join(f"[{name}]\n{lines}\n" for name, lines in text.items()), encoding="utf-8"
        )

    def authorize(self) -> None:
        """Have a token pair at once; `paste` goes the way that a person goes."""
        with patch.dict(os.environ, self.environment):
            settings = load_settings(self.config)
        request = begin(settings)
        code = code_from_pasted(request, self.sandbox.press_allow(request.url))
        answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
        with open_store(settings) as store:
            open_vault(settings, store, create_key=True).keep(answer, encoded_account_id=None)

    def paste(self, ending: Callable[[str], str], *options: str) -> Done:
        """`authorize --paste`: `ending` makes of the address what the person pastes."""
        with self.start("authorize", "--paste", *options) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stderr is not None
            out = ""
            for line in process.stdout:
                out += line
                if line.startswith(self.sandbox.authorize_url):
                    process.stdin.write(ending(line.strip()))
                    process.stdin.close()
                    break
            out += process.stdout.read()
            err = process.stderr.read()
        return Done(process.returncode, out, err)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run the program to its end, with nobody at its input."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.variables(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program and go on."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.variables(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def command(self, *arguments: str) -> list[str]:
        """What is started."""
        return [sys.executable, str(ROOT / "main.py"), "--config", str(self.config), *arguments]

    def imports(self) -> list[Entry]:
        """The imports that reached the service."""
        return [entry for entry in self.sandbox.requests(path=IMPORTS) if entry.method == "POST"]

    def variables(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment that the program sees."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("CONTACT_SYNC_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {**kept, "PYTHONUNBUFFERED": "1", **self.environment, **(more or {})}
