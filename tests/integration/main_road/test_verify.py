"""`contact-sync verify` as a process: what it prints, how it ends, and what a kill leaves."""

import csv
import time

from sqlalchemy import func, select

from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.schema import contact
from sync.state.store import Store, open_store
from tests.integration.main_road.office import Office

CONTACTS = "/v3/contacts"


def _sync(office: Office, count: int) -> None:
    people = "".join(f"p{number}@example.com,Ada\n" for number in range(count))
    office.contacts.write_text("email,first name\n" + people)
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err


def test_drift_is_shown_written_and_told_by_the_exit_code(office: Office, sandbox: Sandbox) -> None:
    _sync(office, 30)
    clean = office.run("verify")
    assert clean.code == ExitCode.DONE, clean.err
    assert "30 contacts read back: all are there as they were sent." in clean.out
    sandbox.people.user_edit("p1@example.com", {"first_name": "[red]=1+1[/x]"})
    found = office.run("verify")
    assert found.code == ExitCode.DONE_WITH_DRIFT
    assert "30 contacts read back, 1 otherwise than sent; nothing was done." in found.out
    assert "[red]=1+1[/x]" in found.out
    assert "left as it is" in found.out
    [file] = (office.folder / "reports").glob("*-drift.csv")
    assert str(file) in found.out
    with file.open(encoding="utf-8-sig", newline="") as lines:
        assert list(csv.DictReader(lines)) == [
            {
                "address": "p1@example.com",
                "field": "first_name",
                "ours": "Ada",
                "theirs": "[red]=1+1[/x]",
                "owner": "the source",
                "done": "left as it is",
            }
        ]
    assert "otherwise" in office.run("status").out
    repaired = office.run("verify", "--repair")
    assert repaired.code == ExitCode.DONE_WITH_DRIFT
    assert "the next sync sends again what the source owns" in repaired.out
    assert len(office.imports()) == 1
    assert "1 contact sent, 29 unchanged." in office.run("--run-now").out
    assert sandbox.people.audience()["p1@example.com"]["first_name"] == "Ada"
    assert office.run("verify").code == ExitCode.DONE


def test_a_killed_verify_is_done_again(office: Office, sandbox: Sandbox) -> None:
    _sync(office, 1_200)
    for number in (1, 600, 1_199):
        sandbox.people.user_edit(f"p{number}@example.com", {"first_name": "Grace"})
    settings = load_settings(office.config)
    sandbox.add_fault(Fault("slow", CONTACTS, "GET", skip=1, count=1, delay=10))
    with office.start("verify", "--repair") as process, open_store(settings) as store:
        while not _seen(store):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()  # it waits for the second page
        assert _seen(store) == 500
    sandbox.clear_faults()
    assert "killed, or ended" in office.run("status").out
    again = office.run("verify", "--repair")
    assert again.code == ExitCode.DONE_WITH_DRIFT, again.err
    done = office.run("--run-now")
    assert "3 contacts sent, 1,197 unchanged." in done.out, done.out + done.err
    names = {person["first_name"] for person in sandbox.people.audience().values()}
    assert names == {"Ada"}


def _seen(store: Store) -> int:
    with store.read() as connection:
        seen = select(func.count()).where(contact.c.seen_at.is_not(None))
        return connection.scalar(seen) or 0
