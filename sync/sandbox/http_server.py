"""A small threaded HTTP/1.1 server for one WSGI application.

Werkzeug's own development server closes the connection after each answer and waits ten
milliseconds before it does. A client that is tested here should meet what it meets outside:
connections that are kept alive, answers at once, and a request that was read to its end before
anything is said. So this server reads the whole body first, sends head and body in one piece, and
hands its socket to the application as ``sandbox.socket`` so that a fault can cut it.
"""

from __future__ import annotations

import io
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGEST_BODY = 256_000_000

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class ConnectionCutError(ConnectionAbortedError):
    """The application wants this connection to end without another byte."""


class HttpServer(ThreadingHTTPServer):
    """Listens at once; serves from `start` until `stop`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((host, port), _Handler)
        self._over = False
        self._thread = threading.Thread(target=self._accept, name="sandbox", daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end every open connection."""
        self._over = True
        # A last connection wakes the thread that waits for one.
        host = str(self.server_address[0])
        socket.create_connection((host, self.port), timeout=5).close()
        self._thread.join()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            close_now(connection)

    def _accept(self) -> None:
        while not self._over:
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are nobody's news; anything else is a bug worth seeing."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def close_now(connection: socket.socket) -> None:
    """End a connection in both directions, whoever is reading from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _MalformedError(Exception):
    """A request that is none."""


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError as error:
        raise _MalformedError(line) from error


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True
    server: HttpServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Say nothing: the request log is the sandbox's own."""

    def _serve(self) -> None:
        try:
            body = self._read_body()
            if body is None:
                self.close_connection = True
                self.send_error(413)
                return
            self._answer(self._environ(body))
        except OSError:
            self.close_connection = True
            close_now(self.connection)
        except _MalformedError:
            self.close_connection = True
            self.send_error(400)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def _read_body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            return None
        if not 0 <= length <= LARGEST_BODY:
            return None
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise ConnectionCutError("the client went away in the middle of its request")
        return body

    def _read_chunks(self) -> bytes | None:
        pieces: list[bytes] = []
        total = 0
        while size := _chunk_size(self.rfile.readline(100)):
            total += size
            if total > LARGEST_BODY:
                return None
            pieces.append(self.rfile.read(size))
            self.rfile.readline(10)
        while self.rfile.readline(10_000) not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(pieces)

    def _environ(self, body: bytes) -> dict[str, Any]:
        url = urlsplit(self.path)
        environ: dict[str, Any] = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "sandbox.socket": self.connection,
            "sandbox.body": body,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(url.path, "latin-1"),
            "QUERY_STRING": url.query,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
                key = f"HTTP_{key}"
                environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _answer(self, environ: dict[str, Any]) -> None:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            head[:] = [status, headers]
            return self.wfile.write

        pieces = self.server.app(environ, start_response)
        try:
            first = True
            for piece in pieces:
                if first:
                    self._send_head(head[0], head[1])
                    first = False
                self.wfile.write(piece)
                if not isinstance(pieces, list):
                    self.wfile.flush()
            if first:
                self._send_head(head[0], head[1])
            self.wfile.flush()
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _send_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = set()
        for name, value in headers:
            names.add(name.lower())
            self.send_header(name, value)
        if "content-length" not in names and int(code) not in (204, 304):
            self.send_header("Connection", "close")  # sets close_connection as well
        self.end_headers()
