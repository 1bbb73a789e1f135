"""Sending the outbox and confirming it: every batch posted once, followed to its end, reconciled.

What is confirmed here is what the next run takes for granted, so a batch is believed only when
its counts say that every contact arrived; else its contacts are read back one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sync.api import imports
from sync.api.imports import Activity
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.errors import (
    AuthorizationNeeded,
    Busy,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
)
from sync.readback import ReadBack, Refused
from sync.settings.options import Api
from sync.state.outbox import Batch, BatchState, Outbox
from sync.stop import Stop

# An activity is looked for from this long before its posting to this long after: clocks differ.
_CLOCK_SKEW = timedelta(hours=1)
# After a lost answer, how long the service may still need to list the activity.
_UNTIL_LISTED = timedelta(seconds=5)
# An activity that hasn't ended by then never will.
_GIVEN_UP = timedelta(days=1)
_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(seconds=30)
_MOST_ATTEMPTS = 3
# Codes of the reading back that tell that an import did not do what was asked of it.
_NOT_ARRIVED = frozenset({"not_imported", "not_on_list", "not_as_sent"})
_BAD_REQUEST = 400
_NOT_FOUND = 404
_log = structlog.get_logger()


@dataclass(slots=True)
class Delivered:
    """What a delivery achieved so far."""

    batches: int
    confirmed: int
    refused: list[Refused]


class Delivery:
    """Brings one account's outbox to its end."""

    def __init__(
        self,
        outbox: Outbox,
        session: ApiSession,
        read_back: ReadBack,
        options: Api,
        stop: Stop,
        clock: Clock,
        on_settled: Callable[[int], None],
    ) -> None:
        self._outbox = outbox
        self._session = session
        self._read_back = read_back
        self._options = options
        self._stop = stop
        self._clock = clock
        self._on_settled = on_settled
        self._answers_lost = 0
        self.result = Delivered(0, 0, [])

    def run(self) -> Delivered:
        """Send and confirm every open batch.

        Raises Busy when imports are still being processed after the configured time, and what
        the API session raises; either way the next run goes on where this one stopped.
        """
        return self._bring_to_an_end(self._send)

    def settle_interrupted(self) -> Delivered:
        """Confirm what an earlier run has posted, and withdraw what it has not.

        What is withdrawn is planned anew by this run: the source may say otherwise today, and
        who has left a list since must not be put back on it. Raises as `run` does.
        """
        return self._bring_to_an_end(self._withdraw)

    def _bring_to_an_end(self, step: Callable[[list[Batch]], None]) -> Delivered:
        """Take the step and confirm what is posted, until no batch is open."""
        deadline = self._clock() + self._options.confirmation_timeout
        pause = _FIRST_PAUSE
        while batches := self._outbox.open():
            self._stop.check()
            step(batches)
            posted = [entry for entry in self._outbox.open() if entry.state is BatchState.POSTED]
            settled = [entry for entry in posted if self._confirm(entry)]
            if settled or not posted:
                pause = _FIRST_PAUSE
                deadline = self._clock() + self._options.confirmation_timeout
                continue
            if self._clock() >= deadline:
                raise Busy(
                    f"Constant Contact is still processing {len(posted)} imports; they are in the "
                    "outbox, and the next run confirms them."
                )
            self._stop.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return self.result

    def _send(self, batches: list[Batch]) -> None:
        """Post as many as may be in flight."""
        self._settle_all_posting(batches)
        in_flight = sum(entry.state is not BatchState.RECORDED for entry in batches)
        recorded = [entry for entry in batches if entry.state is BatchState.RECORDED]
        for entry in recorded[: max(0, self._options.batches_in_flight - in_flight)]:
            self._post(entry)

    def _withdraw(self, batches: list[Batch]) -> None:
        self._settle_all_posting(batches)
        contacts = self._outbox.withdraw(self._clock())
        if contacts:
            _log.info("withdrawn", contacts=contacts)
            self._on_settled(contacts)

    def _settle_all_posting(self, batches: list[Batch]) -> None:
        for entry in batches:
            if entry.state is BatchState.POSTING:
                self._settle_posting(entry)

    def _post(self, entry: Batch) -> None:
        if not self._outbox.list_ids(entry):
            self._fail(entry, "it is to go on no list: see lists.names and lists.column", "no_list")
            return
        payload = self._outbox.payload(entry)
        posting = self._outbox.begin_posting(entry, self._clock())
        try:
            activity = imports.post_import(self._session, payload)
        except OutcomeUnknown:
            # Nobody knows whether it was queued: the account's activities are asked.
            _log.warning("answer_lost", batch=entry.id)
            self._answers_lost += 1
            if self._answers_lost == _MOST_ATTEMPTS:
                raise
            self._stop.sleep(_UNTIL_LISTED)
            self._settle_posting(posting)
        except (AuthorizationNeeded, Busy, RequestRefused, ServiceUnavailable) as error:
            # All of them say that the import was not taken.
            if isinstance(error, RequestRefused) and error.status == _BAD_REQUEST:
                self._fail(posting, str(error))
                return
            self._outbox.post_again(posting)
            raise
        else:
            self._answers_lost = 0
            self._outbox.posted(posting, activity.activity_id)
            size = len(payload)
            _log.info("batch_posted", batch=entry.id, contacts=entry.contacts, bytes=size)

    def _settle_posting(self, entry: Batch) -> None:
        """Find out whether a batch whose answer was lost was queued; else it is sent again."""
        found = self._look_for(entry)
        if found is not None:
            self._outbox.posted(entry, found.activity_id, found=True)
        else:
            self._outbox.post_again(entry)

    def _look_for(self, entry: Batch) -> Activity | None:
        """The unclaimed activity of as many contacts that is nearest to the posting."""
        known = self._outbox.activity_ids()
        posting_at = entry.posting_at or self._clock()
        candidates = [
            activity
            for activity in imports.list_activities(self._session)
            if activity.activity_id not in known and _may_be(activity, entry, posting_at)
        ]
        return min(candidates, key=lambda each: _distance(each, posting_at), default=None)

    def _confirm(self, entry: Batch) -> bool:
        """Ask for the batch's activity; returns whether the batch moved on."""
        try:
            activity = imports.get_activity(self._session, entry.activity_id or "")
        except RequestRefused as error:
            if error.status != _NOT_FOUND:
                raise
            self._repeat(entry, "its activity vanished")
            return True
        if not activity.ended:
            overdue = self._clock() - (entry.posting_at or self._clock()) > _GIVEN_UP
            if overdue:
                self._repeat(entry, f"its activity stayed {activity.state} for more than a day")
            return overdue
        if activity.state != "completed":
            detail = "; ".join(activity.errors)
            self._repeat(entry, f"its activity ended as {activity.state} {detail}".strip())
        elif _all_arrived(activity, entry):
            self._settle(entry, activity, [])
        else:
            self._settle_read_back(entry, activity)
        return True

    def _settle_read_back(self, entry: Batch, activity: Activity) -> None:
        refused = self._read_back.refused(entry, activity)
        for each in refused:
            if each.left:
                self._outbox.note_left(each.email, each.left, self._clock())
        doubtful = any(each.code in _NOT_ARRIVED for each in refused)
        if entry.activity_found and doubtful and entry.attempts < _MOST_ATTEMPTS:
            self._repeat(entry, "the activity that was found may be another's")
        else:
            self._settle(entry, activity, refused)

    def _settle(self, entry: Batch, activity: Activity, refused: list[Refused]) -> None:
        confirmed = self._outbox.settle(
            entry,
            BatchState.CONFIRMED,
            [each.row for each in refused],
            activity.status.model_dump_json(),
            self._clock(),
        )
        self._count(entry, confirmed, refused)

    def _repeat(self, entry: Batch, why: str) -> None:
        if entry.attempts < _MOST_ATTEMPTS:
            _log.warning("batch_repeated", batch=entry.id, why=why)
            self._outbox.post_again(entry)
        else:
            self._fail(entry, f"the import failed {entry.attempts} times: {why}")

    def _fail(self, entry: Batch, why: str, code: str = "import_failed") -> None:
        refused = [
            Refused(contact.row, contact.email, code, why)
            for contact in self._outbox.contacts(entry)
        ]
        self._outbox.settle(entry, BatchState.FAILED, [], why, self._clock())
        self._count(entry, 0, refused)

    def _count(self, entry: Batch, confirmed: int, refused: list[Refused]) -> None:
        self.result.batches += 1
        self.result.confirmed += confirmed
        self.result.refused += refused
        self._on_settled(entry.contacts)
        _log.info("batch_settled", batch=entry.id, confirmed=confirmed, refused=len(refused))


def _all_arrived(activity: Activity, entry: Batch) -> bool:
    """Whether the counts say so; an activity that was only found proves nothing by itself."""
    counts = activity.status
    no_errors = not (
        counts.error_count or counts.correctable_count or counts.cannot_add_to_list_count
    )
    return no_errors and counts.person_count == entry.contacts and not entry.activity_found


def _may_be(activity: Activity, entry: Batch, posting_at: datetime) -> bool:
    near = _distance(activity, posting_at) <= _CLOCK_SKEW
    return near and activity.status.person_count in (None, entry.contacts)


def _distance(activity: Activity, posting_at: datetime) -> timedelta:
    if activity.created_at is None:
        return _CLOCK_SKEW
    return abs(activity.created_at - posting_at)
