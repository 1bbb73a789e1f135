"""Forty days of the real service, with what happens in forty days; nobody looks after it.

The process, its signals, the HTTP to the sandbox, the state and the alerts are real; only the
clock jumps from one event to the next, and pauses are left out.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.runs import Runs
from sync.state.store import open_store
from tests.integration.alerts.conftest import Posts
from tests.integration.main_road import moved_clock
from tests.integration.main_road.office import Office
from tests.zygote import Running, Zygote

ZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(2027, 3, 1)
DAYS = 40
# Missing on 14 March 2027, the fourteenth day, when the clocks are set forward.
TIME = (2, 30)
EVENING = 23
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
TOKEN = "/oauth2/*"
_PATIENCE_SECONDS = 60

DONE, SOURCE, DOWN = ExitCode.DONE, ExitCode.SOURCE, ExitCode.UNAVAILABLE
GUARD, BUSY, LOST = ExitCode.GUARD, ExitCode.BUSY, ExitCode.AUTHORIZATION


class Service:
    """The worker and the world around it."""

    def __init__(self, office: Office, posts: Posts, zygote: Zygote) -> None:
        self.office, self.posts, self.zygote = office, posts, zygote
        self.sandbox = office.sandbox
        self.clock = office.folder / "clock"
        self.people = {f"person{number}@example.com": "Ada" for number in range(30)}
        self.now = datetime.combine(FIRST_DAY, datetime.min.time(), ZONE) - timedelta(hours=1)
        self.worker: Running | None = None
        self.started = self.now
        self.jump(self.now)

    # --- time ------------------------------------------------------------------------------------

    def jump(self, instant: datetime) -> None:
        self.now = instant
        self.sandbox.set_time(instant)
        moved_clock.move(self.clock, instant)

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)

    # --- the worker ------------------------------------------------------------------------------

    def start(self) -> None:
        self.worker = self.zygote.start(
            "--config",
            str(self.office.config),
            "--verbose",
            folder=self.office.folder,
            environment=self.office.variables(),
            first=moved_clock.follow,
            given=(str(self.clock),),
        )
        self.started = self.now
        self.wait(lambda: self.events("next sync"))
        # Its clock goes on while it starts.
        at_once = datetime.fromisoformat(self.events("next sync")[0]["at"]) < self.now + MINUTE
        self.wait(lambda: len(self.events("next sync")) > at_once and self.keep_alives())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.worker is not None
        self.worker.kill(number)
        return self.worker.wait()

    def log(self) -> list[dict[str, str]]:
        assert self.worker is not None
        if not self.worker.stderr.exists():
            return []  # it is just being born
        text = self.worker.stderr.read_text("utf-8")
        whole = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def events(self, name: str) -> list[dict[str, str]]:
        return [entry for entry in self.log() if entry["event"] == name]

    def keep_alives(self) -> int:
        return len([entry for entry in self.log() if entry["event"].startswith("keep-alive")])

    def wait(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not what():
            assert self.worker is not None
            assert not self.worker.has_ended(), self.worker.output()[-3000:]
            assert time.monotonic() < deadline, self.worker.output()[-3000:]
            time.sleep(0.01)

    def next_sync(self) -> datetime:
        return datetime.fromisoformat(self.events("next sync")[-1]["at"])

    # --- a day -----------------------------------------------------------------------------------

    def sync_next(self) -> None:
        """Let the time of the next sync come, and see its end."""
        planned = len(self.events("next sync"))
        self.jump(max(self.now, self.next_sync()) + SECOND)
        self.wait(lambda: len(self.events("next sync")) > planned)

    def sync_all(self, day: date) -> None:
        """What the day brings, tries that follow a failed one too, and the evening's keep-alive."""
        while self.next_sync() < self.at(day, EVENING):
            self.sync_next()
        kept, before = self.keep_alives(), self.now
        # It is daily from the worker's start, so later by this clock once that is set forward.
        self.jump(self.at(day + DAY, 0, 30))
        if (before - self.started) // DAY < (self.now - self.started) // DAY:
            self.wait(lambda: self.keep_alives() > kept)

    def ask(self) -> None:
        """A person's `systemctl kill --signal=USR1`."""
        planned = len(self.events("next sync"))
        assert self.worker is not None
        self.worker.kill(signal.SIGUSR1)
        self.wait(lambda: len(self.events("next sync")) > planned + 1)

    def authorize(self) -> None:
        """A person's visit."""
        with patch.dict("os.environ", self.office.environment):
            settings = load_settings(self.office.config)
        request = begin(settings)
        code = code_from_pasted(request, self.sandbox.press_allow(request.url))

        def clock() -> datetime:
            return self.now

        answer = TokenEndpoint(settings, clock).exchange_code(code, request.verifier)
        with open_store(settings) as store:
            vault = open_vault(settings, store, create_key=True, clock=clock)
            vault.keep(answer, encoded_account_id=None)

    def by_hand(self, *arguments: str) -> int:
        code, _ = self.zygote.run(
            "--config",
            str(self.office.config),
            *arguments,
            folder=self.office.folder,
            environment=self.office.variables(),
            first=moved_clock.follow,
            given=(str(self.clock),),
        )
        return code

    # --- the source, and what came of it ---------------------------------------------------------

    def change_source(self, day: int) -> None:
        self.people[f"new{day}@example.com"] = "Bea"
        self.people["person0@example.com"] = f"Ada {day}"
        self.write_source()

    def write_source(self) -> None:
        rows = "".join(f"{email},{name}\n" for email, name in self.people.items())
        self.office.contacts.write_text(f"email,first name\n{rows}")

    def arrived(self) -> bool:
        """Whether all that the source has is over there."""
        there = self.sandbox.people.audience()
        return all(
            email in there and there[email].get("first_name") == name
            for email, name in self.people.items()
        )

    def outcomes(self) -> list[ExitCode | None]:
        """How each sync so far ended, the oldest first."""
        with patch.dict("os.environ", self.office.environment):
            settings = load_settings(self.office.config)
        with open_store(settings) as store:
            syncs = Runs(store, "default").last_syncs(200)
        return [run.exit_code for run in reversed(syncs)]


