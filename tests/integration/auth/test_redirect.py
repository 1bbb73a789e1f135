"""The loopback page: a browser's visit over real HTTP."""

import dataclasses
import http.client
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests

from sync.auth.authorize import (
    AuthorizationRequest,
    ConsentDenied,
    StateMismatch,
    begin,
    wait_for_redirect,
)
from sync.auth.outcomes import GrantRefused
from sync.auth.token_endpoint import TokenEndpoint
from sync.errors import AuthorizationNeeded, UsageError
from sync.sandbox import Sandbox
from sync.settings import Settings
from tests.conftest import SettingsFor

SECONDS_5 = timedelta(seconds=5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def callback() -> str:
    return f"http://localhost:{free_port()}/callback"


@pytest.fixture
def settings(settings_for: SettingsFor, sandbox: Sandbox, callback: str) -> Settings:
    sandbox.settings = dataclasses.replace(sandbox.settings, any_loopback_redirect=True)
    made = settings_for(sandbox)
    oauth = made.oauth.model_copy(update={"redirect_uri": callback})
    return made.model_copy(update={"oauth": oauth})


Waiting = tuple[AuthorizationRequest, Future[str]]


@pytest.fixture
def waiting(settings: Settings) -> Callable[..., Waiting]:
    pool = ThreadPoolExecutor(1)

    def start(timeout: timedelta = SECONDS_5) -> Waiting:
        request = begin(settings)
        ready = threading.Event()
        code = pool.submit(
            wait_for_redirect, settings, request, timeout=timeout, on_ready=ready.set
        )
        assert ready.wait(5)
        return request, code

    return start


def test_allow_lands_on_a_page_that_may_be_closed(
    waiting: Callable[..., Waiting], sandbox: Sandbox, settings: Settings
) -> None:
    request, code = waiting()
    page = requests.get(sandbox.press_allow(request.url), timeout=5)
    assert page.status_code == 200
    assert "may be closed" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert code.result(5) not in page.text
    answer = TokenEndpoint(settings).exchange_code(code.result(), request.verifier)
    assert answer.refresh_token


def test_deny_is_said_in_the_browser_and_to_the_caller(
    waiting: Callable[..., Waiting], sandbox: Sandbox
) -> None:
    request, code = waiting()
    page = requests.get(sandbox.press_allow(request.url, allow=False), timeout=5)
    assert "was not allowed" in page.text
    with pytest.raises(ConsentDenied, match="press Allow"):
        code.result(5)


def test_another_state_ends_the_visit(waiting: Callable[..., Waiting], settings: Settings) -> None:
    _, code = waiting()
    page = requests.get(f"{settings.oauth.redirect_uri}?code=x&state=forged", timeout=5)
    assert page.status_code == 400
    with pytest.raises(StateMismatch):
        code.result(5)


def test_only_the_expected_path_is_answered(
    waiting: Callable[..., Waiting], sandbox: Sandbox, settings: Settings
) -> None:
    request, code = waiting()
    base = settings.oauth.redirect_uri.removesuffix("/callback")
    for path in ("/", "/favicon.ico", "/callback/x", "/callbac"):
        assert requests.get(base + path, timeout=5).status_code == 404
    for method in ("POST", "PUT", "HEAD", "OPTIONS"):
        assert requests.request(method, base + "/callback", timeout=5).status_code == 501
    assert not code.done()
    requests.get(sandbox.press_allow(request.url), timeout=5)
    assert code.result(5)


def test_a_page_elsewhere_can_not_reach_it_under_its_own_name(
    waiting: Callable[..., Waiting], settings: Settings
) -> None:
    request, code = waiting(timedelta(seconds=1))
    answer = requests.get(
        f"{settings.oauth.redirect_uri}?code=x&state={request.state}",
        headers={"Host": "attacker.example"},
        timeout=5,
    )
    assert answer.status_code == 403
    with pytest.raises(AuthorizationNeeded, match="Nobody came back"):
        code.result(5)


def test_it_is_answered_once(waiting: Callable[..., Waiting], sandbox: Sandbox) -> None:
    request, code = waiting()
    address = sandbox.press_allow(request.url)
    requests.get(address, timeout=5)
    assert code.result(5)
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=5)


