"""Lists, custom fields, tags and the account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


def test_a_fresh_account_has_one_list_and_no_contact(client: Client) -> None:
    lists = client.get("/contact_lists", include_membership_count="all", include_count="true")
    assert [(one["name"], one["membership_count"]) for one in lists.json()["lists"]] == [
        ("General Interest", 0)
    ]
    assert lists.json()["lists_count"] == 1
    assert client.get("/contacts").json() == {"contacts": [], "_links": {}}
    summary = client.get("/account/summary", extra_fields="physical_address").json()
    assert summary["organization_name"] == "Sandbox Company"
    assert summary["encoded_account_id"] == client.sandbox.account.encoded_account_id
    assert summary["physical_address"]["city"] == "Boston"
    assert client.get("/account/summary", extra_fields="x").status_code == 400


def test_lists_are_created_changed_and_deleted(client: Client, sandbox: Sandbox) -> None:
    made = client.post("/contact_lists", {"name": "Two", "description": "d", "favorite": True})
    assert made.status_code == 201
    assert client.post("/contact_lists", {"name": "Two"}).status_code == 409
    assert client.post("/contact_lists", {"name": "x" * 256}).status_code == 400
    path = f"/contact_lists/{made.json()['list_id']}"
    assert client.put(path, {"name": "Three"}).json()["name"] == "Three"
    client.import_contacts({"email": "a@example.com"}, list_ids=[made.json()["list_id"]])
    counted = client.get(path, include_membership_count="active").json()
    assert (counted["membership_count"], counted["favorite"]) == (1, False)
    by_name = client.get("/contact_lists", name="Three").json()["lists"]
    assert [one["list_id"] for one in by_name] == [made.json()["list_id"]]
    deletion = client.delete(path)
    assert deletion.status_code == 202
    assert client.finished(deletion.json())["state"] == "completed"
    assert "deleted_at" in client.get("/contact_lists", status="deleted").json()["lists"][0]
    assert len(client.get("/contact_lists").json()["lists"]) == 1
    assert len(client.get("/contact_lists", status="all").json()["lists"]) == 2
    assert client.found("a@example.com")["list_memberships"] == []
    assert client.delete(path).status_code == 404


def test_lists_come_in_pages_and_have_a_cap(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, lists_per_account=3)
    for name in ("B", "C"):
        client.post("/contact_lists", {"name": name})
    assert client.post("/contact_lists", {"name": "D"}).status_code == 400
    page = client.get("/contact_lists", limit=2, include_membership_count="all").json()
    assert len(page["lists"]) == 2
    rest = client.get(sandbox.url + page["_links"]["next"]["href"]).json()
    assert [one["name"] for one in rest["lists"]] == ["C"]
    assert "membership_count" in rest["lists"][0]
    assert rest["_links"] == {}
    assert client.get("/contact_lists", limit=501).status_code == 400
    sandbox.settings = replace(sandbox.settings, lists_limit_max=1000)
    assert client.get("/contact_lists", limit=501).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"label": "A text", "type": "string"},
        {"label": "A date", "type": "date", "version": 2},
        {"label": "A moment", "type": "datetime"},
        {"label": "Much text", "type": "text_area"},
        {"label": "A number", "type": "number", "metadata": {"decimal_places": 2}},
        {"label": "Money", "type": "currency", "metadata": {"currency_code": "USD"}},
        {"label": "Yes", "type": "boolean"},
        {
            "label": "One",
            "type": "single_select",
            "metadata": {"display_type": "radio"},
            "choices": [{"choice_label": "Red", "display_order": 1}],
        },
        {
            "label": "Many",
            "type": "multi_select",
            "choices": [{"choice_label": "Red"}, {"choice_label": "Blue"}],
        },
    ],
)
def test_custom_fields_of_nine_types(client: Client, body: dict[str, Any]) -> None:
    made = client.post("/contact_custom_fields", body)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert shown["name"] == body["label"].replace(" ", "_")
    assert [c["choice_label"] for c in shown.get("choices", [])] == [
        c["choice_label"] for c in body.get("choices", [])
    ]
    assert client.post("/contact_custom_fields", body).status_code == 409
    path = f"/contact_custom_fields/{shown['custom_field_id']}"
    assert client.get(path).json() == shown
    assert client.get("/contact_custom_fields").json()["custom_fields"] == [shown]
    change = {"label": "Other", "choices": shown.get("choices")}
    changed = client.put(path, change).json()
    assert (changed["label"], changed["name"]) == ("Other", shown["name"])
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"label": "x" * 51, "type": "string"},
        {"label": "x", "type": "colour"},
        {"label": "x", "type": "single_select"},
        {"label": "x", "type": "single_select", "choices": [{"choice_label": "a"}] * 101},
        {
            "label": "x",
            "type": "multi_select",
            "metadata": {"display_type": "checkbox"},
            "choices": [{"choice_label": "a"}] * 21,
        },
        {"label": "x", "type": "currency"},
        {"label": "x", "type": "number", "metadata": {"decimal_places": 5}},
        {"label": "x", "type": "string", "choices": [{"choice_label": "a"}]},
    ],
)
def test_malformed_custom_fields_are_400(client: Client, body: dict[str, Any]) -> None:
    assert client.post("/contact_custom_fields", body).status_code == 400


def test_an_account_has_at_most_a_hundred_custom_fields(client: Client, sandbox: Sandbox) -> None:
    for number in range(100):
        sandbox.people.add_field(f"Field {number}")
    assert (
        client.post("/contact_custom_fields", {"label": "x", "type": "string"}).status_code == 400
    )
    page = client.get("/contact_custom_fields", limit=60).json()
    rest = client.get(sandbox.url + page["_links"]["next"]["href"]).json()
    assert len(rest["custom_fields"]) == 40


def test_a_deleted_field_leaves_no_value(client: Client, sandbox: Sandbox) -> None:
    field = sandbox.people.add_field("No")
    client.import_contacts({"email": "a@example.com", "cf:No": "7"})
    assert len(client.found("a@example.com")["custom_fields"]) == 1
    client.delete(f"/contact_custom_fields/{field.custom_field_id}")
    assert client.found("a@example.com")["custom_fields"] == []


def test_a_choice_id_may_be_text(client: Client, sandbox: Sandbox) -> None:
    field = sandbox.people.add_field("One", "single_select", choices=("Red", "Blue"))
    path = f"/contact_custom_fields/{field.custom_field_id}"
    assert client.get(path).json()["choices"][1]["choice_id"] == 2
    sandbox.settings = replace(sandbox.settings, choice_id_form="text", select_in_import="ids")
    choices = client.get(path).json()["choices"]
    assert choices[1]["choice_id"] == "000002"
    chosen = {"custom_field_id": field.custom_field_id, "choice_ids": ["000002"]}
    body = {"first_name": "A", "create_source": "Account", "custom_fields": [chosen]}
    assert client.post("/contacts", body).json()["custom_fields"] == [chosen]
    client.import_contacts({"email": "a@example.com", "cf:One": "000001"})
    assert sandbox.people.audience()["a@example.com"]["cf:One"] == "Red"
    kept = [choices[1] | {"choice_label": "Navy"}]
    changed = client.put(path, {"label": "One", "choices": kept}).json()["choices"]
    assert [(one["choice_id"], one["choice_label"]) for one in changed] == [
        ("000002", "Navy"),
        ("000001", "Red"),
    ]


def test_tags(client: Client, sandbox: Sandbox) -> None:
    made = client.post("/contact_tags", {"name": "Gold"})
    assert made.status_code == 201
    assert client.post("/contact_tags", {"name": "Gold"}).status_code == 409
    path = f"/contact_tags/{made.json()['tag_id']}"
    assert client.put(path, {"name": "Silver"}).json()["name"] == "Silver"
    client.post("/contact_tags", {"name": "Bronze"})
    page = client.get("/contact_tags", limit=1, include_count="true").json()
    assert page["tags"][0]["contacts_count"] == 0
    assert client.get(sandbox.url + page["_links"]["next"]["href"]).json()["tags"]
    sandbox.settings = replace(sandbox.settings, nested_tag_links=True)
    nested = client.get("/contact_tags", limit=1).json()["_links"]["next"]["next"]["href"]
    assert client.get(sandbox.url + nested).json()["tags"][0]["name"] == "Bronze"
    assert client.finished(client.delete(path).json())["state"] == "completed"
    assert client.get(path).status_code == 404
