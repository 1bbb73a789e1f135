"""A small company in the sandbox: an account, a source, a state, and runs that may be killed."""

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.errors import Busy, GuardStopped, QuotaExhausted, SourceEmpty
from sync.recording import Recording
from sync.run import Run
from sync.sandbox import Entry, Sandbox
from sync.settings import Settings
from sync.state.runs import Runs
from sync.state.store import Store, open_store
from sync.stop import Stop
from tests.integration.model.mortal import Life, MortalStore

IMPORTS = "/v3/activities/contacts_json_import"
COLUMNS = ("id", "email", "first_name", "home_city", "list", "tag")
_DAY = timedelta(days=1)


@dataclass
class Archive:
    """An opened state database, which is emptied for each company."""

    store: Store
    file: Path
    empty: Path

    def clear(self) -> None:
        """Begin anew; making a database takes long, and its statements are compiled already."""
        self.store.engine.dispose()
        for other in self.file.parent.glob(f"{self.file.name}-*"):
            other.unlink()
        # Another file by the same name: when what a killed run has left open is closed, it writes.
        fresh = self.file.with_suffix(".fresh")
        shutil.copy(self.empty, fresh)
        fresh.replace(self.file)


@dataclass
class Office:
    """One account of a sandbox that many share, one after another."""

    sandbox: Sandbox
    settings: Settings
    life: Life
    archive: Archive

    def __post_init__(self) -> None:
        self.account, self.people = self.sandbox.add_account("A company", "owner@example.com")
        self.archive.clear()
        self._store = self.archive.store
        request = begin(self.settings)
        address = self.sandbox.press_allow(request.url, account=self.account.number)
        code = code_from_pasted(request, address)
        answer = TokenEndpoint(self.settings, self.now).exchange_code(code, request.verifier)
        vault = open_vault(self.settings, self._store, create_key=True, clock=self.now)
        vault.keep(answer, encoded_account_id=self.account.encoded_account_id)

    def now(self) -> datetime:
        """The sandbox's time is everybody's."""
        return datetime.fromtimestamp(self.sandbox.clock.now(), UTC)

    def next_day(self) -> None:
        self.sandbox.advance(_DAY)

    def write(self, rows: list[dict[str, str]]) -> None:
        """Write the source."""
        path = self.settings.source.path
        assert path is not None
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def run(self, when_stopped: Callable[[], None] | None, steps: int | None = None) -> Recording:
        """One run, which is killed after so many steps; then the process starts anew.

        A plan that the guard stops is approved, after what happens `when_stopped`; or not (None).
        """
        self.life.left = steps
        try:
            return self._process(lambda run: run.sync())
        except GuardStopped as stopped:
            if when_stopped is None or isinstance(stopped, SourceEmpty):
                raise
            left, self.life.left = self.life.left, None
            when_stopped()
            number = Runs(self._store, self.settings.account.name).last(1)[0].id
            self.life.left = left
            return self._process(lambda run: run.approve(number))
        finally:
            self.life.left = None

    def run_in_peace(self, when_stopped: Callable[[], None]) -> Recording:
        """A run that nothing disturbs; what an earlier fault left may take it some days."""
        return self._in_peace(lambda: self.run(when_stopped))

    def repair_in_peace(self) -> Recording:
        """Read all back, so that the next run sends again what differs."""
        return self._in_peace(lambda: self._process(lambda run: run.verify(repair=True)))

    def audience(self) -> dict[str, dict[str, Any]]:
        """All living contacts by address, flat, with lists, tags and fields by name."""
        names = {tag.tag_id: tag.name for tag in self.people.tags()}
        flat = self.people.audience()
        for each in self.people.contacts():
            email = each["email_address"]["address"].lower()
            flat[email]["tags"] = sorted(names[tag] for tag in each["taggings"])
            flat[email] |= {"email": email, "contact_id": each["contact_id"]}
        return flat

    def changes(self) -> list[Entry]:
        """The requests so far that change something there."""
        return [entry for entry in self.sandbox.requests(path="/v3") if entry.method != "GET"]

    def _in_peace(self, run: Callable[[], Recording]) -> Recording:
        self.sandbox.clear_faults()
        self.sandbox.world.plans.clear()
        for _ in range(5):
            try:
                return run()
            except (Busy, QuotaExhausted):
                self.next_day()
        return run()

    def _process(self, work: Callable[[Run], Recording]) -> Recording:
        store = MortalStore(self._store, self.life)
        vault = open_vault(self.settings, store, clock=self.now)
        try:
            stop = _TimeFlies(self.sandbox)
            return work(Run(self.settings, store, vault, stop=stop, clock=self.now))
        finally:
            self._store.engine.dispose()


class _TimeFlies(Stop):
    """Pauses take no time: the clock is moved on instead."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    def sleep(self, pause: timedelta) -> None:
        self._sandbox.advance(max(pause, timedelta(0)))
        self.check()


@contextmanager
def archive(settings: Settings, empty: Path) -> Iterator[Archive]:
    """A state database for one company after another."""
    with open_store(settings) as store:
        event.listen(store.engine, "connect", _no_disk)
        store.engine.dispose()
        file = settings.state.directory / "state.db"
        shutil.copy(file, empty)
        yield Archive(store, file, empty)


def _no_disk(connection: Any, _record: object) -> None:
    # No power fails here, and waiting for the disk takes most of a small run's time.
    connection.execute("PRAGMA synchronous=OFF")
