"""Two changes of one contact at once: the second one is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client

# Long enough for both to have arrived, on a busy machine too.
CHANGE_TIME = timedelta(seconds=1)


def put(client: Client, email: str = "ada@example.com") -> requests.Response:
    contact = client.found(email)["contact_id"]
    return client.put(f"/contacts/{contact}", {"first_name": "Put", "update_source": "Account"})


def sign_up(client: Client, email: str = "ada@example.com") -> requests.Response:
    body: dict[str, Any] = {"email_address": email, "list_memberships": [client.first_list()]}
    return client.post("/contacts/sign_up_form", body)


def at_once(sandbox: Sandbox, *changes: Any) -> list[int]:
    """The statuses of requests that were all under way together."""
    clients = [Client(sandbox) for _ in changes]
    together = threading.Barrier(len(changes))

    def send(number: int) -> int:
        together.wait()
        return int(changes[number](clients[number]).status_code)

    with ThreadPoolExecutor(len(changes)) as pool:
        return sorted(pool.map(send, range(len(changes))))


@pytest.fixture(autouse=True)
def slow_changes(sandbox: Sandbox) -> None:
    sandbox.people.add_contact("ada@example.com")
    sandbox.people.add_contact("bob@example.com")
    sandbox.settings = replace(
        sandbox.settings, contact_change_time=CHANGE_TIME, second_consent_kills_earlier=False
    )


@pytest.mark.parametrize("changes", [(put, put), (put, sign_up), (sign_up, sign_up)])
def test_the_second_change_of_a_contact_is_refused(sandbox: Sandbox, changes: Any) -> None:
    assert at_once(sandbox, *changes) == [200, 409]


def test_a_new_contact_signs_up_once(sandbox: Sandbox) -> None:
    def new(client: Client) -> requests.Response:
        return sign_up(client, "New@example.com")

    assert at_once(sandbox, new, new) == [201, 409]
    assert sandbox.people.contact("new@example.com")


def test_changes_of_two_contacts_do_not_meet(sandbox: Sandbox) -> None:
    assert at_once(sandbox, put, lambda client: put(client, "bob@example.com")) == [200, 200]


def test_one_change_after_the_other_is_no_clash(client: Client) -> None:
    assert [put(client).status_code, sign_up(client).status_code] == [200, 200]


def test_a_refused_change_stands_in_nobodys_way(client: Client) -> None:
    contact = client.found("ada@example.com")["contact_id"]
    assert client.put(f"/contacts/{contact}", {}).status_code == 400
    assert put(client).status_code == 200
