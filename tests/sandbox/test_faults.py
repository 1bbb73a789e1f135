"""Faults on demand: each is played where, when and as often as asked."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from sync.sandbox import Fault, Sandbox
from sync.sandbox.api.problems import DEFAULTS, OBJECT_STATUSES
from sync.sandbox.faults import Kind
from tests.sandbox.client import Client


@pytest.mark.parametrize(
    ("status", "shape"),
    [(status, dict if status in OBJECT_STATUSES else list) for status in DEFAULTS],
)
def test_each_status_comes_in_its_envelope(
    client: Client, sandbox: Sandbox, status: int, shape: type
) -> None:
    sandbox.add_fault(Fault("status", "/v3/contact_lists", status=status, count=1))
    answer = client.get("/contact_lists")
    assert answer.status_code == status
    assert isinstance(answer.json(), shape)
    assert client.get("/contact_lists").status_code == 200


@pytest.mark.parametrize("status", [400, 429, 503])
@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("list", [{"error_key": "k", "error_message": "m"}]),
        ("object", {"error_key": "k", "error_message": "m"}),
        ("message", {"message": "m"}),
        ("oauth", {"error": "k", "error_description": "m"}),
    ],
)
def test_each_envelope_comes_with_any_status(
    client: Client, sandbox: Sandbox, status: int, shape: Any, told: object
) -> None:
    fault = Fault("status", status=status, shape=shape, error_key="k", error_message="m", count=2)
    sandbox.add_fault(fault)
    for _ in range(2):
        answer = client.get("/activities")
        assert (answer.status_code, answer.json()) == (status, told)
    assert client.get("/activities").status_code == 200


def test_a_fault_hits_the_requests_it_names(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("status", "/v3/contacts*", method="get", query="*limit=7*", skip=1))
    statuses = [client.get("/contacts", limit=n).status_code for n in (7, 8, 7, 7)]
    assert statuses == [200, 200, 503, 503]
    assert client.post("/contacts", {}).status_code == 400


def test_faults_by_pattern_and_by_share(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("status", pattern="x.x"))
    assert [client.get("/contacts").status_code for _ in range(4)] == [503, 200, 503, 503]
    sandbox.clear_faults()
    sandbox.add_fault(Fault("status", share=0.5))
    hit = sum(client.get("/contacts").status_code == 503 for _ in range(60))
    assert 10 < hit < 50


def test_a_fault_hits_the_requests_that_hold_a_text(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("status", method="POST", status=400, holds="bad"))
    names = ("good", "a bad one", "good too")
    answers = [client.post("/contact_lists", {"name": name}).status_code for name in names]
    assert answers == [201, 400, 201]


@pytest.mark.parametrize("kind", ["drop", "reset"])
@pytest.mark.parametrize(("after_work", "lists"), [(False, 1), (True, 2)])
def test_connections_are_dropped_before_or_after_the_work(
    client: Client, sandbox: Sandbox, kind: Kind, after_work: bool, lists: int
) -> None:
    sandbox.add_fault(Fault(kind, method="POST", after_work=after_work))
    with pytest.raises(requests.ConnectionError):
        client.post("/contact_lists", {"name": "New"})
    assert len(client.get("/contact_lists").json()["lists"]) == lists
    assert [entry.status for entry in sandbox.requests()] == [0, 200]
    assert sandbox.requests()[0].fault == f"{kind} #1"


def test_a_connection_is_cut_in_the_middle_of_the_answer(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("cut", method="POST", count=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.post("/contact_lists", {"name": "New"})
    assert len(client.get("/contact_lists").json()["lists"]) == 2


@pytest.mark.parametrize(
    ("kind", "begins"), [("html", "<html>"), ("empty", ""), ("garbage", '{"contacts": [{')]
)
def test_other_bodies_in_place_of_json(
    client: Client, sandbox: Sandbox, kind: Kind, begins: str
) -> None:
    sandbox.add_fault(Fault(kind, status=200, count=1))
    answer = client.get("/contacts")
    assert answer.status_code == 200
    assert answer.text.startswith(begins)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("kind", ["slow", "slow-body"])
def test_slow_answers_and_slow_bodies(client: Client, sandbox: Sandbox, kind: Kind) -> None:
    sandbox.add_fault(Fault(kind, delay=0.3))
    began = time.monotonic()
    assert client.get("/contact_lists").json()["lists"]
    assert time.monotonic() - began >= 0.29


def test_a_sandbox_that_stops_does_not_wait_for_slow_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Sandbox() as sandbox:
        client = Client(sandbox)
        sandbox.add_fault(Fault("slow", delay=60))
        with pytest.raises(requests.ReadTimeout):
            client.session.get(f"{sandbox.api_url}/contacts", timeout=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_the_token_endpoint_has_faults_of_its_own_shape(sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault("status", "/oauth2/*/token", status=503))
    answer = requests.post(sandbox.token_url, timeout=10)
    assert (answer.status_code, set(answer.json())) == (503, {"error", "error_description"})


def test_a_fault_may_bring_its_own_words(client: Client, sandbox: Sandbox) -> None:
    sandbox.add_fault(
        Fault("status", status=429, body='{"message":"Limit"}', retry_after="7", count=1)
    )
    answer = client.get("/contacts")
    assert (answer.text, answer.headers["Retry-After"]) == ('{"message":"Limit"}', "7")


def test_faults_can_be_set_from_another_process(sandbox: Sandbox, client: Client) -> None:
    address = f"{sandbox.admin_url}/faults"
    made = requests.post(address, json={"kind": "status", "status": 500}, timeout=10)
    assert made.json() == {"number": 1}
    assert client.get("/contacts").status_code == 500
    waiting = requests.get(address, timeout=10).json()["faults"]
    assert (waiting[0]["played"], waiting[0]["status"]) == (1, 500)
    requests.delete(address, timeout=10)
    assert client.get("/contacts").status_code == 200
    refused = requests.post(address, json={"kind": "status", "colour": "red"}, timeout=10)
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("faults", {"kind": "fire"}),
        ("faults", {"kind": "status", "status": 9000}),
        ("faults", {"kind": "status", "share": 2}),
        ("faults", {"kind": "status", "pattern": "hit"}),
        ("plans", {"end": "well"}),
        ("plans", {"end": "failed", "kind": "import"}),
        ("plans", {"end": "failed", "share": -1}),
        ("settings", {"expires_in": "1e300"}),
        ("clock", {"advance": 1e300}),
    ],
)
def test_what_could_never_play_is_refused(
    client: Client, sandbox: Sandbox, place: str, wrong: dict[str, object]
) -> None:
    method = "POST" if place in ("faults", "plans") else "PUT"
    answer = requests.request(method, f"{sandbox.admin_url}/{place}", json=wrong, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert client.get("/contacts").status_code == 200


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "invalid_request"), (429, "too_many_requests"), (500, "server_error")],
)
def test_the_token_endpoints_errors_have_their_own_names(
    sandbox: Sandbox, status: int, error: str
) -> None:
    sandbox.add_fault(Fault("status", "/oauth2/*", status=status))
    assert requests.post(sandbox.token_url, timeout=10).json()["error"] == error
