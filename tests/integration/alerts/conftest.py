"""A web server that gets alerts."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


class Posts:
    """A web server that keeps what it is asked for, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[str, str, bytes]] = []
        posts = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                posts.requests.append((self.command, self.path, body))
                self.send_response(posts.status)
                if posts.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815 (the names that http.server looks for)

            def log_message(self, *_: object) -> None:
                """Nothing to the terminal."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """(kind, text) of each alert that came."""
        said = [json.loads(body) for method, _, body in self.requests if method == "POST"]
        return [(each["kind"], each["text"]) for each in said]

    @property
    def pings(self) -> list[str]:
        """The paths of the pings that came."""
        return [path.partition("?")[0] for method, path, _ in self.requests if method == "GET"]

    def __enter__(self) -> "Posts":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def posts() -> Iterator[Posts]:
    with Posts() as opened:
        yield opened
