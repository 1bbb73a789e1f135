"""systemd/README.md, from the first line to the last, on a machine of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.sandbox import Sandbox
from tests.conftest import QUICK
from tests.integration.alerts.conftest import Posts
from tests.integration.main_road.office import ROOT
from tests.integration.systemd.conftest import CONFIG, Installed
from tests.integration.systemd.machine import Machine

README = Path(ROOT, "systemd", "README.md")
# What is not run, and why.
NOT_RUN = {
    "git ": "the repository is there, by a link",
    "python3 -m venv": "the environment is there",
    ".venv/bin/pip": "installs into the environment of this test",
    "journalctl": "the machine has no journal",
}


def commands() -> Iterator[str]:
    text = README.read_text(encoding="utf-8")
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", text):
        yield from filter(None, block.splitlines())


@pytest.fixture
def fresh(booted: Machine) -> Iterator[Installed]:
    """Nothing is installed yet but the program."""
    booted.run("userdel", "contact-sync")
    booted.run("rm", "-rf", "/etc/contact-sync", "/var/lib/contact-sync", "/etc/credstore")
    booted.run("sh", "-c", "rm -rf /etc/systemd/system/contact-sync* /usr/local/sbin/contact-sync")
    booted.run("ln", "-sfn", str(ROOT), "/opt/contact-sync")
    with Sandbox(settings=QUICK) as sandbox, Posts() as posts:
        yield Installed(booted, sandbox, posts)
        booted.run("systemctl", "stop", "contact-sync.service", "contact-sync-once.timer")


def test_every_command_does_what_it_says(fresh: Installed) -> None:
    machine = fresh.machine
    for command in commands():
        if command.startswith((*NOT_RUN, "cd ")):
            continue
        if "authorize" in command:
            fresh.authorize()
            continue
        stdin = fresh.sandbox.client_secret if "/dev/stdin" in command else ""
        done = machine.run("sh", "-c", f"cd /opt/contact-sync && {command}", stdin=stdin)
        assert done.returncode == 0, (command, done.stdout, done.stderr, fresh.log())
        if command.startswith("chmod 0640"):
            fresh.source("ada")
            machine.run("cp", "-p", CONFIG, f"{CONFIG}.annotated")
            fresh.configure()  # what is one's own
    assert list(fresh.sandbox.people.audience()) == ["ada@example.com"]
    assert [kind for kind, _ in fresh.posts.alerts] == ["test"]
    assert machine.run("systemctl", "cat", "contact-sync.service").returncode != 0
