"""A sandbox, and a client that holds every request and answer to the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from sync.sandbox import Sandbox
from tests.contract.swagger import PATH, REQUIRED
from tests.contract.validator import validate_answer, validate_requests
from tests.sandbox.client import Client
from tests.sandbox.conftest import QUICK


class ContractClient(Client):
    """Validates each answer as it comes, and remembers which ones it has seen."""

    def __init__(self, sandbox: Sandbox, scope: str | None = None, account: int | None = None):
        super().__init__(sandbox, scope, account)
        self.seen: set[tuple[str, str, int]] = set()
        self.session.hooks["response"].append(self._validate)

    def _validate(self, answer: requests.Response, *_: object, **__: object) -> None:
        content_type = answer.headers.get("Content-Type", "")
        body = answer.json() if "json" in content_type else answer.text
        path = "/v3/" + answer.url.partition("/v3/")[2].partition("?")[0]
        method, template = validate_answer(
            str(answer.request.method), path, answer.status_code, content_type, body
        )
        self.seen.add((method, template, answer.status_code))


@pytest.fixture(autouse=True)
def _contract_is_there() -> None:
    if not PATH.exists() and os.environ.get(REQUIRED) != "1":
        pytest.skip(f"the vendor's contract is not at ../shared/{PATH.name}")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(settings=replace(QUICK, anonymous_status=401)) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[ContractClient]:
    made = ContractClient(sandbox)
    yield made
    good = [entry for entry in sandbox.requests() if 200 <= entry.status < 300]
    validate_requests(good)
