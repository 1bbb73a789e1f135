"""What every call passes: token, limits, rights, addresses, media types."""

from __future__ import annotations

import http.client
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc"])
def test_without_a_good_token_there_is_401_and_its_challenge(
    sandbox: Sandbox, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(f"{sandbox.api_url}/contacts", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer realm=api.cc.email"
    assert answer.text == '{"error_key":"unauthorized","error_message":"Unauthorized"}'


def test_anonymous_calls_may_be_403(sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, anonymous_status=403)
    assert requests.get(f"{sandbox.api_url}/contacts", timeout=10).status_code == 403


def test_the_fifth_call_in_a_second_is_throttled(client: Client, sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, requests_per_second=4)
    statuses = [client.get("/contacts/counts").status_code for _ in range(6)]
    assert statuses == [200] * 4 + [429] * 2
    body = client.get("/contacts/counts").json()
    assert body == {"error_key": "throttled", "error_message": "Too Many Requests"}
    time.sleep(1.01)
    assert client.get("/contacts/counts").status_code == 200


def test_the_quota_ends_with_the_utc_day(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_time(datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    client = Client(sandbox)
    sandbox.use_quota(9_999)
    assert client.get("/contacts/counts").status_code == 200
    refused = client.get("/contacts/counts")
    assert refused.status_code == 429
    assert refused.json() == {"error_key": "quota_exceeded", "error_message": "Limit Exceeded"}
    assert "Retry-After" not in refused.headers
    sandbox.advance(timedelta(minutes=1))
    assert client.get("/contacts/counts").status_code == 200


@pytest.mark.parametrize(
    ("shape", "begins"),
    [
        ("object", '{"error_key"'),
        ("list", '[{"error_key"'),
        ("message", '{"message"'),
        ("empty", ""),
        ("html", "<html>"),
    ],
)
def test_forms_of_429(client: Client, sandbox: Sandbox, shape: Any, begins: str) -> None:
    sandbox.settings = replace(sandbox.settings, throttle_body=shape, retry_after=3)
    sandbox.use_quota(10_000)
    answer = client.get("/contacts")
    assert answer.status_code == 429
    assert answer.text.startswith(begins)
    assert answer.headers["Retry-After"] == "3"
    sandbox.use_quota(0)
    sandbox.settings = replace(sandbox.settings, queued_activities=0)
    full = client.post("/activities/contact_exports", {})
    assert (full.status_code, full.headers["Retry-After"]) == (429, "3")
    assert full.text.startswith(begins)


def test_a_missing_scope_is_403(sandbox: Sandbox) -> None:
    only_account = Client(sandbox, "account_read")
    assert only_account.get("/contacts").status_code == 403
    assert only_account.get("/account/summary").status_code == 200
    only_contacts = Client(sandbox, "contact_data")
    assert only_contacts.get("/account/summary").status_code == 403
    assert only_contacts.get("/account/user/privileges").status_code == 200


def test_a_campaign_creator_has_no_access_to_contacts(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_role("campaign creator")
    refused = client.get("/contact_lists")
    assert refused.status_code == 403
    assert refused.json() == {
        "error_key": "access_denied",
        "error_message": "Request forbidden due to insufficient user privileges.",
    }
    names = {one["privilege_name"] for one in client.get("/account/user/privileges").json()}
    assert "contacts:read" not in names


def test_wrong_addresses_and_methods(client: Client, sandbox: Sandbox) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.put("/contacts", {}).status_code == 405
    anonymous = requests.get(f"{sandbox.api_url}/nothing", timeout=10)
    assert anonymous.status_code == 401


def test_a_body_must_be_json_and_say_so(client: Client, sandbox: Sandbox) -> None:
    address = f"{sandbox.api_url}/contact_lists"
    as_text = client.session.post(address, data='{"name":"x"}', timeout=10)
    assert as_text.status_code == 415
    broken = client.session.post(
        address, data='{"name":', headers={"Content-Type": "application/json"}, timeout=10
    )
    assert broken.status_code == 400
    assert client.post("/contact_lists", ["x"]).status_code == 400


def test_connections_are_kept_alive(client: Client, sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
    header = {"Authorization": f"Bearer {client.tokens['access_token']}"}
    connection.connect()
    first = connection.sock
    for body in ("{", "{}", "{"):
        # Refused before it was looked at: the body must have been read all the same.
        connection.request("POST", "/v3/contact_tags", body, {"Content-Type": "text/plain"})
        assert connection.getresponse().read().startswith(b'{"error_key"')
        connection.request("GET", "/v3/contacts", headers=header)
        assert connection.getresponse().read().startswith(b'{"contacts"')
    assert connection.sock is first
    connection.close()
