"""The commands on a configuration folder: on all of its accounts, or on the one that is named."""

from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.many_accounts.conftest import MakeAgency


def test_all_are_synced_and_the_worst_end_is_told(
    make_agency: MakeAgency, sandbox: Sandbox
) -> None:
    agency = make_agency("north", "south")
    agency.has("east", guard="max_shrink_percent = -1")
    agency.has("west")  # nobody has pressed Allow
    done = agency.run("--run-now")
    assert done.code == ExitCode.CONFIGURATION, done.err
    assert set(sandbox.people.audience()) == {"north.0@example.com", "south.0@example.com"}
    assert "north: 1 contact sent, 0 unchanged." in done.out
    summary = done.out[done.out.index("what went wrong") :]
    assert summary.index("east") < summary.index("west")
    assert "run contact-sync authorize" in " ".join(summary.split())
    assert "4 accounts: 2 done, 2 not." in summary
    assert agency.run("--run-now", "--account", "north").code == ExitCode.DONE
    assert agency.run("--account", "west", "--run-now").code == ExitCode.AUTHORIZATION


def test_a_plan_of_all_sends_nothing(make_agency: MakeAgency, sandbox: Sandbox) -> None:
    agency = make_agency("north", "south")
    done = agency.run("--dry-run")
    assert done.code == ExitCode.DONE, done.err
    assert done.out.count("1 contact would be sent; nothing was.") == 2
    assert not list(sandbox.people.audience())


def test_the_status_shows_all_and_first_who_needs_help(make_agency: MakeAgency) -> None:
    agency = make_agency("anna", "bert", "cleo")
    agency.has("dora", lists="names = 5")
    agency.has("emil")
    Path(agency.folder / "bert.csv").write_text("email\n")
    assert agency.run("--run-now").code == ExitCode.CONFIGURATION
    done = agency.run("status")
    assert done.code == ExitCode.DONE, done.err
    assert "5 accounts; for 3 of them a person is needed." in done.out
    places = [done.out.index(f" {name} ") for name in ("dora", "emil", "bert", "anna", "cleo")]
    assert places == sorted(places)
    assert "its configuration is wrong" in done.out
    one = agency.run("status", "--account", "bert")
    assert "Account bert, state in sqlite" in one.out


def test_the_check_looks_at_all_and_tells_once_what_all_have(make_agency: MakeAgency) -> None:
    agency = make_agency("north", "south")
    agency.has("west")
    done = agency.run("check")
    assert done.code == ExitCode.AUTHORIZATION, done.err
    assert done.out.count("nobody is told when a person is needed") == 1
    assert done.out.index("west:") < done.out.index("✓ north")
    assert "Nobody has authorized the account west yet" in done.out
    assert agency.run("check", "--account", "north").code == ExitCode.DONE


def test_nobody_is_well_whose_state_cannot_be_opened_though_that_is_told_once(
    make_agency: MakeAgency,
) -> None:
    agency = make_agency("north", "south")
    agency.share(state='url = "postgresql+psycopg://nobody@127.0.0.1:1/nowhere"')
    done = agency.run("check")
    assert done.code != ExitCode.DONE
    assert "✓ north" not in done.out
    assert "✓ south" not in done.out


@pytest.mark.parametrize("command", [("map",), ("plan", "show"), ("tokens", "export", "x.token")])
def test_a_command_for_one_account_asks_for_its_name(
    make_agency: MakeAgency, command: tuple[str, ...]
) -> None:
    agency = make_agency("north", "south")
    done = agency.run(*command)
    assert done.code == ExitCode.USAGE
    assert "name one with --account NAME (north, south)" in done.err
    done = agency.run(*command, "--account", "sout")
    assert done.code == ExitCode.USAGE
    assert "Did you mean south?" in done.err


def test_what_belongs_to_an_account_is_its_own(make_agency: MakeAgency) -> None:
    agency = make_agency("north", "south")
    assert agency.run("--run-now").code == ExitCode.DONE
    for name in ("north", "south"):
        assert (agency.folder / "state" / name / "state.db").is_file()
        assert list((agency.folder / "reports" / name).glob(f"{name}-run-*.html"))
    backup = agency.folder / "backup.db"
    assert agency.run("state", "backup", str(backup), "-a", "north").code == ExitCode.DONE
    (agency.folder / "state" / "south" / "state.db").write_bytes(b"no database, " * 500)
    done = agency.run("--run-now")
    assert done.code == ExitCode.STATE
    assert "north: Nothing to send, 1 unchanged." in done.out
    assert agency.run("logout", "--account", "north").code == ExitCode.DONE
    assert "no token pair yet" in agency.run("status").out
