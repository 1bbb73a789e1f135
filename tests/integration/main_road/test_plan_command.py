"""A plan that the guard has stopped, as a person meets it: shown, written to a file, approved."""

import csv

import pytest

from sync.errors import ExitCode
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office


@pytest.fixture
def stopped(make_office: MakeOffice) -> Office:
    """An office whose second run was stopped, since more than half of its people had changed."""
    office = make_office()
    office.authorize()
    office.contacts.write_text(_people(40, "Ada"))
    assert office.run("--run-now").code == ExitCode.DONE
    office.contacts.write_text(_people(40, "=Grace") + "new@example.com,Edsger\n")
    office.sandbox.people.unsubscribe("p7@example.com")
    done = office.run("--run-now")
    assert done.code == ExitCode.GUARD
    assert "contact-sync plan show 2" in done.err
    assert "contact-sync plan approve 2" in done.err
    assert "Forecast: about" in done.out
    return office


def test_a_stopped_plan_is_shown_written_and_approved(stopped: Office) -> None:
    assert "Plan of run 2 waits for a person" in stopped.run("status").out

    file = stopped.folder / "plan.csv"
    shown = stopped.run("plan", "show", "--csv", str(file))
    assert shown.code == ExitCode.DONE, shown.err
    for text in ("Plan of run 2", "The guard stopped the run", "rows read", "p0@example.com"):
        assert text in shown.out
    assert "first_name: Ada → =Grace" in shown.out
    assert "active (billed) contacts: +1 at most" in shown.out
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = {row["email"]: row for row in csv.DictReader(lines)}
    assert len(rows) == 41
    assert rows["p0@example.com"] == {
        "email": "p0@example.com",
        "what": "changed",
        "fields": "first_name",
        "old values": "first_name=Ada",
        "new values": "first_name==Grace",
        "lists before": "Customers",
        "lists after": "Customers",
        "tags before": "",
        "tags after": "",
    }
    assert rows["p7@example.com"]["what"] == "opted out"
    assert rows["new@example.com"]["what"] == "new"
    assert stopped.imports() == stopped.imports()[:1]

    done = stopped.run("plan", "approve", "2")
    assert done.code == ExitCode.DONE, done.err
    assert "Approved plan of run 2: 40 contacts sent" in done.out
    assert stopped.sandbox.people.contact("p0@example.com")["first_name"] == "=Grace"
    assert "waits for a person" not in stopped.run("status").out
    again = stopped.run("plan", "approve", "2")
    assert again.code == ExitCode.USAGE
    assert "has been approved already, as run 3" in again.err
    gone = stopped.run("plan", "show", "2")
    assert gone.code == ExitCode.USAGE
    assert "was approved as run 3" in gone.err


def test_a_dry_run_s_plan_is_shown_and_not_approved(office: Office) -> None:
    office.contacts.write_text(_people(5, "Ada"))
    done = office.run("--dry-run")
    assert done.code == ExitCode.DONE, done.err
    assert "Forecast: about" in done.out
    shown = office.run("plan", "show")
    assert shown.code == ExitCode.DONE, shown.err
    assert "first_name: Ada" in shown.out
    assert "Customers" in shown.out
    refused = office.run("plan", "approve", "1")
    assert refused.code == ExitCode.USAGE
    assert "was a dry run" in refused.err


def test_a_cell_that_begins_like_a_formula_is_none_in_the_plan_s_file(office: Office) -> None:
    office.contacts.write_text("email,first name\n+x@example.com,Ada\n")
    assert office.run("--dry-run").code == ExitCode.DONE
    file = office.folder / "plan.csv"
    assert office.run("plan", "show", "1", "--csv", str(file)).code == ExitCode.DONE
    assert "'+x@example.com," in file.read_text(encoding="utf-8-sig")


def test_without_a_plan_the_command_says_when_there_is_one(office: Office) -> None:
    shown = office.run("plan", "show")
    assert shown.code == ExitCode.USAGE
    assert "No plan waits: one is kept when the guard has stopped a run" in shown.err
    refused = office.run("plan", "approve", "7")
    assert refused.code == ExitCode.USAGE
    assert "no plan of a run 7" in refused.err


def test_a_file_that_can_t_be_written_is_a_sentence(office: Office) -> None:
    assert office.run("--dry-run").code == ExitCode.DONE
    done = office.run("plan", "show", "--csv", "/dev/null/plan.csv")
    assert done.code == ExitCode.STATE
    assert "plan's file /dev/null/plan.csv can't be written" in done.err


def _people(count: int, name: str) -> str:
    return "email,first name\n" + "".join(f"p{n}@example.com,{name}\n" for n in range(count))
