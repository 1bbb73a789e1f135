"""What a run brings to Constant Contact, in order: imports, what they can't do, what follows them.

All of it is recorded before it is asked for, so the next run settles what this one leaves open.
"""

from dataclasses import replace

import structlog

from sync.amending import Amending
from sync.api import catalog
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.delivery import Delivered, Delivery
from sync.errors import Busy
from sync.observe import MANY, note_outcome, with_news
from sync.progress import Progress
from sync.readback import ReadBack
from sync.recording import Recording
from sync.rejections import from_refusal
from sync.settings import Settings
from sync.single_contacts import SingleContacts
from sync.state import follow_ups, refusals, staging
from sync.state.outbox import BatchPlan, Outbox
from sync.state.refusals import Refusal
from sync.state.store import Store
from sync.stop import Stop

_FEW = 3
_log = structlog.get_logger()


def discard_staged(store: Store, account: str) -> None:
    """Forget an account's staged contacts of which nothing is left to settle."""
    # What comes back with a loss of power is forgotten by the next run.
    with store.write(durable=False) as connection:
        staging.discard_settled(connection, account)


class Sending:
    """Sends for one run, and records what came of it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        recording: Recording,
        session: ApiSession,
        *,
        stop: Stop,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._recording = recording
        self._session = session
        self._stop = stop
        self._progress = progress
        self._clock = clock
        self._account = settings.account.name
        self._outbox = Outbox(store, self._account)
        self._amending = Amending(settings, store, session, stop, clock, progress.advance)
        self.single_contacts = SingleContacts(settings, store, recording, session, progress, clock)

    def note_arrived(self) -> None:
        """Note what an interrupted run has confirmed; of that nothing need be asked."""
        self._outbox.note_arrived()

    @property
    def left_open(self) -> bool:
        """Whether an interrupted run left something to settle."""
        return bool(self._outbox.open()) or self._amending.left_open

    def resume(self) -> None:
        """Settle what an interrupted run left in the outbox.

        Nothing is posted here: what the run had not posted yet is planned anew, after it was read
        who unsubscribed or left a list meanwhile.
        """
        waiting = self._outbox.open()
        if waiting:
            contacts = sum(entry.contacts for entry in waiting)
            self._progress.step("Settling an interrupted run", contacts)
            _log.info("resuming", batches=len(waiting), contacts=contacts)
            delivery = self._delivery(catalog.custom_fields(self._session))
            try:
                delivery.settle_interrupted()
            finally:
                self._recording.resumed = delivery.result.confirmed
                self._note_refused(delivery.result)
        self._amending.settle_interrupted()

    def record(self, batches: list[BatchPlan]) -> None:
        """Write down what is about to be sent."""
        recording = self._recording
        # They hold for lists that were made since: a stand-in is as long as an id.
        with self._store.write() as connection:
            self._outbox.record(connection, recording.run_id, batches, self._clock())
            if not recording.partial:
                follow_ups.note_missing(
                    connection,
                    self._account,
                    recording.run_id,
                    anybody=bool(recording.counts.gone or recording.counts.readdressed),
                )

    def run(self, custom_field_names: dict[str, str]) -> None:
        """Send and confirm what is recorded, then do what imports can't."""
        recording = self._recording
        counts = recording.counts
        self._progress.step("Sending and confirming", counts.new + counts.changed)
        delivery = self._delivery(custom_field_names)
        try:
            delivery.run()
        except Busy as error:
            error.args = (f"{error} {delivery.left()}",)
            raise
        finally:
            recording.counts = replace(counts, confirmed=delivery.result.confirmed)
            self._note_refused(delivery.result)
        self._note_outcome(delivery.result)
        self._count_follow_ups()
        self.single_contacts.clear(custom_field_names)
        counts = recording.counts
        amended = counts.moved + counts.tagged + counts.removed + counts.deleted
        self._progress.step("Lists to leave, tags, and who is gone", amended or None)
        self._amending.run(recording.run_id, whole=not recording.partial, moved=counts.moved)
        self.discard_staged()

    def refuse_failed(self) -> None:
        """Raise ServiceUnavailable when something was asked for after the imports and not done."""
        self._amending.refuse_failed()

    def discard_staged(self) -> None:
        """Forget the source's contacts of which nothing is left to settle."""
        discard_staged(self._store, self._account)

    def _note_outcome(self, delivered: Delivered) -> None:
        recording = self._recording
        # When many are refused, the fault is hardly theirs.
        if len(delivered.refused) <= max(delivered.confirmed // 10, _FEW):
            now = self._clock()
            at_fault = [
                Refusal(each.row, each.email, each.code, each.reason, now)
                for each in delivered.refused
                if each.at_fault
            ]
            with self._store.write() as connection:
                refusals.note(connection, self._account, recording.run_id, at_fault)
        note_outcome(
            self._store,
            self._account,
            self._settings.observe,
            recording.run_id,
            delivered.refused,
            self._clock(),
            whole=not recording.partial,
            worked=delivered.worked if delivered.confirmed >= MANY else None,
        )
        recording.counts = with_news(self._store, self._account, recording.counts)

    def _count_follow_ups(self) -> None:
        """Count anew what was planned of contacts some of whom may have been refused."""
        counts, run_id = self._recording.counts, self._recording.run_id
        with self._store.read() as connection:
            self._recording.counts = replace(
                counts,
                moved=follow_ups.count_moved(connection, run_id) if counts.moved else 0,
                tagged=follow_ups.count_tagged(connection, self._account, run_id)
                if counts.tagged
                else 0,
            )

    def _delivery(self, custom_field_names: dict[str, str]) -> Delivery:
        return Delivery(
            self._outbox,
            self._session,
            ReadBack(self._outbox, self._session, custom_field_names),
            self._settings.api,
            self._stop,
            self._clock,
            self._progress.advance,
        )

    def _note_refused(self, delivered: Delivered) -> None:
        for refused in delivered.refused:
            self._recording.rejects.add(from_refusal(refused))
        counts = self._recording.counts
        self._recording.counts = replace(counts, refused=counts.refused + len(delivered.refused))
