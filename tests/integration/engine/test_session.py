"""One request: what is repeated, what is not, and what a person reads when it fails."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from sync.api.session import ApiSession
from sync.errors import (
    AccessForbidden,
    AuthorizationNeeded,
    Busy,
    ConfigurationError,
    ContractBroken,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    StopRequested,
)
from sync.sandbox import Fault, Sandbox
from sync.sandbox.faults import Kind
from tests.integration.engine.conftest import SessionFor, SteppedStop, sentence
from tests.integration.engine.scripted import Answer, scripted
from tests.integration.engine.tokens import Tokens

LISTS = "/v3/contact_lists"
PASSING = [
    Fault("status", status=500),
    Fault("status", status=502, body="<html><body>Bad gateway</body></html>"),
    Fault("status", status=503, body=""),
    Fault("status", status=504, shape="message"),
    Fault("html", status=502),
    Fault("html", status=200),
    Fault("garbage", status=200),
    Fault("empty", status=200),
    Fault("drop"),
    Fault("reset"),
    Fault("cut"),
    Fault("slow", delay=1.2),
]


def _id(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status}"


def _on(fault: Fault, method: str, count: int | None, *, after_work: bool = False) -> Fault:
    return Fault(
        fault.kind,
        path=LISTS,
        method=method,
        status=fault.status,
        body=fault.body,
        shape=fault.shape,
        delay=fault.delay,
        count=count,
        after_work=after_work,
    )


@pytest.mark.parametrize("fault", PASSING, ids=_id)
def test_reading_is_repeated_with_growing_pauses_until_it_works(
    sandbox: Sandbox, session_for: SessionFor, stop: SteppedStop, fault: Fault
) -> None:
    count = 1 if fault.kind == "slow" else 2
    sandbox.add_fault(_on(fault, "GET", count))
    session = session_for(sandbox.api_url, seconds=1)
    assert session.get("/contact_lists")["lists"]
    assert len(stop.pauses) == count
    assert stop.pauses == sorted(stop.pauses)
    assert all(timedelta(seconds=1) <= pause for pause in stop.pauses)


@pytest.mark.parametrize("kind", ["drop", "html", "empty"])
def test_reading_gives_up_after_seven_tries_with_a_sentence(
    sandbox: Sandbox, session: ApiSession, tokens: Tokens, kind: Kind
) -> None:
    status = 200 if kind == "empty" else 502
    sandbox.add_fault(Fault(kind, path=LISTS, status=status))
    with pytest.raises((ServiceUnavailable, ContractBroken)) as failed:
        session.get("/contact_lists")
    assert len(sandbox.requests(path=LISTS)) == 7
    assert "GET /contact_lists" in sentence(failed.value, *tokens.tokens)


@pytest.mark.parametrize("fault", [each for each in PASSING if each.kind != "slow"], ids=_id)
@pytest.mark.parametrize("after_work", [True, False], ids=["done", "not done"])
def test_a_change_whose_answer_was_lost_is_not_repeated(
    sandbox: Sandbox, session: ApiSession, stop: SteppedStop, fault: Fault, after_work: bool
) -> None:
    sandbox.add_fault(_on(fault, "POST", None, after_work=after_work))
    with pytest.raises(OutcomeUnknown) as failed:
        session.post("/contact_lists", b'{"name":"Customers"}')
    sentence(failed.value)
    assert len(sandbox.requests(path=LISTS)) == 1
    assert stop.pauses == []


def test_a_change_that_was_surely_not_sent_is_repeated(
    session_for: SessionFor, stop: SteppedStop, tokens: Tokens
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    late: list[Sandbox] = []

    def start_at_the_third_pause() -> None:
        if len(stop.pauses) == 3:
            late.append(Sandbox(port=port).start())
            tokens.tokens = [late[0].issue_tokens()["access_token"]]

    stop.during_pause = start_at_the_third_pause
    try:
        made = session_for(f"http://127.0.0.1:{port}/v3").post("/contact_lists", b'{"name":"A"}')
        assert made["name"] == "A"
        assert len(late[0].requests(path=LISTS)) == 1
    finally:
        late[0].stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_service_that_cant_be_reached_is_told_so(
    session_for: SessionFor, stop: SteppedStop, tokens: Tokens, method: str
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        session = session_for(f"http://127.0.0.1:{reserved.getsockname()[1]}/v3")
        with pytest.raises(ServiceUnavailable) as failed:
            session.get("/contacts") if method == "GET" else session.post("/contacts", b"{}")
    assert not isinstance(failed.value, OutcomeUnknown)
    assert "can't be reached" in sentence(failed.value, *tokens.tokens)
    assert len(stop.pauses) == 6


def test_a_proxy_that_cant_be_reached_means_that_nothing_was_sent(
    session: ApiSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{reserved.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(ServiceUnavailable) as failed:
            session.post("/contact_lists", b'{"name":"News 2"}')
    assert not isinstance(failed.value, OutcomeUnknown)
    assert "can't be reached" in sentence(failed.value)


@pytest.mark.parametrize("address", ["api.cc.email/v3", "ftp://api.cc.email", "http://"])
def test_an_address_that_is_none_is_a_fault_of_the_configuration(
    session_for: SessionFor, stop: SteppedStop, address: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"api\.base_url") as failed:
        session_for(address).get("/contacts")
    sentence(failed.value)
    assert stop.pauses == []


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("throttled", None),
        ("throttled", ""),
        ("throttled", "<html>slow down</html>"),
        ("too_many", '{"message": "Too Many Requests"}'),
        ("too_many", '[{"error_key": "x", "error_message": "You exceeded 1,000 queued"}]'),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_other_429_is_repeated_after_a_pause(
    sandbox: Sandbox,
    session: ApiSession,
    stop: SteppedStop,
    method: str,
    key: str,
    body: str | None,
) -> None:
    sandbox.add_fault(Fault("status", path=LISTS, status=429, error_key=key, body=body, count=3))
    if method == "GET":
        assert session.get("/contact_lists")["lists"]
    else:
        assert session.post("/contact_lists", b'{"name":"Customers"}')["name"] == "Customers"
    assert len(sandbox.requests(path=LISTS)) == 4
    assert len(stop.pauses) == 3
    assert stop.pauses == sorted(stop.pauses)


def test_a_429_that_stays_ends_as_busy(sandbox: Sandbox, session: ApiSession) -> None:
    sandbox.add_fault(Fault("status", path=LISTS, status=429, error_key="throttled"))
    with pytest.raises(Busy) as failed:
        session.get("/contact_lists")
    sentence(failed.value)
    assert len(sandbox.requests(path=LISTS)) == 7


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "shortest", "longest"), [("7", 7, 7), ("0", 1, 2), ("86400", 60, 60), ("soon", 1, 2)]
)
def test_a_retry_after_is_honoured_within_reason(
    sandbox: Sandbox,
    session: ApiSession,
    stop: SteppedStop,
    status: int,
    header: str,
    shortest: int,
    longest: int,
) -> None:
    sandbox.add_fault(Fault("status", path=LISTS, status=status, retry_after=header, count=1))
    session.get("/contact_lists")
    [pause] = stop.pauses
    assert timedelta(seconds=shortest) <= pause <= timedelta(seconds=longest)


def test_a_401_asks_for_another_token_once(
    sandbox: Sandbox, session: ApiSession, tokens: Tokens
) -> None:
    sandbox.revoke_access_tokens()
    tokens.tokens.append(sandbox.issue_tokens()["access_token"])
    assert session.get("/contact_lists")["lists"]
    assert tokens.renewals == 1
    assert [entry.status for entry in sandbox.requests(path=LISTS)] == [401, 200]


def test_a_second_401_ends_it(sandbox: Sandbox, session: ApiSession, tokens: Tokens) -> None:
    sandbox.add_fault(Fault("status", path=LISTS, status=401))
    with pytest.raises(AuthorizationNeeded) as failed:
        session.get("/contact_lists")
    assert "contact-sync authorize" in sentence(failed.value, *tokens.tokens)
    assert tokens.renewals == 1
    assert len(sandbox.requests(path=LISTS)) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [400, 404, 405, 406, 409, 415])
def test_a_refusal_is_explained_and_not_repeated(
    sandbox: Sandbox, session: ApiSession, method: str, status: int
) -> None:
    sandbox.add_fault(
        Fault("status", path=LISTS, status=status, error_key="the.key", error_message="The cause")
    )
    with pytest.raises(RequestRefused) as failed:
        session.get("/contact_lists") if method == "GET" else session.post(
            "/contact_lists", b'{"name":"News 2"}'
        )
    text = sentence(failed.value)
    for part in (f"{method} /contact_lists", str(status), "the.key", "The cause"):
        assert part in text
    assert (failed.value.status, failed.value.error_key) == (status, "the.key")
    assert len(sandbox.requests(path=LISTS)) == 1


def test_a_403_says_what_a_person_can_do(sandbox: Sandbox, session: ApiSession) -> None:
    sandbox.deactivate_application()
    with pytest.raises(AccessForbidden) as failed:
        session.get("/contact_lists")
    text = sentence(failed.value)
    assert "deactivated" in text
    assert "contact-sync check" in text
    assert len(sandbox.requests(path=LISTS)) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_is_refused_and_the_token_goes_nowhere_else(
    session_for: SessionFor, status: int, method: str
) -> None:
    with scripted(Answer()) as elsewhere:
        moved = Answer(status, "", {"Location": f"{elsewhere.url}/contacts"})
        with scripted(moved) as server:
            session = session_for(server.url)
            with pytest.raises(ContractBroken) as failed:
                session.get("/contacts") if method == "GET" else session.post("/contacts", b"{}")
        assert len(server.seen) == 1
        assert elsewhere.seen == []
    assert "api.base_url" in sentence(failed.value)


def test_a_netrc_file_does_not_replace_the_token(
    session_for: SessionFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: Tokens
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(Answer()) as server:
        session_for(server.url).get("/contacts")
    [(_, headers)] = server.seen
    assert headers["Authorization"] == f"Bearer {tokens.tokens[0]}"


def test_a_stop_is_heard_before_the_next_request_and_in_every_pause(
    sandbox: Sandbox, session: ApiSession, stop: SteppedStop
) -> None:
    sandbox.add_fault(Fault("status", path=LISTS, status=503))
    stop.during_pause = stop.request
    with pytest.raises(StopRequested):
        session.get("/contact_lists")
    with pytest.raises(StopRequested):
        session.get("/contact_lists")
    assert len(sandbox.requests(path=LISTS)) == 1
