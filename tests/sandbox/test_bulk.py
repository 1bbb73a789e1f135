"""Bulk activities other than the JSON import."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


def upload(client: Client, text: str, **more: Any) -> requests.Response:
    form = {"list_ids": client.first_list()} | more.pop("form", {})
    return client.session.post(
        f"{client.sandbox.api_url}/activities/contacts_file_import",
        files={"file": (more.pop("name", "contacts.csv"), text.encode())},
        data=form,
        timeout=10,
    )


def start(client: Client, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/activities/{kind}", body)
    assert answer.status_code == 201, answer.text
    done = client.finished(answer.json())
    assert done["state"] == "completed"
    return done


@pytest.fixture
def ids(client: Client, sandbox: Sandbox) -> dict[str, str]:
    """Contact ids of a, b and c, by name; all are on the first list."""
    client.import_contacts(*({"email": f"{name}@example.com"} for name in "abc"))
    return {c["email_address"]["address"][0]: c["contact_id"] for c in sandbox.people.contacts()}


def test_a_file_import(client: Client, sandbox: Sandbox) -> None:
    sandbox.people.add_field("No")
    text = (
        "email,first_name,birthday_month,birthday_day,cf:No,zip\r\n"
        'a@example.com,"Ada, née B",2,29,7,1\r\nbad,x,,,,\r\nb@example.com,,,,,\r\n'
    )
    answer = upload(client, text)
    assert answer.status_code == 201, answer.text
    done = client.finished(answer.json())
    assert done["source_file_name"] == "contacts.csv"
    assert done["status"] == {
        "items_total_count": 4,
        "person_count": 3,
        "error_count": 0,
        "correctable_count": 1,
        "cannot_add_to_list_count": 0,
    }
    people = sandbox.people.audience()
    assert people["a@example.com"]["first_name"] == "Ada, née B"
    assert people["a@example.com"]["birthday_day"] == 29
    assert people["a@example.com"]["cf:No"] == "7"
    assert set(people) == {"a@example.com", "b@example.com"}


def test_a_file_is_cut_at_its_lines_and_bytes(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, import_contacts_limit=4)
    text = "email\n" + "".join(f"a{n}@example.com\n" for n in range(10))
    done = client.finished(upload(client, text).json())
    assert done["status"]["person_count"] == 3
    sandbox.settings = replace(sandbox.settings, import_bytes_limit=50)
    done = client.finished(upload(client, text).json())
    assert done["status"]["person_count"] == 2


def test_malformed_file_imports(client: Client) -> None:
    assert upload(client, "email\n", name="contacts.xls").status_code == 415
    assert upload(client, "name\nx\n").status_code == 400
    assert upload(client, "email\n", form={"list_ids": ""}).status_code == 400
    by_json = client.post("/activities/contacts_file_import", {})
    assert by_json.status_code == 415


def test_memberships_are_added_and_removed(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    other = sandbox.people.add_list("Other").list_id
    sandbox.people.unsubscribe("b@example.com")
    sandbox.people.user_delete("c@example.com")
    body = {"source": {"contact_ids": list(ids.values())}, "list_ids": [other]}
    done = start(client, "add_list_memberships", body)
    assert done["status"] == {
        "items_total_count": 3,
        "items_completed_count": 2,
        "list_count": 1,
    }
    people = sandbox.people.audience()
    assert people["a@example.com"]["lists"] == ["General Interest", "Other"]
    assert people["b@example.com"]["lists"] == []
    assert people["c@example.com"]["lists"] == ["Other"]
    body = {
        "source": {"list_ids": [other]},
        "exclude": {"contact_ids": [ids["c"]]},
        "list_ids": [client.first_list(), other],
    }
    start(client, "remove_list_memberships", body)
    people = sandbox.people.audience()
    assert people["a@example.com"]["lists"] == []
    assert people["c@example.com"]["lists"] == ["Other"]


def test_whether_the_unsubscribed_can_be_added_to_a_list(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    sandbox.settings = replace(sandbox.settings, add_unsubscribed_to_lists=True)
    sandbox.people.unsubscribe("b@example.com")
    body = {"source": {"contact_ids": [ids["b"]]}, "list_ids": [client.first_list()]}
    start(client, "add_list_memberships", body)
    b = sandbox.people.audience()["b@example.com"]
    assert (b["permission"], b["lists"]) == ("unsubscribed", ["General Interest"])


def test_contacts_are_tagged_and_untagged(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    tag = sandbox.people.add_tag("Gold").tag_id
    body = {"source": {"contact_ids": [ids["a"], ids["b"]]}, "tag_ids": [tag]}
    assert start(client, "contacts_taggings_add", body)["status"]["items_completed_count"] == 2
    assert (
        client.get("/contact_tags", include_count="true").json()["tags"][0]["contacts_count"] == 2
    )
    assert client.found("a@example.com", "taggings")["taggings"] == [tag]
    body = {"source": {"all_active_contacts": True}, "tag_ids": [tag]}
    start(client, "contacts_taggings_remove", body)
    assert client.found("a@example.com", "taggings")["taggings"] == []


def test_contacts_are_deleted_by_id_or_by_list(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    start(client, "contact_delete", {"contact_ids": [ids["a"]]})
    assert sandbox.people.count() == 2
    done = start(client, "contact_delete", {"list_ids": [client.first_list()]})
    assert done["status"]["list_count"] == 1
    assert sandbox.people.count() == 0


def test_a_contact_has_at_most_fifty_tags(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    tags = [sandbox.people.add_tag(f"T{n}").tag_id for n in range(51)]

    def tag(names: list[str], wanted: list[str]) -> int:
        body = {"source": {"contact_ids": [ids[name] for name in names]}, "tag_ids": wanted}
        status = start(client, "contacts_taggings_add", body)["status"]
        return int(status["items_completed_count"])

    assert tag(["a"], tags[:50]) == 1
    assert tag(["a", "b"], tags[:2]) == 2
    assert tag(["a", "b"], tags[50:]) == 1
    assert client.found("a@example.com", "taggings")["taggings"] == tags[:50]


def test_a_deletion_keeps_the_day_of_an_earlier_one(
    client: Client, sandbox: Sandbox, ids: dict[str, str]
) -> None:
    sandbox.people.user_delete("a@example.com")
    day = client.found("a@example.com")["deleted_at"]
    sandbox.advance(timedelta(days=2))
    later = Client(sandbox)
    start(later, "contact_delete", {"contact_ids": [ids["a"]]})
    assert later.found("a@example.com")["deleted_at"] == day


def test_lists_tags_and_fields_are_deleted(client: Client, sandbox: Sandbox) -> None:
    tag, field = sandbox.people.add_tag("x"), sandbox.people.add_field("x")
    start(client, "list_delete", {"list_ids": [client.first_list()]})
    start(client, "contacts_tags_delete", {"tag_ids": [tag.tag_id]})
    start(client, "custom_fields_delete", {"custom_field_ids": [field.custom_field_id]})
    assert client.get("/contact_lists").json()["lists"] == []
    assert (sandbox.people.tags(), sandbox.people.fields()) == ([], [])


def test_contacts_are_exported(client: Client, sandbox: Sandbox, ids: dict[str, str]) -> None:
    done = start(client, "contact_exports", {"contact_ids": [ids["a"]]})
    text = client.get(sandbox.url + done["_links"]["results"]["href"]).text
    assert text.splitlines()[1] == "a@example.com,implicit,,,,"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("contact_delete", {}),
        ("contact_delete", {"contact_ids": ["x"]}),
        ("contact_delete", {"contact_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"] * 501}),
        (
            "contact_delete",
            {
                "contact_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"],
                "list_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"],
            },
        ),
        ("add_list_memberships", {"source": {"all_active_contacts": True}}),
        ("add_list_memberships", {"source": {"segment_id": 1}, "list_ids": []}),
        ("contacts_taggings_add", {"source": {"all_active_contacts": True}, "tag_ids": []}),
        ("list_delete", {"list_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"]}),
    ],
)
def test_malformed_bulk_requests_are_400(client: Client, kind: str, body: dict[str, Any]) -> None:
    assert client.post(f"/activities/{kind}", body).status_code == 400
