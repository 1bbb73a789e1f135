"""`check`: each line, well and unwell, and the code that it ends with."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sync.auth.vault import open_vault
from sync.check import Check
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from sync.surroundings import Finding
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

ALL = [
    "configuration",
    "state",
    "secrets",
    "disk",
    "schedule",
    "alerts",
    "source",
    "columns",
    "client secret",
    "token",
    "API",
    "clock",
    "privileges",
    "account",
    "lists and fields",
]


@pytest.fixture
def office(make_office: MakeOffice) -> Office:
    """One that may run at once, and tells people by a program."""
    opened = make_office(alerts=['command = ["true"]'])
    opened.authorize()
    return opened


def findings(office: Office) -> list[Finding]:
    return list(Check(load_settings(office.config), [office.config]).findings())


def unwell(office: Office) -> Finding:
    """The only finding that is not well, but for warnings."""
    (finding,) = [finding for finding in findings(office) if finding.exit_code]
    return finding


def test_all_is_well_line_by_line(office: Office, sandbox: Sandbox) -> None:
    done = office.run("check", environment={"TZ": "UTC"})
    assert done.code == ExitCode.DONE, done.err
    lines = done.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"✓ {name}" for name in ALL]
    of = dict(zip(ALL, lines, strict=True))
    assert "contacts.csv" in of["source"]
    assert "email → email, first name → first_name" in of["columns"]
    assert "scopes contact_data account_read offline_access" in of["token"]
    assert "Sandbox Company" in of["account"]
    assert lines[-1] == "✓ lists and fields: the first sync will make the list Customers"
    assert {entry.method for entry in sandbox.requests(path="/v3")} == {"GET"}
    office.run("--run-now")
    assert office.run("check").out.splitlines()[-1] == "✓ lists and fields: all there"


def test_the_first_problem_s_code_is_the_command_s(office: Office) -> None:
    office.contacts.unlink()
    office.configure(lists='names = ["Nowhere"]')
    done = office.run("check")
    assert done.code == ExitCode.SOURCE
    assert done.out.count("✗") == 1


def _no_source(office: Office) -> None:
    office.contacts.unlink()


def _no_address(office: Office) -> None:
    office.contacts.write_text("name\nAda\n")


def _no_secret(office: Office) -> None:
    (office.folder / "client_secret").write_text("")


def _no_list(office: Office) -> None:
    office.configure(lists='names = ["Nowhere"]')


def _no_custom_field(office: Office) -> None:
    office.configure(mapping='custom_fields = { nowhere = "first name" }')


def _viewer(office: Office) -> None:
    office.sandbox.set_role("campaign creator")


def _ill(office: Office) -> None:
    office.sandbox.add_fault(Fault(kind="status", path="/v3/*", status=404, count=None))


def _deactivated(office: Office) -> None:
    office.sandbox.deactivate_application()


def _withdrawn(office: Office) -> None:
    office.sandbox.withdraw_consent()


Spoil = Callable[[Office], None]
UNWELL: dict[str, tuple[Spoil, str, ExitCode, str]] = {
    "no source": (_no_source, "source", ExitCode.SOURCE, "There is no file"),
    "no address": (_no_address, "columns", ExitCode.SOURCE, "e-mail"),
    "no list": (_no_list, "lists and fields", ExitCode.CONFIGURATION, "Nowhere"),
    "no custom field": (
        _no_custom_field,
        "lists and fields",
        ExitCode.CONFIGURATION,
        "nowhere",
    ),
    "too few privileges": (_viewer, "privileges", ExitCode.AUTHORIZATION, "contacts:write"),
    "another API": (_ill, "API", ExitCode.CONTRACT, "HTTP 404"),
    "a deactivated application": (_deactivated, "API", ExitCode.AUTHORIZATION, "deactivated"),
    "a withdrawn consent": (_withdrawn, "API", ExitCode.AUTHORIZATION, "contact-sync authorize"),
}


@pytest.mark.parametrize("what", UNWELL)
def test_each_thing_that_is_not_well_is_a_sentence(office: Office, what: str) -> None:
    spoil, line, code, words = UNWELL[what]
    spoil(office)
    finding = unwell(office)
    assert finding.what == line
    assert finding.exit_code == code
    assert words in finding.sentence
    assert finding.sentence.rstrip().endswith((".", "true"))


def test_without_authorization_the_rest_is_left_out(make_office: MakeOffice) -> None:
    found = findings(make_office())
    assert found[-1].what == "token"
    assert found[-1].exit_code == ExitCode.AUTHORIZATION
    assert "contact-sync authorize" in found[-1].sentence


def test_a_missing_scope_is_told_before_the_first_night(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office(oauth=['scopes = ["contact_data", "offline_access"]'])
    office.authorize()
    office.configure(
        oauth=office.config.read_text()
        .partition("[oauth]\n")[2]
        .partition("\n\n")[0]
        .replace('"offline_access"]', '"account_read", "offline_access"]')
    )
    finding = unwell(office)
    assert finding.what == "token"
    assert "lacks the scope account_read" in finding.sentence


def test_a_lost_authorization_is_told_though_the_access_token_still_works(
    office: Office, sandbox: Sandbox
) -> None:
    sandbox.revoke_refresh_tokens()
    sandbox.settings = replace(sandbox.settings, new_pair_kills_access_token=False)
    settings = load_settings(office.config)
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        with pytest.raises(Exception, match="is lost"):
            vault.renew(vault.access_token())
    finding = unwell(office)
    assert finding.what == "token"
    assert finding.exit_code == ExitCode.AUTHORIZATION


def test_lists_and_tags_that_rows_name_are_looked_for_in_the_first_rows(office: Office) -> None:
    office.authorize()
    office.contacts.write_text("email,group\na@example.com,VIP\nb@example.com,Friends\n")
    lists = 'column = "group"'
    office.sandbox.people.add_list("VIP")
    office.configure(lists=lists)
    done = office.run("check")
    assert done.code == ExitCode.CONFIGURATION
    assert 'the list "Friends" does not exist' in done.out
    assert '"VIP"' not in done.out
    office.configure(
        lists=f"{lists}\ncreate_missing = true", tags=f"{lists}\ncreate_missing = true"
    )
    assert office.run("check").out.splitlines()[-1] == (
        "✓ lists and fields: the first sync will make the list Friends, the tag Friends, the tag "
        "VIP (as far as the first 2 rows tell)"
    )
