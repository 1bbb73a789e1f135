"""The loopback page that the browser lands on after Allow or Deny.

It answers only the expected path, to this machine only, once, and stops by itself. `localhost`
is both 127.0.0.1 and ::1, and a browser may take either, so both are listened on.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sync.auth.token_endpoint import is_loopback
from sync.errors import AuthorizationNeeded, UsageError

# A browser opens connections on suspicion and sends nothing; they must not keep a thread.
_CONNECTION_PATIENCE_SECONDS = 10
_HTML = Template(Path(__file__).with_name("redirect_page.html").read_text(encoding="utf-8"))


class Page(Enum):
    """What the browser shows: a heading and a sentence."""

    ALLOWED = (
        "Done: contact-sync may go on",
        "You allowed the access. The rest happens in the terminal; this page may be closed.",
    )
    DENIED = (
        "The access was not allowed",
        "Nothing was stored. The terminal says how to try again; this page may be closed.",
    )
    WRONG = (
        "This answer can't be used",
        "It does not belong to the visit that is under way. The terminal says more; this page "
        "may be closed.",
    )
    OVER = ("This visit is over", "The answer came already; this page may be closed.")


Outcome = str | AuthorizationNeeded
Judge = Callable[[str], tuple[Page, Outcome]]


def listen(
    redirect_uri: str, judge: Judge, *, timeout: timedelta, on_ready: Callable[[], None]
) -> Outcome:
    """Wait for the one request to `redirect_uri` and return what `judge` makes of its query."""
    address = _loopback(redirect_uri)
    visit = _Visit(address, judge)
    with ExitStack() as servers:
        for family, host in _hosts(address):
            servers.enter_context(_serving(family, host, visit))
        on_ready()
        visit.done.wait(timeout.total_seconds())
        with visit.lock:
            visit.open = False
    if visit.outcome is None:
        return AuthorizationNeeded(
            f"Nobody came back from Constant Contact's page within "
            f"{round(timeout.total_seconds() / 60, 1):g} minutes: run contact-sync authorize "
            "again, or contact-sync authorize --paste when the browser is on another machine."
        )
    return visit.outcome


class _Visit:
    """What the servers' threads share: the one answer."""

    def __init__(self, address: SplitResult, judge: Judge) -> None:
        self.address = address
        self.judge = judge
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.open = True
        self.outcome: Outcome | None = None

    def answer(self, query: str) -> Page:
        with self.lock:
            if not self.open:
                return Page.OVER
            self.open = False
            page, self.outcome = self.judge(query)
        return page


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family: socket.AddressFamily, host: str, visit: _Visit) -> None:
        self.address_family = family
        self.visit = visit
        super().__init__((host, _port(visit.address)), _Handler)

    def server_bind(self) -> None:
        # The base class would look up its host's name, which can take seconds.
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", _port(self.visit.address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is nobody's news."""

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    timeout = _CONNECTION_PATIENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """The redirect; anything else is not found here."""
        visit = self.server.visit
        asked = urlsplit(self.path)
        if not is_loopback(self.client_address[0].partition("%")[0]) or not self._is_for_us():
            self.send_error(403)
        elif asked.path != (visit.address.path or "/"):
            self.send_error(404)
        else:
            page = visit.answer(asked.query)
            self._show(page)
            if page is not Page.OVER:
                visit.done.set()

    def _is_for_us(self) -> bool:
        """A page elsewhere may have its name point here (DNS rebinding); its Host tells."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        return is_loopback(host)

    def _show(self, page: Page) -> None:
        heading, sentence = page.value
        body = _HTML.substitute(heading=heading, sentence=sentence).encode()
        self.send_response({Page.WRONG: 400, Page.OVER: 410}.get(page, 200))
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        )
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def version_string(self) -> str:
        """Nothing of the machine."""
        return "contact-sync"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """The request line holds the code, so it goes nowhere."""


def _serving(family: socket.AddressFamily, host: str, visit: _Visit) -> _Server:
    port = _port(visit.address)
    try:
        server = _Server(family, host, visit)
    except OSError as error:
        raise UsageError(
            f"The page of oauth.redirect_uri can't be offered on {host} port {port}: "
            f"{error.strerror}. End the program that uses the port (another contact-sync "
            "authorize?), or register another port in the application's details and in "
            "oauth.redirect_uri, or use contact-sync authorize --paste."
        ) from None
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    return server


def _loopback(redirect_uri: str) -> SplitResult:
    address = urlsplit(redirect_uri)
    if address.scheme == "http" and is_loopback(address.hostname or ""):
        return address
    raise UsageError(
        f"The browser can't come back by itself: oauth.redirect_uri is {redirect_uri}, but only "
        "http://localhost, http://127.0.0.1 or http://[::1], with a port, can be listened on. Use "
        "contact-sync authorize --paste, or register such an address."
    )


def _hosts(address: SplitResult) -> list[tuple[socket.AddressFamily, str]]:
    host = address.hostname or ""
    if host != "localhost":
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, host)]
    both = [(socket.AF_INET, "127.0.0.1")]
    if _has_ipv6_loopback():
        both.append((socket.AF_INET6, "::1"))
    return both


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _port(address: SplitResult) -> int:
    return address.port or 80
