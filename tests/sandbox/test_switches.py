"""The remaining open questions: each setting's two behaviours."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import sync.sandbox
from sync.sandbox import Sandbox, SandboxSettings
from sync.sandbox.app import build_app
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


def readme() -> str:
    return (Path(str(sync.sandbox.__file__)).parent / "README.md").read_text(encoding="utf-8")
