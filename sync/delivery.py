"""Sending the outbox and confirming it: every batch posted once, followed to its end, reconciled.

What is confirmed here is what the next run takes for granted, so a batch is believed only when
its counts say that every contact arrived; else its contacts are read back one by one. One that
fails is posted again, then cut into parts until the contacts at fault are found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest

import structlog

from sync import memory
from sync.ahead import Beforehand
from sync.api import imports
from sync.api.imports import Activity
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.errors import (
    AuthorizationNeeded,
    Busy,
    OutcomeUnknown,
    QuotaExhausted,
    RequestRefused,
    ServiceUnavailable,
)
from sync.fault_search import FaultSearch
from sync.lost_answers import UNTIL_LISTED, find_unclaimed
from sync.polling import Polling
from sync.readback import ReadBack, Refused
from sync.settings.options import Api
from sync.state.outbox import Batch, BatchState, Outbox
from sync.stop import Stop

# An activity that hasn't ended by then never will.
_GIVEN_UP = timedelta(days=1)
_MOST_ATTEMPTS = 3
# Codes of the reading back that tell that an import did not do what was asked of it.
_NOT_ARRIVED = frozenset({"not_imported", "not_on_list", "not_as_sent"})
# What a contact can be at fault for: bad request, too large, unprocessable.
_MAY_BE_A_CONTACT = frozenset({400, 413, 422})
# Ends of an activity that a contact can be at fault for.
_FAILURES = frozenset({"failed", "timed_out", "time_out"})
_NOT_FOUND = 404
_log = structlog.get_logger()


@dataclass(slots=True)
class Delivered:
    """What a delivery achieved so far.

    `worked` is from when to when the service worked on its imports, by the service's own clock.
    """

    batches: int
    confirmed: int
    refused: list[Refused]
    worked: tuple[datetime, datetime] | None = None


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
        self._payloads = Beforehand(outbox.payload)
        self._session = session
        self._read_back = read_back
        self._options = options
        self._stop = stop
        self._clock = clock
        self._on_settled = on_settled
        self._answers_lost = 0
        self._polling = Polling()
        self._spent: QuotaExhausted | None = None
        self._search = FaultSearch()
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
        try:
            return self._until_none_is_open(step)
        finally:
            self._payloads.close()
            memory.give_back()
            self._outbox.note_arrived()

    def _until_none_is_open(self, step: Callable[[list[Batch]], None]) -> Delivered:
        deadline = self._clock() + self._options.confirmation_timeout
        while batches := self._outbox.open():
            self._stop.check()
            step(batches)
            posted = self._outbox.open(BatchState.POSTED)
            if not posted and self._spent is not None:
                raise self._spent
            due = [entry for entry in posted if self._polling.due(entry.id, self._clock())]
            settled = [entry for entry in due if self._confirm(entry)]
            for entry in settled:
                self._polling.forget(entry.id)
            if settled or not posted:
                deadline = self._clock() + self._options.confirmation_timeout
                continue
            if self._clock() >= deadline:
                raise Busy(
                    f"Constant Contact is still processing {len(posted)} imports; they are in the "
                    "outbox, and the next run confirms them."
                )
            ids = [entry.id for entry in posted]
            self._stop.sleep(self._polling.until_next(ids, self._clock()))
        return self.result

    def left(self) -> str:
        """What is done and what is left, in a sentence."""
        contacts = dict.fromkeys(BatchState, 0)
        for entry in self._outbox.open():
            contacts[entry.state] += entry.contacts
        waiting = contacts[BatchState.RECORDED]
        sent = sum(contacts.values()) - waiting
        return (
            f"So far {self.result.confirmed:,} contacts are confirmed; {sent:,} are sent and not "
            f"confirmed yet, {waiting:,} are not sent yet."
        )

    def _send(self, batches: list[Batch]) -> None:
        """Post as many as may be in flight, and none when the day's quota for that is spent."""
        settled = self._settle_all_posting(batches)
        recorded, room = self._waiting(self._outbox.open() if settled else batches)
        while self._spent is None and recorded and room > 0:
            self._stop.check()
            entry, *following = nlargest(2, recorded, key=self._search.turn)
            posted = False
            if (no_use := self._search.no_use(entry)) is not None:
                self._fail(entry, no_use)
            else:
                try:
                    posted = self._post(entry, following[0] if following else None)
                except QuotaExhausted as spent:
                    # What is under way is confirmed with the requests that are kept for that.
                    self._spent = spent
            if posted:  # all others are as they were, and need not be asked for
                recorded.remove(entry)
                room -= 1
            else:
                recorded, room = self._waiting(self._outbox.open())

    def _waiting(self, batches: list[Batch]) -> tuple[list[Batch], int]:
        """Which of the open batches are not posted yet, and how many may be posted now."""
        recorded = [entry for entry in batches if entry.state is BatchState.RECORDED]
        return recorded, self._options.batches_in_flight - (len(batches) - len(recorded))

    def _withdraw(self, batches: list[Batch]) -> None:
        self._settle_all_posting(batches)
        contacts = self._outbox.withdraw(self._clock())
        if contacts:
            _log.info("withdrawn", contacts=contacts)
            self._on_settled(contacts)

    def _settle_all_posting(self, batches: list[Batch]) -> bool:
        """Settle those of which it is not known whether they were taken; returns whether any is."""
        posting = [entry for entry in batches if entry.state is BatchState.POSTING]
        for entry in posting:
            self._settle_posting(entry)
        return bool(posting)

    def _post(self, entry: Batch, following: Batch | None) -> bool:
        """Post the batch; returns False when more than that may have become of the batches."""
        payload = self._payloads.of(entry, following)
        self._search.posting(entry)
        posting = self._outbox.begin_posting(entry, self._clock())
        try:
            activity = imports.post_import(self._session, payload)
        except OutcomeUnknown:
            # Nobody knows whether it was queued: the account's activities are asked.
            _log.warning("answer_lost", batch=entry.id)
            self._answers_lost += 1
            if self._answers_lost == _MOST_ATTEMPTS:
                raise
            self._stop.sleep(UNTIL_LISTED)
            self._settle_posting(posting)
            return False
        except (AuthorizationNeeded, Busy, RequestRefused, ServiceUnavailable) as error:
            # All of them say that the import was not taken.
            if isinstance(error, RequestRefused) and error.status in _MAY_BE_A_CONTACT:
                self._search_fault(posting, str(error), at_once=True)
                return False
            self._outbox.post_again(posting)
            raise
        self._answers_lost = 0
        self._outbox.posted(posting, activity.activity_id)
        self._search.posted(posting)
        size = len(payload)
        _log.info("batch_posted", batch=entry.id, contacts=entry.contacts, bytes=size)
        return True

    def _settle_posting(self, entry: Batch) -> None:
        """Find out whether a batch whose answer was lost was queued; else it is sent again."""
        if entry.posting_at is not None:
            # A run may follow in the second in which another was killed.
            ago = self._clock() - entry.posting_at
            self._stop.sleep(min(UNTIL_LISTED - ago, UNTIL_LISTED))
        found = self._look_for(entry)
        if found is not None:
            self._outbox.posted(entry, found.activity_id, found=True)
        else:
            self._outbox.post_again(entry)

    def _look_for(self, entry: Batch) -> Activity | None:
        return find_unclaimed(
            self._session,
            self._outbox.activity_ids(),
            entry.contacts,
            entry.posting_at or self._clock(),
        )

    def _confirm(self, entry: Batch) -> bool:
        """Ask for the batch's activity; returns whether the batch moved on."""
        try:
            activity = imports.get_activity(self._session, entry.activity_id or "")
        except RequestRefused as error:
            if error.status != _NOT_FOUND:
                raise
            self._repeat_or_look(entry, "the import vanished")
            return True
        if not activity.ended:
            overdue = self._clock() - (entry.posting_at or self._clock()) > _GIVEN_UP
            if overdue:
                self._repeat_or_look(
                    entry, f"the import stayed {activity.state} for more than a day"
                )
            return overdue
        detail = "; ".join(["", *activity.errors])
        if activity.state in _FAILURES:
            self._repeat_or_search(entry, f"the import ended as {activity.state}{detail}")
        elif activity.state != "completed":
            self._repeat_or_look(entry, f"the import ended as {activity.state}{detail}")
        elif _all_arrived(activity, entry):
            self._settle(entry, activity, [])
        else:
            self._settle_read_back(entry, activity)
        return True

    def _repeat_or_search(self, entry: Batch, why: str) -> None:
        """Post once more what failed, and find out in the end which contacts are at fault.

        A part of what has failed thrice is not repeated as long as it can be cut.
        """
        if entry.attempts < _MOST_ATTEMPTS and not (
            self._search.is_part(entry) and entry.contacts > 1
        ):
            self._repeat(entry, why)
        else:
            self._search_fault(entry, why, at_once=False)

    def _repeat_or_look(self, entry: Batch, why: str) -> None:
        """Post once more what no contact is to blame for; in the end see what has come of it."""
        if entry.attempts < _MOST_ATTEMPTS:
            self._repeat(entry, why)
        else:
            said = f"{why}, {entry.attempts} times in a row"
            unknown = Activity(
                activity_id=entry.activity_id or "", state="unknown", activity_errors=[said]
            )
            self._settle_read_back(entry, unknown)

    def _search_fault(self, entry: Batch, why: str, *, at_once: bool) -> None:
        """Go on with the parts of a batch that failed; what can't be cut is refused."""
        if sizes := self._search.failed(entry, why, at_once=at_once):
            _log.warning("batch_split", batch=entry.id, contacts=entry.contacts, why=why)
            parts = self._outbox.split(entry, sizes, why, self._clock())
            self._search.divided(entry, sizes, parts)
        else:
            self._fail(entry, self._search.no_use(entry) or why)

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
            BatchState.ARRIVED,
            [each.row for each in refused],
            activity.status.model_dump_json(),
            self._clock(),
        )
        self._search.arrived(entry)
        if activity.created_at and activity.completed_at:
            from_, until = self.result.worked or (activity.created_at, activity.completed_at)
            self.result.worked = (
                min(from_, activity.created_at),
                max(until, activity.completed_at),
            )
        self._count(entry, confirmed, refused)

    def _repeat(self, entry: Batch, why: str) -> None:
        _log.warning("batch_repeated", batch=entry.id, why=why)
        self._outbox.post_again(entry)

    def _fail(self, entry: Batch, why: str) -> None:
        alone = entry.contacts == 1 and self._search.no_use(entry) is None
        refused = [
            Refused(contact.row, contact.email, "import_failed", why, at_fault=alone)
            for contact in self._outbox.contacts(entry)
        ]
        rows = [each.row for each in refused]
        self._outbox.settle(entry, BatchState.FAILED, rows, why, self._clock())
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
