"""Every request that a test sends to a sandbox is held to the vendor's contract.

To be imported by the suite's own conftest: whichever sandbox a test starts, its request log is
validated when it is emptied, and when it stops. `process_problems` does the same for a sandbox in
another process. The tests of the sandbox and of the validator send bad requests on purpose and are
left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from sync.sandbox import Sandbox
from sync.sandbox.request_log import Entry, RequestLog
from tests.contract.validator import Request, request_problems

ON_PURPOSE = ("tests/sandbox/", "tests/contract/")


@pytest.fixture(autouse=True)
def every_request_is_as_declared(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Fail the test whose sandbox was sent something that the contract does not allow."""
    if request.node.nodeid.startswith(ON_PURPOSE):
        yield
        return
    with recorded(monkeypatch):
        yield


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold what sandboxes are sent meanwhile to the contract; AssertionError tells the rest."""
    problems: set[str] = set()
    stop, clear = Sandbox.stop, RequestLog.clear

    def validate_and_stop(sandbox: Sandbox) -> None:
        problems.update(log_problems(sandbox.requests()))
        stop(sandbox)

    def validate_and_clear(log: RequestLog) -> None:
        problems.update(log_problems(log.entries()))
        clear(log)

    monkeypatch.setattr(Sandbox, "stop", validate_and_stop)
    monkeypatch.setattr(RequestLog, "clear", validate_and_clear)
    yield
    assert not problems, "\n".join(sorted(problems))


def log_problems(entries: Iterable[Request]) -> Iterator[str]:
    """What the contract does not allow of a request log; also what can't be told any more."""
    for entry in entries:
        told = f"{entry.method} {entry.path}"
        if entry.request_bytes and entry.raw_body is None:
            yield f"{told}: the body is not in the log any more: raise request_log_bytes"
        for problem in request_problems(entry):
            yield f"{told}: {problem}"


def process_problems(admin_url: str) -> list[str]:
    """The same of a sandbox in another process, which must be told before it stops."""
    answer = requests.get(f"{admin_url}/requests", timeout=10).json()
    return sorted({*log_problems(_entry(**entry) for entry in answer["requests"])})


def _entry(body: Any, **told: Any) -> Entry:
    """An entry of a request log of which the sandbox's own endpoint tells the body as JSON."""
    return Entry(**told, raw_body=None if body is None else json.dumps(body).encode())
