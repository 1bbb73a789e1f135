"""The admin endpoints and the pages: what other processes and people use."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


def call(sandbox: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    return requests.request(method, sandbox.admin_url + path, json=body, timeout=10)


def page(sandbox: Sandbox, path: str = "/") -> str:
    answer = requests.get(sandbox.admin_url + path, timeout=10)
    assert answer.status_code == 200
    return answer.text


def test_people_act_by_the_admin_endpoint(client: Client, sandbox: Sandbox) -> None:
    call(sandbox, "POST", "/lists", {"name": "Other"})
    call(sandbox, "POST", "/fields", {"label": "No"})
    made = {"action": "add_contact", "email": "a@example.com", "lists": ["Other"]}
    assert call(sandbox, "POST", "/people", made).json() == {"ok": True}
    left = {"action": "leave_list", "email": "a@example.com", "list_name": "Other"}
    assert call(sandbox, "POST", "/people", left).status_code == 200
    assert call(sandbox, "GET", "/audience").json()["a@example.com"]["lists"] == []
    call(sandbox, "POST", "/people", {"action": "unsubscribe", "email": "a@example.com"})
    shown = call(sandbox, "GET", "/contacts").json()["contacts"][0]
    assert shown["email_address"]["permission_to_send"] == "unsubscribed"
    nobody = {"action": "unsubscribe", "email": "b@example.com"}
    assert call(sandbox, "POST", "/people", nobody).status_code == 404
    assert call(sandbox, "POST", "/people", {"action": "dance"}).status_code == 400
    assert call(sandbox, "POST", "/people", {"action": "bounce", "who": "x"}).status_code == 400


def test_clock_settings_plans_and_log_by_the_admin_endpoints(
    client: Client, sandbox: Sandbox
) -> None:
    now = call(sandbox, "PUT", "/clock", {"set": "2027-01-01T00:00:00Z"}).json()["now"]
    assert now.startswith("2027-01-01T00:00:0")
    later = call(sandbox, "PUT", "/clock", {"advance": 3600, "freeze": True}).json()["now"]
    assert later.startswith("2027-01-01T01:00:0")
    call(sandbox, "PUT", "/clock", {"reset": True})
    changed = call(sandbox, "PUT", "/settings", {"requests_per_second": "none", "fast": "true"})
    assert changed.json()["fast"] == "true"
    assert sandbox.settings.fast
    assert call(sandbox, "PUT", "/settings", {"fast": "perhaps"}).status_code == 400
    assert call(sandbox, "PUT", "/settings", {"speed": "1"}).status_code == 400
    call(sandbox, "PUT", "/settings", {"fast": "false"})
    call(sandbox, "POST", "/plans", {"end": "failed"})
    assert client.import_contacts({"email": "a@example.com"})["state"] == "failed"
    log = call(sandbox, "GET", "/requests?path=/v3/activities/contacts_json_import").json()
    assert log["requests"][0]["body"]["import_data"] == [{"email": "a@example.com"}]
    call(sandbox, "DELETE", "/requests")
    assert call(sandbox, "GET", "/requests").json() == {"requests": []}


def test_the_pages_show_people_lists_activities_and_requests(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.people.add_field("Colour", "single_select", choices=("Red",))
    client.import_contacts(
        {"email": "ada@example.com", "first_name": "<b>Ada</b>", "cf:Colour": "Red", "phone": "7"},
        *({"email": f"a{n}@example.com"} for n in range(60)),
        {"email": "wrong"},
    )
    first = page(sandbox)
    assert "61 contacts" in first
    assert "&lt;b&gt;Ada" in first
    assert "Further" in first
    assert "1 contact found" in page(sandbox, "/?q=ADA@")
    person = page(sandbox, re.findall(r'href="/_sandbox(/person/[^"]+)"', first)[0])
    for text in ("cf:Colour", "Red", "other phone", "General Interest", "Recipient unsubscribes"):
        assert text in person
    assert "General Interest" in page(sandbox, "/catalog")
    assert "cf:Colour" in page(sandbox, "/catalog")
    assert "correctable count: 1" in page(sandbox, "/activity")
    assert "/v3/activities/contacts_json_import" in page(sandbox, "/log")
    assert requests.get(sandbox.url, timeout=10).url == f"{sandbox.admin_url}/"


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("unsubscribe", "unsubscribed"),
        ("user-unsubscribe", "unsubscribed"),
        ("bounce", "temp_hold"),
        ("confirm", "explicit"),
    ],
)
def test_the_buttons_of_a_person(
    client: Client, sandbox: Sandbox, action: str, permission: str
) -> None:
    contact = sandbox.people.add_contact("a@example.com", lists=("General Interest",))
    path = f"{sandbox.admin_url}/person/{contact}"
    requests.post(f"{path}/leave", data={"value": "General Interest"}, timeout=10)
    requests.post(f"{path}/rename", data={"value": "Ada"}, timeout=10)
    answer = requests.post(f"{path}/{action}", timeout=10)
    assert answer.url == f"{path}?account=1"
    shown = sandbox.people.audience()["a@example.com"]
    assert shown == {"permission": permission, "first_name": "Ada", "lists": []}
    requests.post(f"{path}/delete", timeout=10)
    assert sandbox.people.count() == 0
    requests.post(f"{path}/restore", timeout=10)
    assert sandbox.people.count() == 1
    assert requests.post(f"{path}/dance", timeout=10).status_code == 404


def test_the_settings_page_changes_a_setting(sandbox: Sandbox) -> None:
    assert "rotation grace" in page(sandbox, "/switches")
    form = {"name": "rotation_grace", "value": "30"}
    requests.post(f"{sandbox.admin_url}/switches", data=form, timeout=10)
    assert sandbox.settings.rotation_grace.total_seconds() == 30
    form = {"name": "rotation_grace", "value": "long"}
    answer = requests.post(f"{sandbox.admin_url}/switches", data=form, timeout=10)
    assert "could not convert" in answer.text


def test_what_can_happen_to_the_application(client: Client, sandbox: Sandbox) -> None:
    address = f"{sandbox.admin_url}/application"
    page_ = requests.get(address, headers={"Accept": "text/html"}, timeout=10).text
    assert "generates a new secret" in page_
    assert sandbox.client_secret in page_
    told = requests.get(address, headers={"Accept": "application/json"}, timeout=10).json()
    assert told["applications"][0]["client_id"] == sandbox.client_id
    before = sandbox.client_secret
    requests.post(f"{address}/renew-secret", timeout=10)
    assert sandbox.client_secret != before
    for action, status in [
        ("deactivate", 403),
        ("activate", 200),
        ("revoke-refresh-tokens", 200),
        ("revoke-access-tokens", 401),
        ("withdraw-consent", 401),
    ]:
        requests.post(f"{address}/{action}", timeout=10)
        assert client.get("/contacts").status_code == status
    assert requests.post(f"{address}/dance", timeout=10).status_code == 404


def test_accounts_and_the_quota_by_the_admin_endpoints(client: Client, sandbox: Sandbox) -> None:
    made = call(sandbox, "POST", "/accounts", {"organization": "Two", "email": "t@two.example"})
    assert made.status_code == 201
    two = Client(sandbox, account=made.json()["number"])
    assert two.get("/contact_lists").json()["lists"][0]["name"] == "General Interest"
    wrong = {"organization": "Two", "email": "t@two.example", "role": "king"}
    assert call(sandbox, "POST", "/accounts", wrong).status_code == 400
    assert "Two" in page(sandbox, "/?account=2")
    call(sandbox, "PUT", "/quota", {"used": 10_000})
    assert two.get("/contacts").status_code == 429


@pytest.mark.parametrize("path", ["/?start=x", "/?account=x", "/application?account=x", "/?q=%"])
def test_a_page_survives_what_a_person_types_into_its_address(sandbox: Sandbox, path: str) -> None:
    headers = {"Accept": "text/html"}
    answer = requests.get(sandbox.admin_url + path, headers=headers, timeout=10)
    assert answer.status_code == 200


def test_lists_tags_and_segments_by_the_admin_endpoints(client: Client, sandbox: Sandbox) -> None:
    call(sandbox, "POST", "/lists", {"name": "Customers"})
    call(sandbox, "POST", "/tags", {"name": "Gold"})
    person = {"action": "add_contact", "email": "a@example.com", "lists": ["Customers"]}
    call(sandbox, "POST", "/people", person)
    made = call(sandbox, "POST", "/segments", {"name": "Here", "lists": ["Customers"]}).json()
    client.get("/contacts", segment_id=made["segment_id"])
    assert len(client.get("/contacts", segment_id=made["segment_id"]).json()["contacts"]) == 1
    wrong = {"name": "There", "tags": ["Silver"]}
    assert call(sandbox, "POST", "/segments", wrong).status_code == 404
    assert "Here" in page(sandbox, "/catalog")