def test_idle_connections_that_a_browser_opens_ahead_hold_nothing_up(
    waiting: Callable[..., Waiting], sandbox: Sandbox, callback: str
) -> None:
    request, code = waiting()
    idle = [http.client.HTTPConnection("127.0.0.1", _port(callback)) for _ in range(5)]
    for connection in idle:
        connection.connect()
    requests.get(sandbox.press_allow(request.url), timeout=5)
    started = time.monotonic()
    assert code.result(5)
    assert time.monotonic() - started < 2


def test_it_stops_by_itself(waiting: Callable[..., Waiting], settings: Settings) -> None:
    _, code = waiting(timedelta(seconds=0.3))
    with pytest.raises(AuthorizationNeeded, match="--paste"):
        code.result(5)
    with pytest.raises(requests.ConnectionError):
        requests.get(settings.oauth.redirect_uri, timeout=5)


def test_both_loopback_families_are_served(
    waiting: Callable[..., Waiting], settings: Settings
) -> None:
    _, code = waiting(timedelta(seconds=1))
    for host in ("127.0.0.1", "[::1]"):
        address = settings.oauth.redirect_uri.replace("localhost", host).replace("callback", "x")
        assert requests.get(address, timeout=5).status_code == 404
    with pytest.raises(AuthorizationNeeded):
        code.result(5)


def test_nothing_but_loopback_is_listened_on(
    waiting: Callable[..., Waiting], callback: str
) -> None:
    _, code = waiting(timedelta(seconds=1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("no network interface but loopback")
        own_address = probe.getsockname()[0]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((own_address, _port(callback)), timeout=2)
    with pytest.raises(AuthorizationNeeded):
        code.result(5)


def test_a_port_in_use_is_said(settings: Settings, callback: str) -> None:
    with (
        socket.create_server(("127.0.0.1", _port(callback))),
        pytest.raises(UsageError, match=r"Address already in use.*--paste"),
    ):
        wait_for_redirect(settings, begin(settings), timeout=SECONDS_5, on_ready=lambda: None)


@pytest.mark.parametrize(
    "uri", ["https://localhost/callback", "http://example.com:8085/x", "http://10.0.0.1:1/x"]
)
def test_an_address_that_is_not_loopback_is_said(settings: Settings, uri: str) -> None:
    oauth = settings.oauth.model_copy(update={"redirect_uri": uri})
    changed = settings.model_copy(update={"oauth": oauth})
    with pytest.raises(UsageError, match="--paste"):
        wait_for_redirect(changed, begin(changed), timeout=SECONDS_5, on_ready=lambda: None)


def test_a_code_works_once_and_for_five_minutes(settings: Settings, sandbox: Sandbox) -> None:
    endpoint = TokenEndpoint(settings)
    code = sandbox.issue_code(redirect_uri=settings.oauth.redirect_uri)
    endpoint.exchange_code(code, None)
    with pytest.raises(GrantRefused, match="works once and for five minutes"):
        endpoint.exchange_code(code, None)
    late = sandbox.issue_code(redirect_uri=settings.oauth.redirect_uri)
    sandbox.advance(timedelta(minutes=6))
    with pytest.raises(GrantRefused, match=r"oauth\.redirect_uri") as refused:
        endpoint.exchange_code(late, None)
    assert late not in str(refused.value)
    elsewhere = sandbox.issue_code(redirect_uri="http://localhost:1/other")
    with pytest.raises(GrantRefused):
        endpoint.exchange_code(elsewhere, None)


def _port(callback: str) -> int:
    port = urlsplit(callback).port
    assert port is not None
    return port
