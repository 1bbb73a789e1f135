"""The HTTP server under the sandbox: bodies of every kind, many clients, and its end."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 7):
        yield body[start : start + 7]


def raw(sandbox: Sandbox, request: bytes) -> bytes:
    """Send bytes as they are; everything that comes back until the end."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_a_body_may_come_in_chunks(client: Client, sandbox: Sandbox) -> None:
    body = json.dumps({"name": "In pieces"}).encode()
    for _ in range(2):
        answer = client.session.post(
            f"{sandbox.api_url}/contact_tags",
            data=pieces(body),
            headers={"Content-Type": "application/json"},
            timeout=10,
        )
    assert answer.status_code == 409
    assert [tag.name for tag in sandbox.people.tags()] == ["In pieces"]


def test_an_answer_without_a_body_leaves_the_connection_open(
    client: Client, sandbox: Sandbox
) -> None:
    contact = sandbox.people.add_contact("a@example.com")
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)
    header = {"Authorization": f"Bearer {client.tokens['access_token']}"}
    connection.request("DELETE", f"/v3/contacts/{contact}", headers=header)
    deleted = connection.getresponse()
    assert (deleted.status, deleted.read()) == (204, b"")
    connection.request("GET", "/v3/contacts", headers=header)
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("length", [b"x", b"-1", b"99999999999"])
def test_a_wrong_length_is_refused(sandbox: Sandbox, length: bytes) -> None:
    request = b"POST /v3/contacts HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\n"
    assert raw(sandbox, request).startswith(b"HTTP/1.1 413")


def test_a_malformed_chunk_is_refused(sandbox: Sandbox) -> None:
    request = b"POST /v3/contacts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert raw(sandbox, request).startswith(b"HTTP/1.1 400")


def test_half_a_request_changes_nothing(sandbox: Sandbox) -> None:
    request = b"POST /v3/contacts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    assert raw(sandbox, request) == b""
    assert sandbox.requests() == []


def test_of_many_refreshes_at_once_one_wins(sandbox: Sandbox) -> None:
    token = sandbox.issue_tokens()["refresh_token"]

    def refresh(_: int) -> int:
        return requests.post(
            sandbox.token_url,
            data={"grant_type": "refresh_token", "refresh_token": token},
            auth=(sandbox.client_id, sandbox.client_secret),
            timeout=10,
        ).status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(refresh, range(32)))
    assert sorted(statuses) == [200] + [400] * 31


def test_many_clients_at_once(client: Client, sandbox: Sandbox) -> None:
    def add(number: int) -> int:
        body = {
            "email_address": {"address": f"a{number}@example.com"},
            "create_source": "Account",
        }
        return client.post("/contacts", body).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(add, range(60))) == {201}
    assert sandbox.people.count() == 60


def test_after_its_end_nobody_answers() -> None:
    with Sandbox() as sandbox:
        client = Client(sandbox)
        assert client.get("/contacts").status_code == 200
    with pytest.raises(requests.ConnectionError):
        client.get("/contacts")
    sandbox.stop()
