"""A machine with systemd, and contact-sync installed on it as a company would."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from sync.sandbox import Sandbox
from tests.conftest import QUICK
from tests.integration.alerts.conftest import Posts
from tests.integration.systemd.machine import Machine, NoMachine, machine
from tests.zygote import ROOT

PROGRAM = str(Path(sys.executable).with_name("contact-sync"))
CONFIG = "/etc/contact-sync/contact-sync.toml"
SCRIPT = "/usr/local/sbin/contact-sync"
_LOG = "[Service]\nStandardError=append:/run/{name}.log\nStandardOutput=append:/run/{name}.log\n"


@dataclass
class Installed:
    """The machine, with what the service talks to."""

    machine: Machine
    sandbox: Sandbox
    posts: Posts

    def configure(self, more: str = "") -> None:
        """Write the configuration, and where alerts go, which is a secret."""
        self.machine.write(
            CONFIG,
            f"""
[oauth]
client_id = "{self.sandbox.client_id}"
authorize_url = "{self.sandbox.authorize_url}"
token_url = "{self.sandbox.token_url}"
[api]
base_url = "{self.sandbox.api_url}"
requests_per_second = 1000
[source]
path = "/srv/contacts.csv"
[consent]
all_rows_have_consent = true
[lists]
names = ["Customers"]
create_missing = true
[state]
directory = "/var/lib/contact-sync"
[report]
directory = "/var/lib/contact-sync/reports"
{more}
""",
        )
        self.machine.write("/etc/credstore/contact-sync.webhook_url", self.posts.url, 0o600)

    def source(self, *names: str) -> None:
        """Write the source."""
        rows = "".join(f"{name}@example.com,{name}\n" for name in names)
        self.machine.write("/srv/contacts.csv", f"email,first name\n{rows}")

    def install(self, *options: str) -> CompletedProcess[str]:
        """Run install-service, and take in what it wrote."""
        done = self.machine.run(
            PROGRAM, "--config", CONFIG, "install-service", "--replace", *options
        )
        assert done.returncode == 0, done.stderr
        for name in ("contact-sync", "contact-sync-once", "contact-sync-alert@"):
            folder = f"/etc/systemd/system/{name}.service.d"
            self.machine.write(f"{folder}/log.conf", _LOG.format(name=name))
        self.systemctl("daemon-reload")
        return done

    def systemctl(self, *arguments: str, fails: bool = False) -> str:
        """Run systemctl; returns what it says."""
        done = self.machine.run("systemctl", *arguments)
        assert (done.returncode != 0) == fails, (done.stdout, done.stderr, self.log())
        return done.stdout + done.stderr

    def by_hand(self, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
        """Run a command as the documents say."""
        return self.machine.run(SCRIPT, *arguments, stdin=stdin)

    def authorize(self) -> None:
        """A person's visit."""
        with self.machine.start(SCRIPT, "authorize", "--paste") as process:
            assert process.stdout is not None
            assert process.stdin is not None
            for line in process.stdout:
                if line.startswith(self.sandbox.authorize_url):
                    process.stdin.write(self.sandbox.press_allow(line.strip()) + "\n")
                    process.stdin.close()
                    break
            process.stdout.read()
            assert process.stderr is not None
            told = process.stderr.read()
        assert process.returncode == 0, told

    def log(self) -> str:
        """All that the units said."""
        return "".join(
            file.read_text(encoding="utf-8")
            for file in sorted(self.machine.path("/run").glob("contact-sync*.log"))
        )


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        try:
            made = stack.enter_context(machine(tmp_path_factory.mktemp("machine")))
        except NoMachine as reason:
            pytest.skip(f"no systemd to try the units with: {reason}")
        if not made.path(ROOT / "main.py").exists():
            pytest.skip(
                f"this checkout is in {ROOT}, where a service with a /tmp of its own is not"
            )
        made.run("useradd", "--system", "--shell", "/usr/sbin/nologin", "contact-sync")
        # On a developer's machine the interpreter may lie in root's home; only the overlay changes.
        made.run("chmod", "a+x", "/root")
        yield made


@pytest.fixture
def installed(booted: Machine) -> Iterator[Installed]:
    """The worker's units are there, the source has one person, and a person has authorized."""
    with Sandbox(settings=QUICK) as sandbox, Posts() as posts:
        made = Installed(booted, sandbox, posts)
        made.configure()
        made.source("ada")
        booted.write("/etc/credstore/contact-sync.client_secret", sandbox.client_secret, 0o600)
        made.install()
        made.authorize()
        yield made
        for unit in ("contact-sync-once.timer", "contact-sync.service"):
            booted.run("systemctl", "stop", unit)
        booted.run("systemctl", "reset-failed")
        booted.run("rm", "-rf", "/var/lib/contact-sync")
        for file in booted.path("/run").glob("contact-sync*.log"):
            file.unlink()
