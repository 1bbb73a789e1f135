"""Searches, memberships and exports by segment, engagement and status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client
from tests.sandbox.test_bulk import start


@pytest.fixture
def segment(client: Client, sandbox: Sandbox) -> int:
    """a to e are contacts, c to e on Customers, of whom d has unsubscribed and e is tagged."""
    there = sandbox.people
    there.add_list("Customers")
    tag = there.add_tag("Gold")
    for name in "abcde":
        there.add_contact(f"{name}@example.com", lists=("Customers",) if name in "cde" else ())
    there.unsubscribe("d@example.com")
    tagged = client.found("e@example.com")["contact_id"]
    start(
        client,
        "contacts_taggings_add",
        {"source": {"contact_ids": [tagged]}, "tag_ids": [tag.tag_id]},
    )
    return there.add_segment("Customers here", lists=("Customers",))


def found(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["email_address"]["address"][0] for one in answer.json()["contacts"]]


def test_the_first_search_by_a_segment_is_accepted_and_the_next_one_answered(
    client: Client, segment: int
) -> None:
    first = client.get("/contacts", segment_id=segment)
    assert (first.status_code, first.json()["contacts"]) == (202, [])
    assert found(client.get("/contacts", segment_id=segment)) == ["c", "e"]


def test_a_segment_may_be_answered_at_once(client: Client, sandbox: Sandbox, segment: int) -> None:
    sandbox.settings = replace(sandbox.settings, segment_accepted_first=False)
    page = client.get("/contacts", segment_id=segment, limit=1)
    assert found(page) == ["c"]
    following = sandbox.url + page.json()["_links"]["next"]["href"]
    assert found(client.get(following)) == ["e"]


@pytest.mark.parametrize("other", ["status", "lists", "include", "email", "include_count"])
def test_a_segment_goes_with_nothing_but_a_limit(client: Client, segment: int, other: str) -> None:
    values: dict[str, Any] = {"segment_id": segment, "limit": 1, other: "all"}
    assert client.get("/contacts", **values).status_code == 400


def test_segments_that_are_none(client: Client, sandbox: Sandbox, segment: int) -> None:
    assert client.get("/contacts", segment_id="x").status_code == 400
    assert client.get("/contacts", segment_id=segment + 1).status_code == 404
    account, theirs = sandbox.add_account("Other", "other@example.com")
    del account
    foreign = theirs.add_segment("Theirs")
    assert client.get("/contacts", segment_id=foreign).status_code == 404


def members(sandbox: Sandbox, name: str) -> list[str]:
    people = sandbox.people.audience()
    return sorted(email[0] for email, one in people.items() if name in one["lists"])


def test_a_segments_contacts_are_added_to_a_list(
    client: Client, sandbox: Sandbox, segment: int
) -> None:
    target = sandbox.people.add_list("Target").list_id
    body = {"source": {"segment_id": segment}, "list_ids": [target]}
    assert start(client, "add_list_memberships", body)["status"]["items_total_count"] == 2
    assert members(sandbox, "Target") == ["c", "e"]


def test_lists_are_joined_and_left_by_engagement(
    client: Client, sandbox: Sandbox, segment: int
) -> None:
    target = sandbox.people.add_list("Target").list_id
    for name, level in (("a", "high"), ("b", "low"), ("c", "high")):
        sandbox.people.engage(f"{name}@example.com", level)
    for kind, level in (("add", "high"), ("add", "low"), ("remove", "high")):
        body = {"source": {"engagement_level": level}, "list_ids": [target]}
        start(client, f"{kind}_list_memberships", body)
    assert members(sandbox, "Target") == ["b"]


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("add_list_memberships", {"segment_id": 99}),
        ("add_list_memberships", {"segment_id": True}),
        ("add_list_memberships", {"segment_id": "1"}),
        ("add_list_memberships", {"engagement_level": "keen"}),
        ("remove_list_memberships", {"segment_id": 1}),
    ],
)
def test_sources_that_are_none(
    client: Client, segment: int, kind: str, source: dict[str, Any]
) -> None:
    body = {"source": source, "list_ids": [client.first_list()]}
    assert client.post(f"/activities/{kind}", body).status_code == 400


def exported(client: Client, body: dict[str, Any]) -> list[str]:
    done = start(client, "contact_exports", body)
    text = client.get(client.sandbox.url + done["_links"]["results"]["href"]).text
    return sorted(line.split(",")[0].partition("@")[0] for line in text.splitlines()[1:])


def test_what_is_exported(client: Client, sandbox: Sandbox, segment: int) -> None:
    customers = next(one.list_id for one in sandbox.people.lists() if one.name == "Customers")
    contact = client.found("a@example.com")["contact_id"]
    sandbox.people.user_delete("b@example.com")
    assert exported(client, {}) == ["a", "c", "d", "e"]
    assert exported(client, {"segment_id": segment}) == ["c", "e"]
    assert exported(client, {"status": "unsubscribed"}) == ["d"]
    assert exported(client, {"status": "deleted"}) == ["b"]
    assert exported(client, {"contact_ids": [contact], "status": "active"}) == ["a"]
    assert exported(client, {"contact_ids": [contact], "status": "unsubscribed"}) == []
    assert exported(client, {"list_ids": [customers], "new_subscriber": True}) == ["c", "e"]
    assert exported(client, {"exclude": {"contact_ids": [contact]}}) == ["c", "d", "e"]
    fields = start(client, "contact_exports", {"fields": ["first_name", "nobody_knows"]})
    text = client.get(sandbox.url + fields["_links"]["results"]["href"]).text
    assert text.splitlines()[0] == "First name"


@pytest.mark.parametrize(
    "body",
    [
        {"segment_id": 1, "status": "active"},
        {"segment_id": 1, "new_subscriber": True},
        {"status": "implicit"},
        {"fields": "first_name"},
    ],
)
def test_exports_that_are_refused(client: Client, segment: int, body: dict[str, Any]) -> None:
    assert client.post("/activities/contact_exports", body).status_code == 400
