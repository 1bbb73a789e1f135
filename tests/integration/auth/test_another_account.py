"""A consent in another Constant Contact account than before, by the real command line."""

import os
import pty
import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests

from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.sandbox.people import Simulation
from sync.settings import load_settings
from sync.state.store import open_store
from sync.state.tokens import StoredPair, read_pair
from tests.integration.main_road.office import Done, Office
from tests.zygote import Zygote

ADDRESSES = {"ada@example.com", "grace@example.com"}


@dataclass
class Company:
    """An office whose contacts are synced to its account, and another company's account."""

    office: Office
    number: int
    id: str
    people: Simulation
    zygote: Zygote

    def run(self, *arguments: str) -> str:
        """Run the program, which ends well; return what it writes."""
        code, written = self.zygote.run(
            "--config",
            str(self.office.config),
            *arguments,
            folder=self.office.folder,
            environment=self.office.variables(),
        )
        assert code == ExitCode.DONE, written
        return written

    def paste(self, *options: str) -> Done:
        """Authorize with the other company's address at the input of a pipe."""
        return self.office.paste(self.ending(), *options)

    def ending(self) -> Callable[[str], str]:
        return lambda url: self.office.sandbox.press_allow(url, account=self.number) + "\n"

    def pair(self) -> StoredPair:
        settings = load_settings(self.office.config)
        with open_store(settings) as store:
            found = read_pair(store, settings.account.name)
        assert found is not None
        return found


@pytest.fixture
def company(tmp_path: Path, sandbox: Sandbox, zygote: Zygote) -> Company:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sandbox.settings = replace(sandbox.settings, any_loopback_redirect=True)
    redirect = f'redirect_uri = "http://localhost:{port}/callback"'
    office = Office(tmp_path / "office", sandbox, options={"oauth": [redirect]})
    office.contacts.write_text("email\n" + "".join(f"{address}\n" for address in ADDRESSES))
    office.authorize()
    other, people = sandbox.add_account("Other Company", "owner@other.example")
    made = Company(office, other.number, other.encoded_account_id, people, zygote)
    made.run("check")
    made.run("--run-now")
    return made


def test_without_a_terminal_it_is_refused_and_nothing_changes(company: Company) -> None:
    before = company.pair()
    refused = company.paste()
    assert refused.code == ExitCode.AUTHORIZATION
    assert f"This is Constant Contact account {company.id}" in refused.err
    assert refused.err.endswith("contact-sync authorize --another-account.\n")
    assert company.pair() == before
    assert len(company.office.imports()) == 1


def test_whoever_says_no_stays_with_the_former_account(company: Company) -> None:
    before = company.pair()
    refused = _asked(company, "n")
    assert refused.code == ExitCode.AUTHORIZATION
    assert "You pressed Allow in Other Company" in refused.out
    assert "nothing was changed" in refused.err
    assert company.pair() == before
    assert company.people.audience() == {}


def test_whoever_says_yes_gets_every_contact_in_the_new_account(company: Company) -> None:
    done = _asked(company, "y")
    assert done.code == ExitCode.DONE, done.err
    assert f"Authorized for Other Company ({company.id})" in done.out
    _goes_to_the_other_account(company)


def test_the_option_says_yes(company: Company) -> None:
    done = company.paste("--another-account")
    assert done.code == ExitCode.DONE, done.err
    assert "put aside" in done.out
    _goes_to_the_other_account(company)


def test_the_option_changes_nothing_in_the_same_account(company: Company) -> None:
    done = company.office.paste(
        lambda url: company.office.sandbox.press_allow(url) + "\n", "--another-account"
    )
    assert done.code == ExitCode.DONE, done.err
    assert "put aside" not in done.out
    company.run("--run-now")
    assert len(company.office.imports()) == 1


def test_a_pair_of_nobody_knows_whom_is_not_stored(company: Company) -> None:
    before = company.pair()
    company.office.sandbox.add_fault(
        Fault(kind="status", path="/v3/account/summary", status=503, count=None)
    )
    for options in ((), ("--another-account",)):
        refused = company.paste(*options)
        assert refused.code == ExitCode.AUTHORIZATION
        assert "could not be told whose it is" in refused.err
    assert company.pair() == before


def _goes_to_the_other_account(company: Company) -> None:
    """The next runs take nothing of the former account's state for the new one's."""
    company.run("check")
    assert "2 contacts sent, 0 unchanged" in company.run("--run-now")
    assert set(company.people.audience()) == ADDRESSES
    company.run("--run-now")
    assert len(company.office.imports()) == 2


def _asked(company: Company, answer: str) -> Done:
    """A person's visit at a terminal, and the answer to what the terminal then asks."""
    office = company.office
    keyboard, terminal = pty.openpty()
    with closing(os.fdopen(keyboard, "w")) as typed:
        process = subprocess.Popen(
            office.command("authorize", "--no-browser"),
            env=office.variables(None),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(terminal)
        assert process.stdout is not None
        address = next(line.strip() for line in process.stdout if re.match(r"https?://", line))
        next(line for line in process.stdout if line.startswith("Waiting"))
        requests.get(company.ending()(address).strip(), timeout=30)
        typed.write(f"{answer}\n")
        typed.flush()
        out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err)