@dataclass(frozen=True)
class Day:
    """What is special about a day, and what must come of it."""

    what: Callable[[Service, date], None]
    outcomes: list[ExitCode | None] = field(default_factory=lambda: [DONE])
    alerts: list[str] = field(default_factory=list)
    arrives: bool = True


def ordinary(service: Service, day: date) -> None:
    """Nothing happens."""
    service.sync_all(day)


def down_for_a_while(service: Service, day: date) -> None:
    number = service.sandbox.add_fault(Fault("status", path="/v3/*", status=503))
    service.sync_next()
    service.sandbox.world.faults.remove(number)
    service.sync_all(day)


def down_all_day(service: Service, day: date) -> None:
    service.sandbox.add_fault(Fault("drop", path="/v3/*"))
    service.sync_all(day)
    service.sandbox.clear_faults()


def file_is_late(service: Service, day: date) -> None:
    service.office.contacts.unlink()
    service.sync_next()
    service.write_source()
    service.sync_all(day)


def file_does_not_come(service: Service, day: date) -> None:
    service.office.contacts.unlink()
    service.sync_all(day)


def file_is_empty(service: Service, day: date) -> None:
    service.office.contacts.write_text("email,first name\n")
    service.sync_all(day)


def clocks_are_set_forward(service: Service, day: date) -> None:
    assert service.next_sync() == service.at(day, 3, 30)
    service.sync_all(day)


def a_third_is_gone_and_a_person_approves(service: Service, day: date) -> None:
    for number in range(1, 20):
        del service.people[f"person{number}@example.com"]
    service.write_source()
    service.sync_next()
    service.jump(service.at(day, 9))
    assert service.by_hand("plan", "approve", str(len(service.outcomes()))) == DONE
    service.sync_all(day)


def power_fails_in_the_middle(service: Service, day: date) -> None:
    """Right after the import was posted, while nobody knows yet whether it arrived."""
    posted = len(service.office.imports())
    polling = Fault("slow", path="/v3/activities/????????-*", method="GET", delay=20)
    number = service.sandbox.add_fault(polling)
    service.jump(service.next_sync() + SECOND)
    service.wait(lambda: len(service.office.imports()) > posted)
    service.stop(signal.SIGKILL)
    service.sandbox.world.faults.remove(number)
    service.jump(service.now + timedelta(minutes=3))
    service.start()
    service.sync_all(day)


def quota_is_spent(service: Service, day: date) -> None:
    service.sandbox.use_quota(10_000)
    service.sync_all(day)


def machine_is_off_until_noon(service: Service, day: date) -> None:
    service.stop()
    service.jump(service.at(day, 12))
    service.start()
    service.sync_all(day)


def machine_is_off_until_evening(service: Service, day: date) -> None:
    service.stop()
    service.jump(service.at(day, 20))
    service.start()
    service.sync_all(day)


def token_endpoint_is_down_for_a_while(service: Service, day: date) -> None:
    number = service.sandbox.add_fault(Fault("status", path=TOKEN, status=503))
    service.sync_next()
    service.sandbox.world.faults.remove(number)
    service.sync_all(day)


