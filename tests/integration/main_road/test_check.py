"""`check`: each line, well and unwell, and the code that it ends with."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sync.auth.vault import open_vault
from sync.check import Check, Finding
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

ALL = [
    "configuration",
    "state",
    "source",
    "columns",
    "client secret",
    "token",
    "API",
    "privileges",
    "account",
    "lists and fields",
]


def findings(office: Office) -> list[Finding]:
    settings = load_settings(office.config)
    with open_store(settings) as store:
        return list(Check(settings, store, open_vault(settings, store)).findings())


def unwell(office: Office) -> Finding:
    """The only finding that is not well."""
    (finding,) = [finding for finding in findings(office) if not finding.well]
    return finding


def test_all_is_well_line_by_line(office: Office, sandbox: Sandbox) -> None:
    done = office.run("check")
    assert done.code == ExitCode.DONE, done.err
    lines = done.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"✓ {name}" for name in ALL]
    assert "contacts.csv" in lines[2]
    assert "email → email, first name → first_name" in lines[3]
    assert "scopes contact_data account_read offline_access" in lines[5]
    assert "Sandbox Company" in lines[8]
    assert lines[9] == "✓ lists and fields: the first sync will make Customers"
    assert {entry.method for entry in sandbox.requests(path="/v3")} == {"GET"}
    office.run("--run-now")
    assert office.run("check").out.splitlines()[9] == "✓ lists and fields: all there"


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
    "no secret": (_no_secret, "client secret", ExitCode.CONFIGURATION, "is empty"),
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
    assert [finding.what for finding in found] == ALL[:6]
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
