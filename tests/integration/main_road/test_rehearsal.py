"""`sandbox --rehearse`: a dry world from a user's own configuration, without any real secret."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.cli.rehearsal import TAKEN
from sync.errors import ExitCode
from sync.settings import Settings, load_settings
from sync.state.store import open_store
from tests.contract.recording import process_problems
from tests.integration.main_road.office import ROOT
from tests.sandbox.test_with_another_client import click

CONFIG = """
[source]
path = "contacts.csv"
[consent]
all_rows_have_consent = true
[lists]
names = ["Customers"]
column = "Country"
[tags]
names = ["From the CRM"]
[feedback]
file = "feedback.csv"
[mapping.custom_fields]
member_no = "Member No."
size = { column = "Size", type = "single_select" }
"""
CONTACTS = (
    "E-mail,First name,Country,Member No.,Size\n"
    "ada@example.com,Ada,France,4711,Large\n"
    "grace@example.com,Grace,Spain,4712,Small\n"
)
STARTED = "Reading and checking"
READY = "It runs until Ctrl-C"


@dataclass(frozen=True)
class Company:
    """A folder with a configuration and contacts, and a folder for what is temporary."""

    folder: Path
    temporary: Path

    @property
    def config(self) -> Path:
        return self.folder / "contact-sync.toml"

    @property
    def contacts(self) -> Path:
        return self.folder / "contacts.csv"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CONTACT_SYNC_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        own = {"PYTHONUNBUFFERED": "1", "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), "sandbox", *arguments],
            env=kept | own | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    @contextmanager
    def rehearsing(
        self, until: str = READY, ended_by: signal.Signals = signal.SIGINT, **environment: str
    ) -> "Iterator[Rehearsal]":
        """A rehearsal that has printed `until`; the signal ends it with the block."""
        with self.start("--rehearse", str(self.config), **environment) as process:
            assert process.stdout is not None
            told = Rehearsal("", "")
            for line in process.stdout:
                told.out += line
                if until in line:
                    break
            yield told
            if until != STARTED:
                assert process_problems(told.page) == []
            process.send_signal(ended_by)
            rest, told.err = process.communicate(timeout=60)
            told.out += rest
            told.code = process.returncode


@dataclass
class Rehearsal:
    """What it printed, and how it ended."""

    out: str
    err: str
    code: int = -1

    @property
    def page(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", self.out)
        assert found, self.out
        return f"{found[0]}/_sandbox"


@pytest.fixture
def company(tmp_path: Path) -> Company:
    made = Company(tmp_path / "company", tmp_path / "temporary")
    made.folder.mkdir()
    made.temporary.mkdir()
    made.config.write_text(CONFIG)
    made.contacts.write_text(CONTACTS)
    return made


def test_a_configuration_without_a_secret_shows_what_constant_contact_would_hold(
    company: Company,
) -> None:
    real = company.folder / "state"
    real.mkdir()
    (real / "vault.key").write_text("no key at all")
    before = everything_in(company.folder)
    with company.rehearsing(
        CONTACT_SYNC_STATE__URL="postgresql+psycopg://nobody@127.0.0.1:1/nothing",
        CONTACT_SYNC_VAULT__KEY="no key either",
        CONTACT_SYNC_API__BASE_URL="http://127.0.0.1:1/v3",
        HTTP_PROXY="http://127.0.0.1:1",
        NO_PROXY="example.com",
    ) as rehearsal:
        audience = requests.get(f"{rehearsal.page}/audience", timeout=10).json()
        assert "ada@example.com" in requests.get(f"{rehearsal.page}/", timeout=10).text
        assert list(company.temporary.glob("*/reports/*.html"))
    assert (rehearsal.code, rehearsal.err) == (ExitCode.DONE, "")
    assert audience["ada@example.com"]["first_name"] == "Ada"
    assert sorted(audience["ada@example.com"]["lists"]) == ["Customers", "France"]
    assert audience["grace@example.com"]["cf:member_no"] == "4712"
    assert audience["grace@example.com"]["cf:size"] == "Small"
    assert everything_in(company.folder) == before
    assert everything_in(company.temporary) == {}


def test_what_the_real_account_lacks_is_told_and_the_rehearsal_goes_on(company: Company) -> None:
    with company.rehearsing() as rehearsal:
        pass
    said = rehearsal.out
    assert '"Customers", "France" and "Spain" were made for this rehearsal' in said
    assert "or set lists.create_missing = true." in said
    assert 'The tag "From the CRM" was made for this rehearsal' in said
    assert "The custom field member_no was made for this rehearsal" in said
    assert "The custom field size was made for this rehearsal" in said
    assert "The choices or the currency of size are not known here" in said


def test_of_very_many_lists_the_first_are_told(company: Company) -> None:
    rows = "".join(f"p{n}@example.com,P,Country {n:02},{n},Small\n" for n in range(30))
    company.contacts.write_text(CONTACTS.splitlines(keepends=True)[0] + rows)
    with company.rehearsing() as rehearsal:
        pass
    assert '"Country 11" and 19 more were made' in rehearsal.out


def test_what_a_run_may_make_itself_is_not_told(company: Company) -> None:
    text = CONFIG.replace("names =", "create_missing = true\nnames =")
    text = text.replace('"single_select"', '"single_select", choices = ["Large", "Small"]')
    text = text.replace(
        "[mapping.custom_fields]",
        "[mapping]\ncreate_missing_custom_fields = true\n[mapping.custom_fields]",
    )
    company.config.write_text(text)
    with company.rehearsing() as rehearsal:
        pass
    assert "made for this rehearsal" not in rehearsal.out


def test_contacts_that_are_rejected_show_in_the_exit_code(company: Company) -> None:
    company.contacts.write_text(CONTACTS + "nobody,N,Spain,4713,Small\n")
    with company.rehearsing(ended_by=signal.SIGTERM) as rehearsal:
        pass
    assert rehearsal.code == ExitCode.DONE_WITH_REJECTS
    assert "The rehearsal has ended, and its files are removed." in rehearsal.out


def test_the_guard_stops_a_rehearsal_as_it_would_a_run(company: Company) -> None:
    company.config.write_text(CONFIG + "[guard]\nminimum_contacts = 0\n")
    company.contacts.write_text(CONTACTS + "nobody,N,Spain,4713,Small\n")
    with company.rehearsing("until Ctrl-C") as rehearsal:
        assert list(company.temporary.glob("*/reports/*.html"))
    assert rehearsal.code == ExitCode.GUARD
    assert rehearsal.err.startswith("The guard stopped the run before anything was sent")
    assert "A rehearsal keeps no plan to approve" in rehearsal.out
    assert everything_in(company.temporary) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_leaves_nothing(company: Company, number: signal.Signals) -> None:
    rows = "".join(f"p{n}@example.com,P,Spain,{n},Small\n" for n in range(50_000))
    company.contacts.write_text(CONTACTS + rows)
    with company.rehearsing(STARTED, ended_by=number) as rehearsal:
        pass
    assert rehearsal.code == ExitCode.BUSY
    assert rehearsal.err == ("The rehearsal was stopped before its end; nothing of it is kept.\n")
    assert everything_in(company.temporary) == {}


def test_what_the_sandbox_prints_makes_a_configuration(company: Company) -> None:
    with company.start() as process:
        assert process.stdout is not None
        out = "".join(iter(process.stdout.readline, "[oauth]\n"))
        page = Rehearsal(out, "").page
        sections = "[oauth]\n" + "".join(process.stdout.readline() for _ in range(7))
        company.config.write_text(
            f"{sections}\n[source]\npath = 'contacts.csv'\n[consent]\n"
            "all_rows_have_consent = true\n[lists]\nnames = ['Customers']\n"
            "create_missing = true\n[state]\ndirectory = 'state'\n"
        )
        company.config.chmod(0o600)
        settings = load_settings(company.config)
        request = begin(settings)
        code = code_from_pasted(request, click(request.url, 0))
        answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
        with open_store(settings) as store:
            open_vault(settings, store, create_key=True).keep(answer, encoded_account_id=None)
        command = [sys.executable, str(ROOT / "main.py"), "--config", str(company.config)]
        subprocess.run([*command, "--run-now"], check=True, capture_output=True, timeout=120)
        audience = requests.get(f"{page}/audience", timeout=10).json()
        assert process_problems(page) == []
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    assert audience["ada@example.com"]["lists"] == ["Customers"]
    assert (process.returncode, err) == (ExitCode.DONE, "")
    assert rest.endswith("The sandbox has stopped.\n")


Break = Callable[[Company], tuple[str, ...]]


def no_configuration(company: Company) -> tuple[str, ...]:
    company.config.unlink()
    return ()


def a_wrong_option(company: Company) -> tuple[str, ...]:
    company.config.write_text(CONFIG.replace("path =", "pth ="))
    return ()


def no_source(company: Company) -> tuple[str, ...]:
    company.contacts.unlink()
    return ()


def a_database(company: Company) -> tuple[str, ...]:
    return ("--database", str(company.folder / "kept.db"))


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        (no_configuration, ExitCode.CONFIGURATION, "No such file or directory; name another"),
        (a_wrong_option, ExitCode.CONFIGURATION, "source.pth is not an option; did you mean path?"),
        (no_source, ExitCode.SOURCE, "source.path must name"),
        (a_database, ExitCode.USAGE, "leave --database or --rehearse out"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    company: Company, broken: Break, code: ExitCode, said: str
) -> None:
    with company.start("--rehearse", str(company.config), *broken(company)) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert said in err
    assert "Traceback" not in err
    assert everything_in(company.temporary) == {}


def test_a_port_in_use_is_told_in_a_sentence(company: Company) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        with company.start("--rehearse", str(company.config), "--port", port) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.USAGE
    assert err == (
        f"The sandbox can't listen on port {port}: Address already in use; "
        "name another with --port.\n"
    )


def test_no_section_reaches_a_real_service_unnoticed() -> None:
    # A new section is taken when it only says what is synced and how.
    own_or_none = {"oauth", "vault", "api", "state", "report", "schedule", "feedback"}
    own_or_none |= {"alerts", "status", "worker", "cluster"}
    assert Settings.model_fields.keys() - {*TAKEN} <= own_or_none


def everything_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }
