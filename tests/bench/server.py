"""A service that answers at once: it takes imports in and has finished them for free.

It speaks what the program calls on such days and no more, and answers 501 to all else, so that a
figure never rests on a call that it misunderstood. It reads every body to its end, counts the
contacts in it, keeps it and answers. Whose addresses are in it is looked up when they are asked
for, or between the programs: else it would take from those that are measured the processors of
this machine. The sandbox says much more, and costs as much as what is measured here.
"""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from itertools import islice
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from tests.bench.measured import Cost, measure

LIST_ID = "00000000-0000-4000-8000-000000000001"
FIELD = "member_no"
IMPORTS = "/v3/activities/contacts_json_import"
_ACCOUNT = {"encoded_account_id": "bench", "organization_name": "Benchmark"}
_LISTS = {"lists": [{"list_id": LIST_ID, "name": "Customers"}]}
_FIELDS = {
    "custom_fields": [
        {"custom_field_id": str(uuid.UUID(int=2)), "name": FIELD, "label": FIELD, "type": "string"}
    ]
}
_PAGE = 500
# A quotation mark within a value is written \", so these are always a key.
_KEY = b'"email":'
_ADDRESS = re.compile(rb'"email": ?"([^"]*)"')
_STATUS = {200: "OK", 201: "Created", 404: "Not Found", 501: "Not Implemented"}

Answer = tuple[int, object]


@dataclass(frozen=True, slots=True)
class Served:
    """What a server has had to do."""

    contacts: int = 0
    requests: int = 0
    cpu_seconds: float = 0.0

    def since(self, before: "Served") -> "Served":
        """What came after that."""
        return Served(
            self.contacts - before.contacts,
            self.requests - before.requests,
            self.cpu_seconds - before.cpu_seconds,
        )


@dataclass(frozen=True, slots=True)
class Server:
    """One that runs in a process of its own."""

    url: str

    def measure(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        contacts: int,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[Cost, Served]:
        """Run a command that brings so many contacts here, and tell what it costs both.

        Raises SystemExit when the command fails, or not all of them arrive.
        """
        before = self.served()
        cost = measure(command, folder=folder, environment=environment)
        served = self.served().since(before)
        if served.contacts != contacts:
            raise SystemExit(
                f"{' '.join(command)} brought {served.contacts:,} contacts to the server, not "
                f"{contacts:,}."
            )
        return cost, served

    def served(self) -> Served:
        """What it has had to do so far."""
        with urlopen(f"{self.url}/served") as answer:
            return Served(**json.load(answer))


@contextmanager
def running() -> Iterator[Server]:
    """A fresh server, until the end of the block."""
    command = [sys.executable, "-m", "tests.bench.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()


@dataclass(slots=True)
class _Service:
    """What is remembered between requests."""

    activities: dict[str, dict[str, object]] = field(default_factory=dict)
    # In their order, so that the pages of them are the same ones.
    addresses: dict[bytes, None] = field(default_factory=dict)
    bodies: IO[bytes] = field(default_factory=TemporaryFile)
    contacts: int = 0
    requests: int = 0

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        path, asked = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.requests += 1
        match method, path:
            case "POST", _ if path == IMPORTS:
                self.bodies.write(body + b"\n")
                return 201, self._take_in(body.count(_KEY))
            case "GET", "/v3/contacts":
                return 200, self._contacts(asked)
            case "GET", "/v3/account/summary":
                return 200, _ACCOUNT
            case "GET", "/v3/contact_lists":
                return 200, _LISTS
            case "GET", "/v3/contact_custom_fields":
                return 200, _FIELDS
            case "GET", "/served":
                self.requests -= 1  # that was not a program's
                self._take_down()
                return 200, asdict(Served(self.contacts, self.requests, time.process_time()))
            case "GET", _ if path.startswith("/v3/activities/"):
                activity = self.activities.get(path.rpartition("/")[2])
                return (200, activity) if activity else (404, {"error_message": "no such activity"})
        return 501, {"error_message": f"the benchmark's server does not know {method} {target}"}

    def _take_down(self) -> None:
        """Look up whose addresses are in the bodies that have come since last time."""
        if not self.bodies.tell():
            return
        self.bodies.seek(0)
        for body in self.bodies:
            self.addresses.update(dict.fromkeys(map(bytes.lower, _ADDRESS.findall(body))))
        self.bodies.seek(0)
        self.bodies.truncate()

    def _take_in(self, contacts: int) -> dict[str, object]:
        self.contacts += contacts
        now, activity_id = datetime.now(UTC).isoformat(), str(uuid.uuid4())
        self.activities[activity_id] = {
            "activity_id": activity_id,
            "state": "completed",
            "created_at": now,
            "completed_at": now,
            "percent_done": 100,
            "activity_errors": [],
            "status": {"person_count": contacts, "error_count": 0},
        }
        return {"activity_id": activity_id, "state": "initialized", "created_at": now}

    def _contacts(self, asked: dict[str, list[str]]) -> dict[str, object]:
        """One by its address, or the list's members; nobody has done anything by themselves."""
        self._take_down()
        if "email" in asked:
            address = asked["email"][0].lower().encode()
            return {"contacts": [_contact(address)] if address in self.addresses else []}
        if "lists" not in asked and "cursor" not in asked:
            return {"contacts": []}
        start = int(asked.get("cursor", ["0"])[0])
        page = list(islice(self.addresses, start, start + _PAGE))
        following = {"next": {"href": f"/v3/contacts?cursor={start + _PAGE}"}}
        links = following if len(page) == _PAGE else {}
        return {"contacts": list(map(_contact, page)), "_links": links}


def _contact(address: bytes) -> dict[str, object]:
    text = address.decode()
    return {
        "contact_id": str(uuid.uuid5(uuid.NAMESPACE_URL, text)),
        "email_address": {"address": text, "permission_to_send": "implicit"},
        "list_memberships": [LIST_ID],
    }


class _Handler(StreamRequestHandler):
    """HTTP/1.1 with living connections, as far as `requests` and `httpx` speak it."""

    disable_nagle_algorithm = True
    service = _Service()

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, target, _ = line.decode("latin-1").split()
            length = 0
            while (header := self.rfile.readline().lower()) not in (b"\r\n", b""):
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            body = self.rfile.read(length)
            status, content = self.service.answer(method, target, body)
            text = json.dumps(content).encode()
            head = (
                f"HTTP/1.1 {status} {_STATUS[status]}\r\nDate: {formatdate(usegmt=True)}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + text)


def main() -> None:
    """Print the address, and serve until the process is ended."""
    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
