"""A token endpoint made of sockets, which answers each connection in a way of the test's choice."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from urllib.parse import parse_qsl

Behaviour = Callable[[socket.socket, bytes], None]


class RawEndpoint:
    """Plays one behaviour a connection, in turn, the last one for ever.

    A behaviour gets the connection and the request; `BEFORE` in front of it is played without
    reading anything.
    """

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self.forms: list[dict[str, str]] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/token"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Be reached no more."""
        # A thread that went on accepting would take the next listener's number for this one's.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = min(self.connections, len(self._behaviours) - 1)
            self.connections += 1
            threading.Thread(
                target=self._play, args=(connection, self._behaviours[number]), daemon=True
            ).start()

    def _play(self, connection: socket.socket, behaviour: Behaviour) -> None:
        with connection:
            try:
                request = b"" if behaviour is reset_unread else self._read(connection)
                behaviour(connection, request)
            except OSError:
                return

    def _read(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.forms.append(dict(parse_qsl(body.decode())))
        return received


def tokens(**changes: Any) -> dict[str, Any]:
    """A good answer; None takes a member out."""
    content = {
        "access_token": "new-access",
        "refresh_token": "new-refresh",
        "token_type": "Bearer",
        "expires_in": 86400,
        "scope": "contact_data offline_access",
    } | changes
    return {name: value for name, value in content.items() if value is not None}


def answer(
    status: int = 200, content: Any = None, *, headers: str = "", raw: bytes | None = None
) -> Behaviour:
    """A whole answer."""
    body = json.dumps(tokens() if content is None else content).encode() if raw is None else raw

    def play(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(_head(status, len(body), headers) + body)

    return play


def cut(content: dict[str, Any], after: str, *, chunked: bool = False) -> Behaviour:
    """A success that breaks off behind the text `after`."""
    whole = json.dumps(content).encode()
    part = whole[: whole.index(after.encode()) + len(after)]

    def play(connection: socket.socket, _request: bytes) -> None:
        if chunked:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + f"{len(whole):x}\r\n".encode() + part)
        else:
            connection.sendall(_head(200, len(whole)) + part)

    return play


def close_after_reading(connection: socket.socket, _request: bytes) -> None:
    """The request was read; then nothing."""


def reset_after_reading(connection: socket.socket, _request: bytes) -> None:
    """The request was read; then a TCP reset."""
    _reset(connection)


def reset_unread(connection: socket.socket, _request: bytes) -> None:
    """A TCP reset before anything was read."""
    _reset(connection)


def late(seconds: float) -> Behaviour:
    """A good answer that comes after the client has gone."""

    def play(connection: socket.socket, request: bytes) -> None:
        time.sleep(seconds)
        answer()(connection, request)

    return play


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _head(status: int, length: int, headers: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{headers}\r\n"
    ).encode()
