"""Every request that a test sends to a sandbox is held to the vendor's contract.

To be imported by the suite's own conftest: whichever sandbox a test starts, its request log is
validated when it stops. The tests of the sandbox and of the validator send bad requests on purpose
and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync.sandbox import Sandbox
from tests.contract.validator import request_problems

ON_PURPOSE = ("tests/sandbox/", "tests/contract/")


@pytest.fixture(autouse=True)
def every_request_is_as_declared(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Fail the test whose sandbox was sent something that the contract does not allow."""
    problems: list[str] = []
    stop = Sandbox.stop

    def validate_and_stop(sandbox: Sandbox) -> None:
        for entry in sandbox.requests(path="/v3/"):
            found = request_problems(entry)
            problems.extend(f"{entry.method} {entry.path}: {problem}" for problem in found)
        stop(sandbox)

    if not request.node.nodeid.startswith(ON_PURPOSE):
        monkeypatch.setattr(Sandbox, "stop", validate_and_stop)
    yield
    assert not problems, "\n".join(sorted(set(problems)))
