"""What a run does contact by contact, since no bulk activity can: new addresses, emptied fields."""

from dataclasses import replace

from sync.api.limits import rest_of_today
from sync.api.session import ApiSession
from sync.clearing import Clearing
from sync.clock import Clock
from sync.planning import Planning
from sync.progress import Progress
from sync.readdressing import Readdressing
from sync.recording import Recording
from sync.rejections import from_not_cleared, from_not_readdressed
from sync.settings import Settings
from sync.state import address_changes
from sync.state.outbox import BatchPlan
from sync.state.store import Store

# Each contact is read and then put.
_REQUESTS = 2


class SingleContacts:
    """Does it for one run, and records it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        recording: Recording,
        session: ApiSession,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._recording = recording
        self._session = session
        self._progress = progress
        self._clock = clock
        self._account = settings.account.name
        self._to_clear = 0

    def readdress(self, planning: Planning, batches: list[BatchPlan]) -> list[BatchPlan]:
        """Change the addresses that the plan wants changed; returns the batches as they are then.

        At most half of today's requests are used, so that the imports are not kept waiting for
        days when a whole company gets new addresses. Raises what the session does.
        """
        recording, changes = self._recording, planning.address_changes
        self._to_clear = recording.counts.cleared
        # From here on they tell what was done.
        recording.counts = replace(recording.counts, cleared=0, readdressed=0)
        if changes:
            today = changes[: max(1, self._rest_of_today() // 2 // _REQUESTS)]
            self._progress.step("Changing addresses", len(today))
            readdressing = Readdressing(
                self._store, self._account, self._session, self._clock, self._progress.advance
            )
            done = readdressing.result
            try:
                readdressing.run(recording.run_id, today)
                batches = planning.compare_readdressed()
                self._to_clear = recording.counts.cleared
                if waiting := len(planning.address_changes):
                    recording.notes.append(
                        f"{waiting:,} of the new addresses could not be changed there yet; these "
                        "people are left as they are until the next run."
                    )
            finally:
                recording.counts = replace(
                    recording.counts,
                    cleared=0,
                    readdressed=done.contacts,
                    warnings=recording.counts.warnings + len(done.failed),
                )
                for failed in done.failed:
                    recording.rejects.add(from_not_readdressed(failed))
        if self._settings.source.key_column is not None:
            with self._store.write() as connection:
                address_changes.note_keys(connection, self._account, recording.run_id)
        return batches

    def _rest_of_today(self) -> int:
        """How many requests today may still send something."""
        options, application = self._settings.api, self._settings.oauth.client_id
        most = options.requests_per_day - options.requests_reserved
        return rest_of_today(self._store, application, self._account, self._clock(), most)

    def clear(self, custom_field_names: dict[str, str]) -> None:
        """Clear what the source has emptied, as far as today's quota goes.

        Raises what the session does.
        """
        recording = self._recording
        if not self._to_clear:
            return  # else everybody would be looked through for nobody
        self._progress.step("Clearing what the source has emptied", self._to_clear)
        clearing = Clearing(
            self._store,
            self._account,
            self._session,
            custom_field_names,
            self._progress.advance,
        )
        done = clearing.result
        try:
            clearing.run(recording.run_id)
            if done.waiting:
                recording.notes.append(
                    "Today's requests did not suffice to clear all that the source has emptied; "
                    "the next run clears the rest."
                )
        finally:
            refused = sum(failed.refused for failed in done.failed)
            recording.counts = replace(
                recording.counts,
                cleared=done.contacts,
                refused=recording.counts.refused + refused,
                warnings=recording.counts.warnings + len(done.failed) - refused,
            )
            for failed in done.failed:
                recording.rejects.add(from_not_cleared(failed))
