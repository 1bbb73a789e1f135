"""GET, POST, PUT and DELETE of contacts, the sign-up form, and asking somebody back."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.sandbox import Sandbox
from tests.sandbox.client import Client

ALL = "custom_fields,list_memberships,phone_numbers,street_addresses,taggings,notes"


def addresses(answer: dict[str, Any]) -> list[str]:
    return [contact["email_address"]["address"] for contact in answer["contacts"]]


def make(client: Client, email: str, **more: Any) -> dict[str, Any]:
    body = {"email_address": {"address": email}, "create_source": "Account"} | more
    answer = client.post("/contacts", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_pages_are_followed_by_their_link(client: Client, sandbox: Sandbox) -> None:
    client.import_contacts(*({"email": f"a{n}@example.com"} for n in range(7)))
    answer = client.get("/contacts", limit=3, include="list_memberships", include_count="true")
    seen, page = [], answer.json()
    assert page["contacts_count"] == 7
    while True:
        seen += addresses(page)
        assert "list_memberships" in page["contacts"][0]
        if "next" not in page["_links"]:
            break
        href = page["_links"]["next"]["href"]
        assert href.startswith("/v3/contacts?cursor=")
        page = client.get(sandbox.url + href).json()
        # Somebody who comes or goes meanwhile makes no page skip anybody.
        sandbox.people.user_delete(seen[0])
    assert seen == [f"a{n}@example.com" for n in range(7)]


def test_pages_by_count_skip_what_shifts(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, paging="by count")
    client.import_contacts(*({"email": f"a{n}@example.com"} for n in range(6)))
    page = client.get("/contacts", limit=3).json()
    sandbox.people.user_delete("a0@example.com")
    rest = client.get(sandbox.url + page["_links"]["next"]["href"]).json()
    assert addresses(rest) == ["a4@example.com", "a5@example.com"]


def test_every_status_can_be_searched_for(client: Client, sandbox: Sandbox) -> None:
    for name, permission in [
        ("e", "explicit"),
        ("i", "implicit"),
        ("n", "not_set"),
        ("p", "pending_confirmation"),
        ("t", "temp_hold"),
        ("u", "unsubscribed"),
        ("d", "implicit"),
    ]:
        sandbox.people.add_contact(f"{name}@example.com", permission=permission)
    sandbox.people.user_delete("d@example.com")

    def found(status: str | None) -> str:
        query = {} if status is None else {"status": status}
        return "".join(a[0] for a in addresses(client.get("/contacts", **query).json()))

    assert found(None) == "einptu"
    assert found("all") == "einptud"
    assert found("active") == "ei"
    assert found("deleted") == "d"
    assert found("unsubscribed,temp_hold") == "tu"
    assert found("not_set") == "n"
    assert found("pending_confirmation") == "p"
    assert client.get("/contacts", status="explicit").status_code == 400
    assert "new_subscriber" not in client.get("/contacts/counts").json()
    counts = client.get("/contacts/counts", include="new_subscriber").json()
    assert counts == {
        "total": 6,
        "explicit": 1,
        "implicit": 1,
        "pending": 1,
        "unsubscribed": 1,
        "new_subscriber": 2,
    }


def test_searches_by_address_list_tag_and_time(client: Client, sandbox: Sandbox) -> None:
    sandbox.clock.freeze(datetime(2026, 1, 1, tzinfo=UTC))
    client = Client(sandbox)
    other = sandbox.people.add_list("Other").list_id
    tag = sandbox.people.add_tag("Gold").tag_id
    make(client, "a+b@example.com", list_memberships=[client.first_list()])
    sandbox.advance(timedelta(hours=1))
    make(client, "c@example.com", list_memberships=[other], taggings=[tag])
    sandbox.advance(timedelta(hours=1))
    sandbox.people.unsubscribe("a+b@example.com", "enough")

    def found(**query: str) -> str:
        return "".join(a[0] for a in addresses(client.get("/contacts", **query).json()))

    assert found(email="A+B@example.com") == "a"
    assert found(lists=other) == "c"
    assert found(lists=f"{other},{client.first_list()}") == "c"
    assert found(tags=tag) == "c"
    assert found(created_after="2026-01-01T00:30:00Z") == "c"
    assert found(created_before="2026-01-01T01:30:00+01:00") == "a"
    assert found(updated_after="2026-01-01T01:30:00Z") == "a"
    assert found(updated_before="2026-01-01T01:30:00Z") == "c"
    assert found(status="unsubscribed", optout_after="2026-01-01T01:30:00Z") == "a"
    assert found(optout_before="2026-01-01T01:30:00Z") == ""
    opted_out = client.found("a+b@example.com")["email_address"]
    assert (opted_out["opt_out_source"], opted_out["opt_out_reason"]) == ("Contact", "enough")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "501"},
        {"limit": "0"},
        {"limit": "x"},
        {"include": "everything"},
        {"updated_after": "yesterday"},
        {"lists": "no uuid"},
        {"cursor": "nonsense"},
        {"cursor": base64.urlsafe_b64encode(b'{"limit":"x"}').decode()},
        {"include_count": "perhaps"},
    ],
)
def test_malformed_searches_are_400(client: Client, query: dict[str, str]) -> None:
    assert client.get("/contacts", **query).status_code == 400


@pytest.mark.parametrize(("moves", "seen"), [(False, 0), (True, 2)])
def test_whether_deletion_and_list_removal_move_updated_at(
    client: Client, sandbox: Sandbox, moves: bool, seen: int
) -> None:
    sandbox.settings = replace(
        sandbox.settings, delete_moves_updated_at=moves, list_removal_moves_updated_at=moves
    )
    client.import_contacts({"email": "a@example.com"}, {"email": "b@example.com"})
    sandbox.advance(timedelta(hours=1))
    since = datetime.fromtimestamp(sandbox.clock.now() - 60, UTC).isoformat()
    sandbox.people.user_delete("a@example.com")
    sandbox.people.leave_list("b@example.com", "General Interest")
    answer = client.get("/contacts", status="all", updated_after=since).json()
    assert len(answer["contacts"]) == seen


def test_put_nulls_the_core_and_keeps_omitted_sub_resources(
    client: Client, sandbox: Sandbox
) -> None:
    field = sandbox.people.add_field("No").custom_field_id
    made = make(
        client,
        "a@example.com",
        first_name="Ada",
        job_title="Countess",
        phone_numbers=[{"kind": "home", "phone_number": "1"}],
        custom_fields=[{"custom_field_id": field, "value": "7"}],
        list_memberships=[client.first_list()],
        notes=[{"content": "hello"}],
    )
    path = f"/contacts/{made['contact_id']}"
    changed = {
        "email_address": {"address": "a@example.com"},
        "first_name": "Adele",
        "phone_numbers": [{"kind": "work", "phone_number": "2"}],
        "update_source": "Account",
    }
    assert client.put(path, changed).status_code == 200
    now = client.get(path, include=ALL).json()
    assert (now["first_name"], "job_title" in now) == ("Adele", False)
    assert [(p["kind"], p["phone_number"]) for p in now["phone_numbers"]] == [("work", "2")]
    assert now["custom_fields"] == [{"custom_field_id": field, "value": "7"}]
    assert now["list_memberships"] == [client.first_list()]
    assert now["notes"][0]["content"] == "hello"
    assert now["email_address"]["permission_to_send"] == "implicit"


def test_put_can_change_an_address_revive_and_resubscribe(client: Client, sandbox: Sandbox) -> None:
    made = make(client, "a@example.com")
    path = f"/contacts/{made['contact_id']}"
    address = {"address": "b@example.com"}
    assert client.put(path, {"email_address": address, "update_source": "Account"}).ok
    assert client.found("b@example.com")["contact_id"] == made["contact_id"]
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    deleted = client.found("b@example.com")
    assert len(deleted["deleted_at"]) == 10
    by_contact = {"email_address": address, "update_source": "Contact"}
    assert client.put(path, by_contact).status_code == 400
    assert client.put(path, {"email_address": address, "update_source": "Account"}).ok
    assert "deleted_at" not in client.found("b@example.com")
    sandbox.people.unsubscribe("b@example.com")
    stale = {"email_address": address | {"permission_to_send": "implicit"}}
    assert client.put(path, stale | {"update_source": "Account"}).ok
    assert client.found("b@example.com")["email_address"]["permission_to_send"] == "implicit"


@pytest.mark.parametrize("state", ["living", "deleted", "unsubscribed"])
def test_a_known_address_conflicts(client: Client, sandbox: Sandbox, state: str) -> None:
    make(client, "a@example.com")
    if state == "deleted":
        sandbox.people.user_delete("a@example.com")
    if state == "unsubscribed":
        sandbox.people.unsubscribe("a@example.com")
    body = {"email_address": {"address": "A@example.com"}, "create_source": "Account"}
    assert client.post("/contacts", body).status_code == 409
    other = make(client, "b@example.com")
    body = {"email_address": {"address": "a@example.com"}, "update_source": "Account"}
    assert client.put(f"/contacts/{other['contact_id']}", body).status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"create_source": "Robot"},
        {"email_address": "a@example.com"},
        {"email_address": {"address": "x" * 70 + "@example.com"}},
        {"email_address": {"address": "a@example.com", "permission_to_send": "always"}},
        {"first_name": "x" * 51},
        {"phone_numbers": [{"kind": "fax", "phone_number": "1"}]},
        {"phone_numbers": [{"kind": "home", "phone_number": "1" * 26}]},
        {"phone_numbers": [{"kind": "home", "phone_number": "1"}] * 4},
        {"street_addresses": [{"street": "x"}]},
        {"list_memberships": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"]},
        {"custom_fields": [{"custom_field_id": "x", "value": "1"}]},
        {"taggings": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"]},
        {"notes": [{"content": "x" * 2001}]},
        {"birthday_month": 2},
        {"anniversary": "soon"},
        {"email_address": None},
    ],
)
def test_malformed_contacts_are_400(client: Client, change: dict[str, Any]) -> None:
    body = {"email_address": {"address": "a@example.com"}, "create_source": "Account"} | change
    assert client.post("/contacts", body).status_code == 400


def test_ids_that_are_none_or_nobodys(client: Client) -> None:
    assert client.get("/contacts/17").status_code == 400
    assert client.get("/contacts/04fe9a97-a579-43c5-bb1a-58ed29bf0a6a").status_code == 404


def test_the_sign_up_form_opts_in_even_the_unsubscribed(client: Client, sandbox: Sandbox) -> None:
    other = sandbox.people.add_list("Other").list_id
    body = {
        "email_address": "a@example.com",
        "first_name": "Ada",
        "list_memberships": [client.first_list()],
        "street_address": {"kind": "home", "city": "London"},
        "phone_number": "1",
    }
    first = client.post("/contacts/sign_up_form", body)
    assert (first.status_code, first.json()["action"]) == (201, "created")
    sandbox.people.unsubscribe("a@example.com")
    body = {"email_address": "a@example.com", "list_memberships": [other], "last_name": "L"}
    again = client.post("/contacts/sign_up_form", body)
    assert (again.status_code, again.json()["action"]) == (200, "updated")
    found = client.found("a@example.com")
    assert found["email_address"]["permission_to_send"] == "explicit"
    assert found["email_address"]["opt_in_source"] == "Contact"
    assert (found["first_name"], found["last_name"]) == ("Ada", "L")
    assert found["list_memberships"] == [other]
    assert sandbox.people.mails() == [("welcome", "a@example.com")]
    assert client.post("/contacts/sign_up_form", {"email_address": "x@y.org"}).status_code == 400


def test_confirmed_opt_in_waits_for_the_contact(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, confirmed_opt_in=True)
    body = {"email_address": "a@example.com", "list_memberships": [client.first_list()]}
    client.post("/contacts/sign_up_form", body)
    email = client.found("a@example.com")["email_address"]
    assert (email["permission_to_send"], email["confirm_status"]) == (
        "pending_confirmation",
        "pending",
    )
    sandbox.people.confirm("a@example.com")
    email = client.found("a@example.com")["email_address"]
    assert (email["permission_to_send"], email["confirm_status"]) == ("explicit", "confirmed")


def test_a_contact_is_asked_back_once(client: Client, sandbox: Sandbox) -> None:
    made = make(client, "a@example.com")
    path, body = f"/contacts/resubscribe/{made['contact_id']}", {"list_ids": [client.first_list()]}
    assert client.put(path, body).status_code == 400
    sandbox.people.unsubscribe("a@example.com")
    assert client.put(path, body).status_code == 200
    assert client.put(path, body).status_code == 409
    assert sandbox.people.mails() == [("resubscribe", "a@example.com")]
    assert client.found("a@example.com")["list_memberships"] == []
    sandbox.people.confirm("a@example.com")
    assert client.found("a@example.com")["list_memberships"] == [client.first_list()]


def test_the_user_edits_and_holds(client: Client, sandbox: Sandbox) -> None:
    make(client, "a@example.com", first_name="Ada", job_title="x")
    sandbox.people.user_edit("a@example.com", {"first_name": "Adele", "job_title": None})
    sandbox.people.bounce("a@example.com")
    found = client.found("a@example.com")
    assert (found["first_name"], "job_title" in found) == ("Adele", False)
    assert found["email_address"]["permission_to_send"] == "temp_hold"
    with pytest.raises(LookupError):
        sandbox.people.unsubscribe("nobody@example.com")