def token_s_answer_is_lost_and_a_person_comes(service: Service, day: date) -> None:
    service.sandbox.add_fault(Fault("drop", path=TOKEN, after_work=True, count=1))
    service.sync_next()
    service.jump(service.at(day, 10))
    service.authorize()
    service.ask()
    service.sync_all(day)


def configuration_is_spoilt_and_mended(service: Service, day: date) -> None:
    assert service.worker is not None
    whole = service.office.config.read_text()
    service.office.config.write_text("[schedule")
    service.worker.kill(signal.SIGHUP)
    service.wait(lambda: service.events("configuration refused, the old one is kept"))
    service.sync_all(day)
    service.office.config.write_text(whole)


def restarted_in_the_middle(service: Service, day: date) -> None:
    number = service.sandbox.add_fault(Fault("slow", path="/v3/contacts", delay=1))
    begun = len(service.events("sync begins"))
    service.jump(service.next_sync() + SECOND)
    service.wait(lambda: len(service.events("sync begins")) > begun)
    service.wait(lambda: service.log()[-1].get("step", "").startswith("Reading who"))
    assert service.stop() == DONE
    service.sandbox.world.faults.remove(number)
    service.start()
    service.sync_all(day)


def consent_is_withdrawn(service: Service, day: date) -> None:
    service.sandbox.withdraw_consent()
    service.sync_all(day)


def a_person_comes_at_last(service: Service, day: date) -> None:
    service.sync_next()
    service.authorize()
    service.ask()
    service.sync_all(day)


WELL = Day(ordinary, alerts=["recovery"])
SPECIAL = {
    3: Day(down_for_a_while, [DOWN, DONE]),
    5: Day(down_all_day, [DOWN] * 4, ["first"], arrives=False),
    6: WELL,
    8: Day(file_is_late, [SOURCE, DONE]),
    10: Day(file_does_not_come, [SOURCE] * 4, ["first"], arrives=False),
    11: WELL,
    12: Day(file_is_empty, [GUARD], ["first"], arrives=False),
    13: WELL,
    14: Day(clocks_are_set_forward),
    16: Day(a_third_is_gone_and_a_person_approves, [GUARD, DONE], ["first"]),
    17: WELL,
    18: Day(power_fails_in_the_middle, [None, DONE]),
    20: Day(quota_is_spent, [BUSY, DONE]),
    22: Day(machine_is_off_until_noon),
    24: Day(machine_is_off_until_evening, [], ["first"], arrives=False),
    25: WELL,
    26: Day(token_endpoint_is_down_for_a_while, [DOWN, DONE]),
    28: Day(token_s_answer_is_lost_and_a_person_comes, [LOST, DONE], ["first", "recovery"]),
    30: Day(configuration_is_spoilt_and_mended),
    32: Day(restarted_in_the_middle, [BUSY, DONE]),
    34: Day(consent_is_withdrawn, [LOST], ["first"], arrives=False),
    35: Day(ordinary, [LOST], arrives=False),
    36: Day(ordinary, [LOST], arrives=False),
    37: Day(ordinary, [LOST], ["reminder"], arrives=False),
    38: Day(a_person_comes_at_last, [LOST, DONE], ["recovery"]),
}


@pytest.fixture
def service(tmp_path: Path, sandbox: Sandbox, zygote: Zygote) -> Iterator[Service]:
    with Posts() as posts:
        office = Office(
            tmp_path / "office",
            sandbox,
            {
                "CONTACT_SYNC_ALERTS__WEBHOOK_URL": posts.url,
                # So that the keep-alive, which may be late, reminds of nothing in the evening: an
                # hour before the third day's sync it is not time yet.
                "CONTACT_SYNC_ALERTS__REMIND_EVERY": "PT75H",
            },
            {"schedule": [f'time = "{TIME[0]:02}:{TIME[1]}"', f'time_zone = "{ZONE.key}"']},
        )
        opened = Service(office, posts, zygote)
        yield opened
        if opened.worker is not None:
            opened.stop()


def test_forty_days_alone(service: Service) -> None:
    service.write_source()
    service.authorize()
    service.start()
    for number in range(1, DAYS + 1):
        day = FIRST_DAY + (number - 1) * DAY
        special = SPECIAL.get(number, Day(ordinary))
        told, ended = len(service.posts.alerts), len(service.outcomes())
        service.change_source(number)
        special.what(service, day)
        name = f"day {number}, {special.what.__name__}"
        assert service.outcomes()[ended:] == special.outcomes, (name, service.posts.alerts[told:])
        alerts = service.posts.alerts[told:]
        assert [kind for kind, _ in alerts] == special.alerts, (name, alerts)
        assert service.arrived() == special.arrives, name
    assert service.stop() == DONE
