"""Every endpoint of the sandbox, in success and in error, answers as the contract declares."""

from __future__ import annotations

import re

import pytest

from sync.sandbox import Fault, Sandbox
from tests.contract.cases import CASES, furnish
from tests.contract.conftest import ContractClient
from tests.contract.swagger import Operation, load_contract

BY_FAULT = (401, 403, 404, 406, 409, 415, 429, 500, 503)
"""Statuses that the sandbox can always be asked to play, where it has no reason of its own."""


def served() -> list[Operation]:
    """The contract's declarations of the sandbox's endpoints."""
    contract = load_contract()
    known = {(method, path) for method, path, _ in CASES}
    operations = () if contract is None else contract.operations
    return [one for one in operations if (one.method, one.template) in known]


def declared() -> list[tuple[str, str, int]]:
    """Every (method, path, status) that the contract declares for them."""
    return sorted(
        (one.method, one.template, int(status)) for one in served() for status in one.responses
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: "{} {} {}".format(*case))
def test_an_answer_is_as_declared(
    client: ContractClient, sandbox: Sandbox, case: tuple[str, str, int]
) -> None:
    CASES[case](client, sandbox)
    assert case in client.seen


@pytest.mark.parametrize(
    "case",
    [case for case in declared() if case not in CASES and case[2] in BY_FAULT],
    ids=lambda case: "{} {} {}".format(*case),
)
def test_an_error_on_demand_is_as_declared(
    client: ContractClient, sandbox: Sandbox, case: tuple[str, str, int]
) -> None:
    method, template, status = case
    sandbox.add_fault(Fault("status", status=status))
    path = template.replace("{", "").replace("}", "")
    client.session.request(method, sandbox.api_url + path, timeout=10)
    assert case in client.seen


FREE_TEXT = ("email", "name")
UNFIT = {"integer": "0", "boolean": "perhaps", "string": "no such thing"}


@pytest.mark.parametrize(
    ("operation", "name"),
    [(one, name) for one in served() for name in one.query],
    ids=lambda value: getattr(value, "template", value),
)
def test_each_declared_parameter_is_read(
    client: ContractClient, sandbox: Sandbox, operation: Operation, name: str
) -> None:
    ids = furnish(client, sandbox)
    path = re.sub(r"{(\w+)_id}", lambda found: ids[found[1]], operation.template)
    parameter = operation.query[name]
    fit = [1] if parameter["type"] == "integer" else parameter.get("enum", ())
    for value in fit:
        assert client.get(path, **{name: value}).status_code == 200
    if name not in FREE_TEXT and "400" in operation.responses:
        assert client.get(path, **{name: UNFIT[parameter["type"]]}).status_code == 400


@pytest.mark.parametrize(
    "operation",
    [one for one in served() if "{" in one.template],
    ids=lambda one: f"{one.method} {one.template}",
)
def test_a_malformed_id_is_answered_as_declared(
    client: ContractClient, sandbox: Sandbox, operation: Operation
) -> None:
    path = re.sub("{.*}", "x", operation.template)
    client.session.request(operation.method, sandbox.api_url + path, timeout=10)
    answered = 400 if "400" in operation.responses else 404
    assert (operation.method, operation.template, answered) in client.seen


def test_every_declared_status_of_every_endpoint_was_driven() -> None:
    left = [case for case in declared() if case not in CASES and case[2] not in BY_FAULT]
    assert left == []
