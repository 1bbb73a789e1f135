"""Every endpoint of the sandbox, in success and in error, answers as the contract declares."""

from __future__ import annotations

import pytest

from sync.sandbox import Fault, Sandbox
from tests.contract.cases import CASES
from tests.contract.conftest import ContractClient
from tests.contract.swagger import load_contract

BY_FAULT = (401, 403, 404, 406, 409, 415, 429, 500, 503)
"""Statuses that the sandbox can always be asked to play, where it has no reason of its own."""


def declared() -> list[tuple[str, str, int]]:
    """Every (method, path, status) that the contract declares for the sandbox's endpoints."""
    contract = load_contract()
    if contract is None:
        return []
    served = {(method, path) for method, path, _ in CASES}
    return sorted(
        (one.method, one.template, int(status))
        for one in contract.operations
        if (one.method, one.template) in served
        for status in one.responses
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


def test_every_declared_status_of_every_endpoint_was_driven() -> None:
    left = [case for case in declared() if case not in CASES and case[2] not in BY_FAULT]
    assert left == []
