"""What is alerted of an account, over all its runs: first, then reminders, then the recovery.

What people know is kept in the state, so that a restart tells nothing twice. An alert counts as
told when one channel took it; else it is told again with the next occasion. No failure of an alert
is a failure of the work.
"""

import socket
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog

from sync.alerts.alert import Alert, Kind, Topic, Trouble, due
from sync.alerts.channels import Channel, NotDelivered, channels, ping
from sync.clock import Clock, utc_now
from sync.errors import ContactSyncError, StateError
from sync.settings import Settings
from sync.state import troubles
from sync.state.store import Transactions
from sync.state.troubles import Told

_A_MOMENT = timedelta(minutes=10)
_log = structlog.get_logger()


class Alerting:
    """Tells people about one account; without a store, each trouble is a new one."""

    def __init__(
        self, settings: Settings, store: Transactions | None, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._account = settings.account.name
        # What people were told while the state could not be written.
        self._unwritten: dict[Topic, Told] = {}

    def tell(self, topic: Topic, trouble: Trouble | None, *, report: str = "") -> Kind | None:
        """Tell people what is wrong with a topic, or that nothing is, if they don't know it yet.

        Returns what they were told.
        """
        now = self._clock()
        told = self._told(topic)
        kind = due(trouble, told, now, self._settings.alerts.remind_every)
        if kind is None:
            return None
        since = told.since if told and kind is not Kind.FIRST else now
        text = trouble.text if trouble else _WELL[topic]
        if not self._send(self._alert(kind, topic, text, since, report)):
            return None
        self._note(topic, Told(trouble.cause, since, now) if trouble else None)
        return kind

    def has_just_told(self, topic: Topic, cause: str) -> bool:
        """Whether people were told of this very trouble a moment ago."""
        told = self._told(topic)
        return (
            told is not None
            and told.cause == cause
            and self._clock() - told.last_told_at <= _A_MOMENT
        )

    def test(self) -> dict[str, str]:
        """Send a test by every channel; returns what went wrong by the channel's name, if any."""
        alert = self._alert(
            Kind.TEST, Topic.TEST, "This is a test: nothing is wrong.", self._clock(), ""
        )
        return {channel.name: _deliver(channel, alert) for channel in channels(self._settings)}

    def ping(self, what: str, due_at: datetime) -> None:
        """Call the dead man's switch, if there is one, about the sync that was due then."""
        url = self._settings.alerts.ping_url
        if url is None:
            return
        try:
            ping(url.get_secret_value(), what, self._rid(due_at))
        except NotDelivered as error:
            _log.warning("ping failed", reason=str(error))

    def _rid(self, due_at: datetime) -> UUID:
        """One for all attempts of a day, also after a restart."""
        return uuid5(NAMESPACE_URL, f"contact-sync:{self._account}:{due_at.isoformat()}")

    def _alert(self, kind: Kind, topic: Topic, text: str, since: datetime, report: str) -> Alert:
        return Alert(kind, topic, self._account, text, since, socket.gethostname(), report)

    def _send(self, alert: Alert) -> bool:
        try:
            ways = list(channels(self._settings))
        except ContactSyncError as error:
            _log.error("alert not sent", reason=str(error))
            return False
        kind, topic = alert.kind.value, alert.topic.value
        _log.info("alert", account=self._account, kind=kind, topic=topic, text=alert.text)
        failures = [_deliver(channel, alert) for channel in ways]
        for failure in filter(None, failures):
            _log.error("alert not sent", reason=failure)
        # Without any channel the log is all there is.
        return not ways or not all(failures)

    def _told(self, topic: Topic) -> Told | None:
        if self._store is None:
            return None
        try:
            with self._store.read() as connection:
                return troubles.told(connection, self._account, topic)
        except StateError:
            return self._unwritten.get(topic)

    def _note(self, topic: Topic, told: Told | None) -> None:
        if self._store is None:
            return
        try:
            with self._store.write() as connection:
                troubles.note(connection, self._account, topic, told)
            self._unwritten.pop(topic, None)
        except StateError:
            if told is not None:
                self._unwritten[topic] = told


_WELL = {
    Topic.SYNC: "The sync runs again.",
    Topic.PAIR: "The token pair is well again.",
    Topic.CONFIG: "The configuration is right again.",
    Topic.TEST: "",
}


def _deliver(channel: Channel, alert: Alert) -> str:
    """Send by one channel; returns what went wrong, nothing when it was taken."""
    try:
        channel.send(alert)
    except NotDelivered as error:
        return str(error)
    return ""
