"""The outermost layer: faults are played here, and every request is written to the log."""

from __future__ import annotations

import socket
import struct
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask

from sync.sandbox.api.problems import (
    DEFAULTS,
    HTML_PAGE,
    OAUTH_ERRORS,
    OBJECT_STATUSES,
    Shape,
    envelope,
)
from sync.sandbox.faults import Fault
from sync.sandbox.http_server import ConnectionCutError, close_now
from sync.sandbox.world import World

ADMIN_PREFIX = "/_sandbox"

StartResponse = Callable[..., Any]


class Player:
    """A WSGI application around the Flask one."""

    def __init__(self, world: World, app: Flask) -> None:
        self._world = world
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith(ADMIN_PREFIX) or path == "/":
            return self._app.wsgi_app(environ, start_response)
        arrived, began = time.time(), time.perf_counter()
        fault = self._world.faults.take(
            environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], environ["sandbox.body"]
        )
        answer = _Answer()
        try:
            self._play(fault, environ, answer)
        finally:
            self._log(environ, arrived, time.perf_counter() - began, answer, fault)
        if answer.cut:
            end_connection(environ["sandbox.socket"], reset=answer.cut == "reset")
            raise ConnectionCutError("a fault cut the connection")
        start_response(answer.status, answer.headers)
        if fault is not None and fault.kind == "cut":
            return _cut_in_the_middle(answer.body, environ["sandbox.socket"])
        if fault is not None and fault.kind == "slow-body":
            return self._trickle(answer.body, fault.delay)
        return [answer.body]

    def _play(self, fault: Fault | None, environ: dict[str, Any], answer: _Answer) -> None:
        """Do the work, play the fault, or both."""
        if fault is None:
            self._work(environ, answer)
            return
        if fault.after_work or fault.kind in ("cut", "slow", "slow-body"):
            if fault.kind == "slow":
                self._wait(fault.delay)
            self._work(environ, answer)
        if fault.kind in ("drop", "reset"):
            answer.cut = fault.kind
            answer.status = "0"
        elif fault.kind not in ("cut", "slow", "slow-body"):
            self._wait(fault.delay)
            answer.fake(fault, environ["PATH_INFO"])

    def _work(self, environ: dict[str, Any], answer: _Answer) -> None:
        try:
            answer.take(self._app, environ)
        except Exception as error:
            if self._world.over.is_set():
                raise ConnectionCutError("the sandbox stopped") from error
            traceback.print_exc()
            answer.fake(Fault("status", status=500), environ["PATH_INFO"])

    def _wait(self, seconds: float) -> None:
        if self._world.over.wait(seconds):
            raise ConnectionCutError("the sandbox stopped")

    def _trickle(self, body: bytes, seconds: float) -> Iterator[bytes]:
        size = max(1, len(body) // 10)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        for piece in pieces:
            self._wait(seconds / len(pieces))
            yield piece

    def _log(
        self,
        environ: dict[str, Any],
        arrived: float,
        seconds: float,
        answer: _Answer,
        fault: Fault | None,
    ) -> None:
        self._world.log.add(
            at=arrived,
            seconds=seconds,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"],
            query=environ["QUERY_STRING"],
            status=int(answer.status.split()[0]),
            answer_bytes=len(answer.body),
            content_type=environ.get("CONTENT_TYPE", ""),
            application=environ.get("sandbox.application"),
            account=environ.get("sandbox.account"),
            fault=None if fault is None else fault.name,
            body=environ["sandbox.body"],
        )


class _Answer:
    """A status, headers and a body, from the application or made up."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.cut: str | None = None

    def take(self, app: Flask, environ: dict[str, Any]) -> None:
        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            self.status, self.headers = status, headers
            return lambda _: None

        pieces = app.wsgi_app(environ, start_response)
        try:
            self.body = b"".join(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def fake(self, fault: Fault, path: str) -> None:
        status = fault.status
        kind = "application/json;charset=UTF-8"
        key, message = DEFAULTS.get(status, DEFAULTS[500])
        if fault.body is not None:
            self.body = fault.body.encode()
        elif fault.kind == "html":
            kind = "text/html"
            self.body = HTML_PAGE.format(status=status, reason=message).encode()
        elif fault.kind == "empty":
            self.body = b""
        elif fault.kind == "garbage":
            self.body = b'{"contacts": [{"contact_id": "86b90820-cc52-11'
        else:
            shape = fault.shape or _usual_shape(status, path)
            if shape == "oauth":
                key = OAUTH_ERRORS.get(status, "server_error")
            told = envelope(shape, fault.error_key or key, fault.error_message or message)
            self.body = orjson.dumps(told)
        self.status = f"{status} {_reason(status)}"
        self.headers = [("Content-Type", kind), ("Content-Length", str(len(self.body)))]
        if status == 401:
            self.headers.append(("WWW-Authenticate", "Bearer realm=api.cc.email"))
        if fault.retry_after is not None:
            self.headers.append(("Retry-After", fault.retry_after))


def _usual_shape(status: int, path: str) -> Shape:
    if path.startswith("/oauth2/"):
        return "oauth"
    return "object" if status in OBJECT_STATUSES else "list"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def end_connection(connection: socket.socket, *, reset: bool) -> None:
    if reset:
        # With this option, closing sends a TCP reset in place of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    else:
        close_now(connection)


def _cut_in_the_middle(body: bytes, connection: socket.socket) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    close_now(connection)
    raise ConnectionCutError("a fault cut the connection")
