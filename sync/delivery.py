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
from sync.errors import Busy, OutcomeUnknown, RequestRefused
from sync.readback import ReadBack, Refused
from sync.settings.options import Api
from sync.state.outbox import Batch, BatchState, Outbox
from sync.stop import Stop

# An activity is looked for from this long before its posting: the clocks may differ.
_CLOCK_SKEW = timedelta(hours=1)
_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(seconds=30)
_MOST_ATTEMPTS = 3
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
        deadline = self._clock() + self._options.confirmation_timeout
        pause = _FIRST_PAUSE
        while batches := self._outbox.open():
            self._stop.check()
            posted = self._send(batches)
            settled = [entry for entry in posted if self._confirm(entry)]
            if settled:
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

    def _send(self, batches: list[Batch]) -> list[Batch]:
        """Post as many as may be in flight; returns the posted ones."""
        posted = [entry for entry in batches if entry.state is BatchState.POSTED]
        for entry in batches:
            if entry.state is BatchState.POSTING:
                self._settle_posting(entry)
            elif entry.state is BatchState.RECORDED:
                if len(posted) >= self._options.batches_in_flight:
                    break
                self._post(entry)
                posted.append(entry)
        return [entry for entry in self._outbox.open() if entry.state is BatchState.POSTED]

    def _post(self, entry: Batch) -> None:
        payload = self._outbox.payload(entry)
        self._outbox.begin_posting(entry, self._clock())
        try:
            activity = imports.post_import(self._session, payload)
        except OutcomeUnknown:
            # Nobody knows whether it was queued: it stays in the state posting, and the next
            # look at the outbox asks the account's activities.
            _log.warning("answer_lost", batch=entry.id)
            self._answers_lost += 1
            if self._answers_lost == _MOST_ATTEMPTS:
                raise
            return
        except RequestRefused as error:
            self._fail(entry, str(error))
            return
        self._outbox.posted(entry, activity.activity_id)
        _log.info("batch_posted", batch=entry.id, contacts=entry.contacts, bytes=len(payload))

    def _settle_posting(self, entry: Batch) -> None:
        """Find out whether a batch whose answer was lost was queued; else it is sent again."""
        found = self._look_for(entry)
        if found is not None:
            self._outbox.posted(entry, found.activity_id, found=True)
        else:
            self._outbox.post_again(entry)

    def _look_for(self, entry: Batch) -> Activity | None:
        known = self._outbox.activity_ids()
        since = (entry.posting_at or self._clock()) - _CLOCK_SKEW
        candidates = [
            activity
            for activity in imports.list_activities(self._session)
            if activity.activity_id not in known and _may_be(activity, entry, since)
        ]
        return max(candidates, key=lambda each: each.created_at or since, default=None)

    def _confirm(self, entry: Batch) -> bool:
        """Ask for the batch's activity; returns whether the batch moved on."""
        try:
            activity = imports.get_activity(self._session, entry.activity_id or "")
        except RequestRefused as error:
            if error.status != 404:
                raise
            self._repeat(entry, "its activity vanished")
            return True
        if not activity.ended:
            return False
        if activity.state != "completed":
            detail = "; ".join(activity.errors)
            self._repeat(entry, f"its activity ended as {activity.state} {detail}".strip())
        elif _all_arrived(activity, entry):
            self._settle(entry, activity, [])
        else:
            self._settle(entry, activity, self._read_back.refused(entry, activity))
        return True

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

    def _fail(self, entry: Batch, why: str) -> None:
        refused = [
            Refused(contact.row, contact.email, "import_failed", why)
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


def _may_be(activity: Activity, entry: Batch, since: datetime) -> bool:
    if activity.created_at is not None and activity.created_at < since:
        return False
    return activity.status.person_count in (None, entry.contacts)
