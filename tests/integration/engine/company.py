"""A company with a source, an authorized account in the sandbox, and runs over them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import requests

from sync.auth.vault import open_vault
from sync.recording import Recording
from sync.run import Run
from sync.sandbox import Entry, Sandbox
from sync.settings import Settings
from sync.state.outbox import Batch, Outbox
from sync.state.store import Store
from sync.stop import Stop
from tests.fake_clock import FakeClock
from tests.integration.auth.conftest import authorize

IMPORTS = "/v3/activities/contacts_json_import"


@dataclass
class Company:
    """Its state, its sandbox, and what its nightly runs do."""

    settings: Settings
    store: Store
    sandbox: Sandbox
    clock: FakeClock
    stop: Stop
    rows: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vault = open_vault(self.settings, self.store, create_key=True, clock=self.clock)
        authorize(self.vault, self.settings, self.sandbox)

    def has(self, *emails: str, **values: str) -> None:
        """These people are in the source, with these values."""
        for email in emails:
            self.rows[email] = {**self.rows.get(email, {}), **values}

    def sync(self, stop: Stop | None = None) -> Recording:
        """One run."""
        self.write()
        return self._run(stop).sync()

    def dry_run(self) -> Recording:
        """One plan."""
        self.write()
        return self._run(None).dry_run()

    def verify(self, *, repair: bool = False, stop: Stop | None = None) -> Recording:
        """One reading back."""
        return self._run(stop).verify(repair=repair)

    def approve(self, number: int, stop: Stop | None = None) -> Recording:
        """Carry out the plan of a run."""
        return self._run(stop).approve(number)

    def next_day(self) -> None:
        """Time passes, here and there."""
        self.days_pass(1)

    def days_pass(self, count: int) -> None:
        """The clocks of both sides move on by so many."""
        self.clock.advance(timedelta(days=count))
        self.sandbox.advance(timedelta(days=count))

    def write(self) -> None:
        """Write the source's file."""
        names = sorted({"email"}.union(*self.rows.values()))
        path = self.settings.source.path
        assert path is not None
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({"email": email, **row} for email, row in self.rows.items())

    def someone_else_imports(self, count: int) -> None:
        """Another program, or a person there, brings so many contacts to News."""
        rows = [{"email": f"other{number}@example.com"} for number in range(count)]
        lists = [one.list_id for one in self.sandbox.people.lists() if one.name == "News"]
        self._someone_else_posts("contacts_json_import", import_data=rows, list_ids=lists)

    def someone_else_tags(self, email: str, tag: str) -> None:
        """Another program, or a person there, gives somebody a tag."""
        contact_id = self.sandbox.people.contact(email)["contact_id"]
        tags = [each.tag_id for each in self.sandbox.people.tags() if each.name == tag]
        self._someone_else_posts(
            "contacts_taggings_add", source={"contact_ids": [contact_id]}, tag_ids=tags
        )

    def _someone_else_posts(self, activity: str, **body: object) -> None:
        answer = requests.post(
            f"{self.sandbox.api_url}/activities/{activity}",
            json=body,
            headers={"Authorization": f"Bearer {self.vault.access_token()}"},
            timeout=10,
        )
        assert answer.status_code == 201

    def open_batches(self) -> list[Batch]:
        """What is in the outbox."""
        return Outbox(self.store, self.settings.account.name).open()

    def imports(self, *, since: int = 0) -> list[Entry]:
        """The imports that were posted."""
        entries = self.sandbox.requests(path=IMPORTS, since=since)
        return [entry for entry in entries if entry.method == "POST"]

    def imported(self) -> list[str]:
        """The addresses of the last import."""
        return [contact["email"] for contact in self.imports()[-1].body["import_data"]]

    def rejects(self, recording: Recording) -> list[tuple[str, str, str]]:
        """(address, code, reason) of a run's rejects file, but for warnings."""
        path = recording.record.rejects if recording.record else None
        if path is None:
            return []
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            return [
                (row["email"], row["code"], row["reason"])
                for row in csv.DictReader(file)
                if row["kind"] != "warning"
            ]

    def lists_of(self, email: str) -> list[str]:
        """The names of the lists that a person is on."""
        found: list[str] = self.sandbox.people.audience()[email]["lists"]
        return found

    def on_a_list(self) -> set[str]:
        """Everybody who is on any list."""
        people = self.sandbox.people.audience()
        return {email for email, person in people.items() if person["lists"]}

    def _run(self, stop: Stop | None) -> Run:
        return Run(self.settings, self.store, self.vault, stop=stop or self.stop, clock=self.clock)


def people(count: int) -> Iterable[str]:
    """So many addresses."""
    return [f"p{number}@example.com" for number in range(count)]
