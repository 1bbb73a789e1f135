"""What people are told over the days: first, reminders, the recovery; and nothing twice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from sync.alerts import (
    Alerting,
    Topic,
    Trouble,
    outcome_since,
    tell_missed,
    tell_outcome,
    tell_pair,
    tell_unauthorized,
    telling_outcome,
)
from sync.alerts.outcomes import Outcome
from sync.errors import ContactSyncError, ExitCode, GuardStopped, StopRequested
from sync.sandbox import Sandbox
from sync.settings import Settings
from sync.state.runs import Counts, Runs
from sync.state.store import Store, open_store
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock
from tests.integration.alerts.conftest import Posts

DAY = timedelta(days=1)
DUE = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
DOWN = Trouble(Topic.SYNC, "UNAVAILABLE", "It is down.")


class House:
    """An account, its alerts, and who hears them."""

    def __init__(self, settings: Settings, store: Store, posts: Posts, clock: FakeClock) -> None:
        self.settings, self.store, self.posts, self.clock = settings, store, posts, clock

    @property
    def alerting(self) -> Alerting:
        """Another process each time."""
        return Alerting(self.settings, self.store, self.clock)

    def ended(self, code: ExitCode, message: str = "", *, goes_on: bool = False) -> None:
        tell_outcome(self.alerting, Outcome(code, message, DUE), goes_on=goes_on)


HouseWith = Callable[..., House]


@pytest.fixture
def house_with(settings_for: SettingsFor, sandbox: Sandbox, posts: Posts) -> Iterator[HouseWith]:
    with ExitStack() as stack:

        def make(state_url: str | None = None, **alerts: object) -> House:
            options = {"webhook_url": posts.url, "ping_url": f"{posts.url}/ping", **alerts}
            settings = settings_for(sandbox, state_url, alerts=options)
            return House(settings, stack.enter_context(open_store(settings)), posts, FakeClock())

        yield make


@pytest.fixture
def house(house_with: HouseWith) -> House:
    return house_with()


def test_a_trouble_is_told_once_then_reminded_of_and_its_end_told(
    house_with: HouseWith, state_url: str
) -> None:
    house = house_with(state_url)
    for _ in range(7):
        house.alerting.tell(Topic.SYNC, DOWN)
        house.clock.advance(DAY)
    house.alerting.tell(Topic.SYNC, None)
    house.alerting.tell(Topic.SYNC, None)
    kinds = [kind for kind, _ in house.posts.alerts]
    assert kinds == ["first", "reminder", "reminder", "recovery"]
    house.alerting.tell(Topic.SYNC, DOWN)
    assert house.posts.alerts[-1] == ("first", "It is down.")


def test_a_look_that_is_some_minutes_early_reminds_all_the_same(house: House) -> None:
    house.alerting.tell(Topic.SYNC, DOWN)
    house.clock.advance(3 * DAY - timedelta(minutes=20))
    house.alerting.tell(Topic.SYNC, DOWN)
    assert [kind for kind, _ in house.posts.alerts] == ["first", "reminder"]


def test_another_cause_is_another_trouble(house: House) -> None:
    house.alerting.tell(Topic.SYNC, DOWN)
    house.alerting.tell(Topic.SYNC, Trouble(Topic.SYNC, "GUARD", "It has shrunk."))
    house.alerting.tell(Topic.PAIR, Trouble(Topic.PAIR, "Urgent", "It dies."))
    assert house.posts.alerts == [
        ("first", "It is down."),
        ("first", "It has shrunk."),
        ("first", "It dies."),
    ]


def test_an_alert_that_nobody_took_is_sent_again(house: House) -> None:
    house.posts.status = 500
    assert house.alerting.tell(Topic.SYNC, DOWN) is None
    house.posts.status = 200
    assert house.alerting.tell(Topic.SYNC, DOWN) is not None
    assert [kind for kind, _ in house.posts.alerts] == ["first", "first"]


def test_one_channel_that_takes_it_is_enough(house_with: HouseWith) -> None:
    house = house_with(command=["false"])
    with capture_logs() as log:
        house.alerting.tell(Topic.SYNC, DOWN)
        house.alerting.tell(Topic.SYNC, DOWN)
    assert len(house.posts.alerts) == 1
    assert [entry["event"] for entry in log] == ["alert", "alert not sent"]


def test_without_a_channel_the_log_is_told_once(house_with: HouseWith) -> None:
    house = house_with(webhook_url=None)
    with capture_logs() as log:
        house.alerting.tell(Topic.SYNC, DOWN)
        house.alerting.tell(Topic.SYNC, DOWN)
    assert [entry["event"] for entry in log] == ["alert"]
    assert log[0]["account"] == "default"


def test_what_goes_on_by_itself_alarms_nobody(house: House) -> None:
    house.ended(ExitCode.UNAVAILABLE, "Down.", goes_on=True)
    house.ended(ExitCode.DONE)
    assert house.posts.alerts == []
    assert house.posts.pings == ["/ping"]


def test_what_fails_for_good_is_told_and_pinged_with_one_id(house: House) -> None:
    house.alerting.ping("start", DUE)
    house.ended(ExitCode.GUARD, "It has shrunk: contact-sync plan show 7.")
    assert house.posts.alerts == [("first", "It has shrunk: contact-sync plan show 7.")]
    assert house.posts.pings == ["/ping/start", "/ping/fail"]
    ids = {path.partition("?rid=")[2] for _, path, _ in house.posts.requests if "rid" in path}
    assert len(ids) == 1
    house.ended(ExitCode.DONE_WITH_REJECTS)
    assert house.posts.alerts[-1] == ("recovery", "The sync runs again.")


def test_a_lost_pair_is_one_trouble_for_sync_and_keep_alive(house: House) -> None:
    house.ended(ExitCode.AUTHORIZATION, "Run contact-sync authorize.")
    tell_unauthorized(house.alerting, "Run contact-sync authorize.")
    assert len(house.posts.alerts) == 1


def test_a_pair_that_nears_its_death_is_told_at_each_step(house: House) -> None:
    for warning in ("Take care: 30 days.", "Take care: 29 days.", "Urgent: 14 days.", None, None):
        tell_pair(house.alerting, warning)
    assert [kind for kind, _ in house.posts.alerts] == ["first", "first", "recovery"]


def test_a_missed_sync_is_told(house: House) -> None:
    tell_missed(house.alerting, DUE, DUE + DAY)
    [(kind, text)] = house.posts.alerts
    assert kind == "first"
    assert "The sync of 2026-11-24 03:30 UTC did not happen" in text
    assert "2026-11-25 03:30 UTC" in text


def test_a_test_goes_through_every_channel(house_with: HouseWith) -> None:
    house = house_with(command=["false"])
    assert house.alerting.test() == {
        "webhook": "",
        "command": "The program false ended with 1 for the alert.",
    }
    assert house.posts.alerts == [("test", "This is a test: nothing is wrong.")]


def record(house: House, code: ExitCode, message: str) -> None:
    runs = Runs(house.store, house.settings.account.name)
    number = runs.begin(house.clock(), dry_run=False)
    runs.finish(
        number,
        exit_code=code,
        message=message,
        counts=Counts(),
        report=None,
        rejects=None,
        now=house.clock(),
    )


def fail(house: House, error: ContactSyncError, *, attended: bool = False) -> None:
    """A sync by hand that fails."""
    with telling_outcome(house.settings, house.store, house.clock, attended=attended):
        record(house, error.exit_code, str(error))
        raise error


@pytest.mark.parametrize("attended", [False, True])
def test_a_sync_by_hand_tells_whom_it_must(house: House, attended: bool) -> None:
    with pytest.raises(GuardStopped):
        fail(house, GuardStopped("It has shrunk."), attended=attended)
    assert bool(house.posts.alerts) is not attended
    assert house.posts.pings == ["/ping/start", *(["/ping/fail"] if not attended else [])]
    with telling_outcome(house.settings, house.store, house.clock, attended=attended):
        record(house, ExitCode.DONE, "")
    assert [kind for kind, _ in house.posts.alerts] == ([] if attended else ["first", "recovery"])


def test_who_stops_a_sync_is_not_told_of_it(house: House) -> None:
    with pytest.raises(StopRequested):
        fail(house, StopRequested("Asked to stop."))
    assert house.posts.alerts == []


def test_only_a_sync_that_began_since_and_has_ended_has_an_outcome(house: House) -> None:
    account = house.settings.account.name
    began = house.clock()
    assert outcome_since(house.store, account, began, DUE) is None
    record(house, ExitCode.DONE, "")
    assert outcome_since(house.store, account, began, DUE) is not None
    assert outcome_since(house.store, account, house.clock() + DAY, DUE) is None
