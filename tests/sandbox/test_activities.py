"""The life of a bulk activity: its states, its ends, its counts and its place in the log."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync.sandbox import Plan, Sandbox
from tests.sandbox.client import Client


@pytest.mark.parametrize(
    ("rule", "timed_out", "time_out"),
    [("timed_out", 200, 400), ("time_out", 400, 200), ("both", 200, 200)],
)
def test_spellings_of_the_state_filter(
    client: Client, sandbox: Sandbox, rule: Any, timed_out: int, time_out: int
) -> None:
    sandbox.settings = replace(sandbox.settings, state_filter=rule)
    assert client.get("/activities", state="timed_out").status_code == timed_out
    assert client.get("/activities", state="time_out").status_code == time_out


def test_an_activity_passes_through_its_states(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(
        sandbox.settings, start_delay=timedelta(minutes=1), processing_time=timedelta(minutes=5)
    )
    sandbox.clock.freeze()
    started = client.start_import({"email": "a@example.com"})
    assert started["state"] == "initialized"
    address = sandbox.url + started["_links"]["self"]["href"]
    sandbox.advance(timedelta(minutes=3))
    halfway = client.get(address).json()
    assert (halfway["state"], halfway["percent_done"]) == ("processing", 50)
    assert "completed_at" not in halfway
    assert sandbox.people.count() == 0
    listed = client.get("/activities", state="processing").json()["activities"]
    assert [one["activity_id"] for one in listed] == [started["activity_id"]]
    sandbox.advance(timedelta(minutes=2))
    assert client.get(address).json()["state"] == "completed"
    assert sandbox.people.count() == 1
    sandbox.advance(timedelta(days=11))
    client = Client(sandbox)
    assert client.get(address).status_code == 404
    assert client.get("/activities").json()["activities"] == []


@pytest.mark.parametrize("end", ["failed", "timed_out", "cancelled"])
def test_an_activity_can_end_otherwise(client: Client, sandbox: Sandbox, end: Any) -> None:
    sandbox.plan_activity(Plan(end, share=0.5))
    done = client.import_contacts({"email": "a@example.com"}, {"email": "b@example.com"})
    assert done["state"] == end
    assert sandbox.people.count() == 1
    assert client.import_contacts({"email": "b@example.com"})["state"] == "completed"


def test_an_activity_can_end_otherwise_for_one_contact(client: Client, sandbox: Sandbox) -> None:
    sandbox.plan_activity(Plan("failed", count=None, holds="b@example.com"))
    contacts = ({"email": "a@example.com"}, {"email": "b@example.com"})
    assert client.import_contacts(*contacts)["state"] == "failed"
    assert client.import_contacts(contacts[0])["state"] == "completed"
    assert client.import_contacts(contacts[1])["state"] == "failed"


def test_an_activity_can_be_partial_endless_or_vanish(client: Client, sandbox: Sandbox) -> None:
    sandbox.plan_activity(Plan("partial", share=0.5))
    sandbox.plan_activity(Plan("never"))
    sandbox.plan_activity(Plan("vanish"))
    partial = client.import_contacts({"email": "a@example.com"}, {"email": "b@example.com"})
    assert partial["state"] == "completed"
    assert (partial["status"]["person_count"], partial["status"]["error_count"]) == (2, 1)
    endless = client.start_import({"email": "c@example.com"})
    sandbox.advance(timedelta(hours=5))
    address = sandbox.url + endless["_links"]["self"]["href"]
    assert client.get(address).json()["state"] == "processing"
    vanished = client.start_import({"email": "d@example.com"})
    address = sandbox.url + vanished["_links"]["self"]["href"]
    assert client.get(address).status_code == 404
    assert sandbox.people.count() == 2


def test_the_queue_holds_so_many_activities(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(
        sandbox.settings, queued_activities=2, processing_time=timedelta(hours=1)
    )
    client.start_import({"email": "a@example.com"})
    client.start_import({"email": "a@example.com"})
    body = {"import_data": [{"email": "a@example.com"}], "list_ids": [client.first_list()]}
    refused = client.post("/activities/contacts_json_import", body)
    assert refused.status_code == 429
    assert "queued activities" in refused.json()["error_message"]


def test_error_texts_and_counts_have_their_other_forms(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(
        sandbox.settings,
        activity_errors_shape="objects",
        activity_errors_text="lines",
        correctable_in_errors=True,
        all_rejected="failed",
        header_row_counted=False,
    )
    done = client.import_contacts({"email": "none"})
    assert done["activity_errors"] == [{"message": "Line 2: Invalid email address format"}]
    assert done["status"]["error_count"] == done["status"]["correctable_count"] == 1
    assert (done["state"], done["status"]["items_total_count"]) == ("failed", 1)


def test_the_body_of_every_import_is_in_the_request_log(client: Client, sandbox: Sandbox) -> None:
    client.import_contacts({"email": "a@example.com"})
    entry = sandbox.requests(path="/v3/activities/contacts_json_import")[0]
    assert entry.body["import_data"] == [{"email": "a@example.com"}]
    assert (entry.method, entry.status) == ("POST", 201)
    assert entry.application == sandbox.client_id
    assert entry.request_bytes == len(json.dumps(entry.body))
