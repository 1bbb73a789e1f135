"""The remaining open questions: each setting's two behaviours."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

import sync.sandbox
from sync.sandbox import Sandbox, SandboxSettings
from sync.sandbox.app import build_app
from sync.sandbox.questions import CLOSED_SETS, EXAMPLES
from tests.sandbox.client import Client


def change(sandbox: Sandbox, **changes: Any) -> None:
    sandbox.settings = replace(sandbox.settings, **changes)


@pytest.mark.parametrize(("rule", "joined", "refused"), [("add", 1, 0), ("refuse", 0, 1)])
@pytest.mark.parametrize("permission", ["temp_hold", "pending_confirmation"])
def test_a_held_contact_on_import(
    client: Client, sandbox: Sandbox, rule: str, joined: int, refused: int, permission: str
) -> None:
    change(sandbox, held_on_import=rule)
    sandbox.people.add_contact("a@example.com", permission=permission)
    done = client.import_contacts({"email": "a@example.com"})
    assert done["status"]["cannot_add_to_list_count"] == refused
    found = client.found("a@example.com")
    assert len(found["list_memberships"]) == joined
    assert found["email_address"]["permission_to_send"] == permission


@pytest.mark.parametrize(("rule", "people"), [("insensitive", 1), ("sensitive", 2)])
def test_capital_letters_in_addresses(
    client: Client, sandbox: Sandbox, rule: str, people: int
) -> None:
    change(sandbox, email_case=rule)
    client.import_contacts({"email": "a@example.com"}, {"email": "A@example.com"})
    assert sandbox.people.count() == people


@pytest.mark.parametrize(
    ("rule", "stored"), [("as sent", "A@Example.com"), ("lower", "a@example.com")]
)
def test_addresses_are_stored_as_sent_or_in_small_letters(
    client: Client, sandbox: Sandbox, rule: str, stored: str
) -> None:
    change(sandbox, stored_email_case=rule)
    client.import_contacts({"email": "A@Example.com"})
    assert client.found("a@example.com")["email_address"]["address"] == stored


@pytest.mark.parametrize(("rule", "permission"), [(False, "explicit"), (True, "implicit")])
def test_whether_an_import_downgrades_explicit_permission(
    client: Client, sandbox: Sandbox, rule: bool, permission: str
) -> None:
    change(sandbox, import_downgrades_explicit=rule)
    sandbox.people.add_contact("a@example.com", permission="explicit")
    client.import_contacts({"email": "a@example.com"})
    found = client.found("a@example.com")["email_address"]
    assert found["permission_to_send"] == permission


@pytest.mark.parametrize("sent", [True, False])
def test_whether_an_import_sends_welcome_mails(
    client: Client, sandbox: Sandbox, sent: bool
) -> None:
    change(sandbox, welcome_mail_on_import=sent)
    sandbox.people.add_contact("old@example.com")
    client.import_contacts({"email": "new@example.com"}, {"email": "old@example.com"})
    assert sandbox.people.mails() == ([("welcome", "new@example.com")] if sent else [])


def test_unknown_lists_and_properties_may_be_ignored(client: Client, sandbox: Sandbox) -> None:
    change(sandbox, unknown_list_on_import="ignore", unknown_import_property="ignore")
    done = client.import_contacts(
        {"email": "a@example.com", "nickname": "Al"},
        list_ids=["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"],
    )
    assert done["status"]["error_count"] == 0
    assert sandbox.people.audience()["a@example.com"] == {"permission": "implicit", "lists": []}


def test_typed_values_may_be_taken_as_they_are(client: Client, sandbox: Sandbox) -> None:
    change(sandbox, typed_values="lenient")
    sandbox.people.add_field("Number", "number")
    sandbox.people.add_field("Colour", "single_select", choices=("Red",))
    row = {"email": "a@example.com", "cf:Number": "many", "cf:Colour": "Pink"}
    assert client.import_contacts(row)["status"]["error_count"] == 0
    assert sandbox.people.audience()["a@example.com"]["cf:Number"] == "many"


def test_values_of_another_type_may_be_dropped(client: Client, sandbox: Sandbox) -> None:
    change(sandbox, typed_values="drop")
    sandbox.people.add_field("Number", "number")
    done = client.import_contacts({"email": "a@example.com", "cf:Number": "many"})
    assert (done["status"]["error_count"], done["activity_errors"]) == (0, [])
    assert "cf:Number" not in sandbox.people.audience()["a@example.com"]


@pytest.mark.parametrize(
    ("rule", "taken"), [("labels", {"Red"}), ("ids", {"1"}), ("both", {"Red", "1"})]
)
def test_what_names_a_choice_in_an_import(
    client: Client, sandbox: Sandbox, rule: str, taken: set[str]
) -> None:
    change(sandbox, select_in_import=rule)
    sandbox.people.add_field("Colour", "single_select", choices=("Red",))
    for value in ("Red", "1"):
        done = client.import_contacts({"email": "a@example.com", "cf:Colour": value})
        assert done["status"]["error_count"] == int(value not in taken)
    assert sandbox.people.audience()["a@example.com"]["cf:Colour"] == "Red"


@pytest.mark.parametrize(("rule", "status"), [("text", 201), ("schema", 400)])
def test_whether_the_schema_of_list_removals_is_meant(
    client: Client, sandbox: Sandbox, rule: str, status: int
) -> None:
    change(sandbox, remove_list_limits=rule)
    body = {"source": {"all_active_contacts": True}, "list_ids": [client.first_list()]}
    assert client.post("/activities/remove_list_memberships", body).status_code == status


@pytest.mark.parametrize(("email", "count"), [(50, 25), (80, 50)])
def test_how_much_the_sign_up_form_takes(
    client: Client, sandbox: Sandbox, email: int, count: int
) -> None:
    change(sandbox, sign_up_email_max=email, sign_up_fields_max=count)
    fields_ = [sandbox.people.add_field(f"F{n}").custom_field_id for n in range(count + 1)]

    def sign_up(length: int, many: int) -> int:
        address = "@example.com".rjust(length - 50, "b").rjust(length, "a")
        values = [{"custom_field_id": one, "value": "x"} for one in fields_[:many]]
        body = {"email_address": address, "list_memberships": [client.first_list()]}
        return client.post("/contacts/sign_up_form", body | {"custom_fields": values}).status_code

    assert (sign_up(50, count), sign_up(51, 0)) == (201, 201 if email == 80 else 400)
    assert sign_up(50, count + 1) == 400


@pytest.mark.parametrize(("limit", "status"), [(timedelta(days=180), 400), (None, 200)])
def test_whether_refresh_tokens_age_out(
    sandbox: Sandbox, limit: timedelta | None, status: int
) -> None:
    change(sandbox, refresh_idle_limit=limit)
    form = {"grant_type": "refresh_token", "refresh_token": sandbox.issue_tokens()["refresh_token"]}
    sandbox.advance(timedelta(days=2000))
    who = (sandbox.client_id, sandbox.client_secret)
    assert requests.post(sandbox.token_url, data=form, auth=who, timeout=10).status_code == status


@pytest.mark.parametrize(("revokes", "status"), [(True, 401), (False, 200)])
def test_whether_a_code_that_comes_again_ends_what_it_gave(
    sandbox: Sandbox, revokes: bool, status: int
) -> None:
    change(sandbox, code_reuse_revokes=revokes)
    callback = sandbox.settings.redirect_uris[0]
    code = sandbox.issue_code(redirect_uri=callback)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback}
    who = (sandbox.client_id, sandbox.client_secret)
    given = requests.post(sandbox.token_url, data=form, auth=who, timeout=10).json()
    assert requests.post(sandbox.token_url, data=form, auth=who, timeout=10).status_code == 400
    header = {"Authorization": f"Bearer {given['access_token']}"}
    address = f"{sandbox.api_url}/contact_lists"
    assert requests.get(address, headers=header, timeout=10).status_code == status


def test_the_state_may_be_left_out_where_the_setting_says_so(sandbox: Sandbox) -> None:
    callback = sandbox.settings.redirect_uris[0]
    refused = sandbox.authorize_without_browser(redirect_uri=callback, state=None)
    assert "error=invalid_request" in refused
    change(sandbox, state_required=False)
    given = sandbox.authorize_without_browser(redirect_uri=callback, state=None)
    assert "code=" in given


@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_answer_to_an_import(client: Client, sandbox: Sandbox, status: int) -> None:
    change(sandbox, import_status=status, counts_in_first_answer=True)
    body = {"import_data": [{"email": "a@example.com"}], "list_ids": [client.first_list()]}
    answer = client.post("/activities/contacts_json_import", body)
    assert answer.status_code == status
    assert answer.json()["status"] == {"items_total_count": 2, "person_count": 1}


def test_whether_refused_and_token_calls_use_up_the_quota(client: Client, sandbox: Sandbox) -> None:
    def used() -> int:
        return sandbox.world.limits.used_today(sandbox.client_id)

    for refused_count, expected in ((True, 3), (False, 1)):
        sandbox.use_quota(0)
        sandbox.world.limits.forget_pace()
        change(sandbox, requests_per_second=1, refused_calls_count=refused_count)
        for _ in range(3):
            client.get("/contacts")
        assert used() == expected
    change(sandbox, requests_per_second=None)
    for counted, expected in ((False, 0), (True, 1)):
        sandbox.use_quota(0)
        change(sandbox, token_calls_count=counted)
        client.session.post(
            sandbox.token_url, auth=(sandbox.client_id, sandbox.client_secret), timeout=10
        )
        assert used() == expected


def test_the_readme_lists_every_endpoint(sandbox: Sandbox) -> None:
    rules = [rule.rule for rule in build_app(sandbox.world).url_map.iter_rules()]
    served = {re.sub("<.*?>", "{}", rule) for rule in rules if rule[:4] in ("/v3/", "/oau")}
    listed = re.findall(r"`((?:/v3|/oauth2)/[^` ]+)`", readme().partition("### Authorisation")[0])
    assert {re.sub("{.*?}", "{}", path) for path in listed} == served


def test_the_readme_explains_every_setting() -> None:
    text = readme()
    missing = [field.name for field in fields(SandboxSettings) if f"`{field.name}" not in text]
    assert missing == []


def test_the_readme_names_the_switch_and_the_test_of_each_open_question() -> None:
    section = readme().partition("### The open questions")[2].partition("\n## ")[0]
    rows = [line.split("|")[2:4] for line in section.splitlines() if "| `" in line]
    assert len(rows) == 27
    for settings, tests in rows:
        tried = "".join(
            Path(__file__).with_name(name).read_text(encoding="utf-8")
            for name in re.findall(r"`(\w+\.py)`", tests)
        )
        for name in re.findall(r"`(\w+)`", settings):
            assert name in (*CLOSED_SETS, *EXAMPLES)
            assert name in tried or name.removesuffix("_in_import") in tried, name


def readme() -> str:
    return (Path(str(sync.sandbox.__file__)).parent / "README.md").read_text(encoding="utf-8")
