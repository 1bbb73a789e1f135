"""The recording fails a test whose requests the contract does not allow, wherever they went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

import tests.conftest
from sync.sandbox import Sandbox
from tests.contract import recording
from tests.contract.recording import process_problems, recorded
from tests.sandbox.client import Client
from tests.sandbox.conftest import QUICK

UNDECLARED = "GET /v3/contacts: query parameter offset is not declared"
FORGOTTEN = "POST /v3/contact_lists: the body is not in the log any more: raise request_log_bytes"


def ask_wrongly(sandbox: Sandbox) -> None:
    Client(sandbox).get("/contacts", offset=5)


def ask_wrongly_and_forget(sandbox: Sandbox) -> None:
    ask_wrongly(sandbox)
    sandbox.world.log.clear()


def forget_a_body(sandbox: Sandbox) -> None:
    Client(sandbox).post("/contact_lists", {"name": "A name that is longer than the log keeps"})


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (ask_wrongly, UNDECLARED),
        (ask_wrongly_and_forget, UNDECLARED),
        (forget_a_body, FORGOTTEN),
    ],
)
def test_a_wrong_request_fails_its_test(
    ask: Callable[[Sandbox], None],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = replace(QUICK, request_log_bytes=20)
    with (
        pytest.raises(AssertionError, match=told),
        recorded(monkeypatch),
        Sandbox(settings=few) as sandbox,
    ):
        ask(sandbox)


def test_a_sandbox_in_another_process_is_asked(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    client.import_contacts({"email": "a@example.com"})
    requests.post(sandbox.token_url, data={"grant_type": "refresh_token"}, timeout=10)
    assert process_problems(sandbox.admin_url) == []
    ask_wrongly(sandbox)
    assert process_problems(sandbox.admin_url) == [UNDECLARED]


def test_the_whole_suite_is_recorded() -> None:
    assert tests.conftest.every_request_is_as_declared is recording.every_request_is_as_declared
