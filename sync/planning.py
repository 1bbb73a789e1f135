"""The plan step of a run: the source compared with what is there, the guard, and the batches.

It writes what it decided beside the staged contacts, so that a plan which was stopped can be
looked at, and carried out later as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import chain

import pyarrow as pa
from sqlalchemy import Connection

from sync import plan
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.contact.mapping import ColumnMapping
from sync.contact.ownership import owned_by_constant_contact
from sync.contact.rewriting import emptied
from sync.contact.suppression import Suppressed
from sync.errors import GuardStopped, SourceEmpty
from sync.loading import merge_bodies
from sync.observe import observe_to_send
from sync.outlook import outlook
from sync.portions import portions
from sync.recording import Recording
from sync.rejections import (
    from_ambiguous,
    from_duplicate,
    from_held_back,
    from_opt_out,
    from_suppressed,
)
from sync.settings import Settings
from sync.settings.options import GoneAction
from sync.source import Place
from sync.state import (
    address_changes,
    audience,
    comparison,
    follow_ups,
    kept_plans,
    refusals,
    staging,
    uncleared,
)
from sync.state.address_changes import AddressChange, Decided
from sync.state.comparison import Action, OptedOut
from sync.state.duplicates import Duplicate, Keep, drop_duplicates
from sync.state.kept_plans import KeptPlan
from sync.state.outbox import BatchPlan
from sync.state.refusals import Refusal
from sync.state.runs import Counts, Runs
from sync.state.store import Store
from sync.stop import Stop

_CHECKED_AT_ONCE = 10_000
# Up to this share of what is staged are few to send.
_FEW = 0.1
# Of an account that can't be asked: its lists, its fields, who opted out, who was changed.
_READ_AT_LEAST = 4


class Planning:
    """Plans one run."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        recording: Recording,
        clock: Clock,
        *,
        stop: Stop,
        place: Callable[[int], Place],
        mapping: ColumnMapping,
    ) -> None:
        self._settings = settings
        self._store = store
        self._recording = recording
        self._clock = clock
        self._stop = stop
        self._place = place
        self._sms = mapping.has_sms
        names, left_alone = mapping.import_names, settings.mapping.owned_by_constant_contact
        self._owned = names - owned_by_constant_contact(names, left_alone)
        self._addresses = Decided()
        self._readdressed = False
        self._carried = Counts()
        self._actions: Mapping[Action, int] = {}
        self._known = 0
        self._left_out = 0
        self._held_back = 0
        self._told: set[int] = set()
        self._again_after = timedelta(days=settings.api.refused_again_days)
        self._account = settings.account.name

    def compare(self, session: ApiSession | None) -> list[BatchPlan]:
        """Compare the source with what is there, and tell what is left out; returns the batches.

        Without a session it plans from what is known.
        """
        self._drop_duplicates()
        self._decide()
        return self._foresee(session, self._look_and_count(session))

    def compare_again(
        self, session: ApiSession, kept: KeptPlan, planned: Counts, suppressed: Suppressed
    ) -> list[BatchPlan]:
        """Take over what another run has `planned`; nobody is added, some may be left out.

        Left out is who unsubscribed, was deleted, left the lists or became suppressed since.
        """
        run_id = self._recording.run_id
        with self._store.write() as connection:
            kept_plans.take_over(connection, kept, run_id)
        self._leave_out(suppressed)
        with self._store.read() as connection:
            actions = comparison.counts(connection, run_id)
        still = sum(actions.values()) - actions[Action.LEFT_OUT]
        withheld = planned.new + planned.changed - still
        self._recording.counts = replace(
            self._recording.counts,
            rows_read=planned.rows_read,
            rejected=planned.rejected + withheld,
            withheld=planned.withheld + withheld,
            duplicates=planned.duplicates,
            warnings=planned.warnings,
        )
        self._carried = Counts(unchanged=planned.unchanged, opted_out=planned.opted_out)
        self._decide_again()
        return self._foresee(session, self._look_and_count(session))

    @property
    def address_changes(self) -> tuple[AddressChange, ...]:
        """Whose address is to be changed there before anything is sent."""
        return self._addresses.changes

    def compare_readdressed(self) -> list[BatchPlan]:
        """Compare again once that was tried; who has the former address still waits."""
        self._readdressed = True
        self._decide_again()
        return self._look_and_count(None)

    def guard(self, made: KeptPlan) -> None:
        """Raise GuardStopped when the plan looks like an accident in the source.

        What is stopped is kept for a person, as is what a dry run plans; what other runs have
        kept is past then.
        """
        recording = self._recording
        stopped = self._judge()
        with self._store.write() as connection:
            if not isinstance(stopped, SourceEmpty) and (stopped or recording.dry_run):
                kept_plans.keep(connection, self._account, made)
            kept_plans.replace_others(
                connection, self._account, made.run_id, dry_run=recording.dry_run
            )
        if isinstance(stopped, SourceEmpty):
            raise stopped
        if stopped is not None:
            raise GuardStopped(f"{stopped} {_advice(made.run_id, dry_run=recording.dry_run)}")

    def _judge(self) -> GuardStopped | None:
        recording = self._recording
        if recording.partial and not recording.counts.valid:
            return None  # nothing changed in the source
        # A partial read has not seen the whole source, so its size says nothing.
        last = None
        if not recording.partial:
            last = Runs(self._store, self._account).last_synced(whole=True)
        try:
            plan.guard(
                recording.counts,
                known=self._known,
                last=last.counts if last else None,
                limits=self._settings.guard,
            )
        except GuardStopped as stopped:
            return stopped
        return None

    def _look_and_count(self, session: ApiSession | None) -> list[BatchPlan]:
        run_id = self._recording.run_id
        if session is not None and observe_to_send(
            session,
            self._store,
            self._account,
            run_id,
            self._actions,
            self._clock(),
            known=self._known,
        ):
            self._decide_again()
        with self._write() as connection:
            self._count(connection)
        with self._write() as connection:
            batches = self._batches(connection)
        self._recording.batches = len(batches)
        self._recording.payload_bytes = sum(batch.bytes for batch in batches)
        return batches

    def _foresee(self, session: ApiSession | None, batches: list[BatchPlan]) -> list[BatchPlan]:
        """Note what the plan will cost."""
        self._recording.outlook = outlook(
            self._settings,
            self._store,
            self._recording.counts,
            self._clock(),
            imports=len(batches),
            reading=session.requests_sent if session else _READ_AT_LEAST,
            known=self._known,
        )
        return batches

    def _leave_out(self, suppressed: Suppressed) -> None:
        """Leave out who must not be written to any more."""
        if not len(suppressed):
            return
        run_id = self._recording.run_id
        with self._store.write() as connection:
            held: list[int] = []
            for some in portions(kept_plans.addresses(connection, run_id), _CHECKED_AT_ONCE):
                emails = pa.array([email for _, email in some], pa.large_string())
                mask = suppressed.holds(emails)
                for (row, email), holds in zip(some, mask, strict=True):
                    if holds:
                        held.append(row)
                        self._recording.rejects.add(from_suppressed(row, email))
            kept_plans.leave_out(connection, run_id, held)

    def _drop_duplicates(self) -> None:
        keep = Keep(self._settings.duplicates.keep)

        def tell(duplicate: Duplicate) -> None:
            winner = self._place(duplicate.winner)
            self._recording.rejects.add(from_duplicate(duplicate, keep, winner))

        owned = self._settings.mapping.owned_by_constant_contact
        with self._write() as connection:
            staging.all_staged(connection)
            dropped = drop_duplicates(
                connection,
                self._recording.run_id,
                tell,
                keep=keep,
                merge=partial(merge_bodies, owned=owned),
            )
        self._recording.counts = replace(self._recording.counts, duplicates=dropped)

    def _decide_again(self) -> None:
        with self._write() as connection:
            comparison.forget(connection, self._recording.run_id)
        self._decide()

    def _decide(self) -> None:
        account, run_id = self._account, self._recording.run_id
        with self._write() as connection:
            revive = self._settings.observe.revive_deleted
            comparison.compare(connection, account, run_id, revive_deleted=revive)
            self._known = audience.size(connection, account)
            self._addresses = address_changes.decide(
                connection, account, run_id, revive_deleted=revive
            )
            if self._readdressed:
                address_changes.leave_for_later(connection, run_id, self._addresses.changes)
            self._actions = comparison.counts(connection, run_id)
        # On most days there is nobody of whom more must be known, for which to look at all.
        to_send = self._actions[Action.NEW] + self._actions[Action.CHANGED]
        if not to_send:
            return
        with self._write() as connection:
            if to_send <= _FEW * sum(self._actions.values()):
                staging.few_differ(connection)
            since = self._clock() - self._again_after
            if refusals.hold_back(connection, account, run_id, since):
                self._actions = comparison.counts(connection, run_id)
            follow_ups.hold_lists(connection, account, run_id)
            uncleared.note(connection, account, run_id, self._emptied)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction of the plan; a stop comes between them, since many contacts take long."""
        self._stop.check()
        with self._store.write() as connection:
            yield connection

    def _emptied(self, before: str, now: str, uncleared: Iterable[str]) -> tuple[str, ...]:
        # What Constant Contact owns is not ours to clear.
        return emptied(before, now, uncleared, self._owned)

    def _count(self, connection: Connection) -> None:
        recording = self._recording
        actions = self._actions
        held_back = actions[Action.REFUSED]
        # A partial read can't tell who is gone from the source.
        gone = 0
        if not recording.partial:
            gone = comparison.gone(
                connection, self._account, recording.run_id, actions, known=self._known
            )
        self._tell_left_out(connection, actions)
        recording.counts = replace(
            recording.counts,
            new=actions[Action.NEW],
            changed=actions[Action.CHANGED],
            unchanged=actions[Action.UNCHANGED] + held_back + self._carried.unchanged,
            refused=recording.counts.refused + held_back - self._held_back,
            opted_out=actions[Action.OPTED_OUT] + self._carried.opted_out,
            rejected=recording.counts.rejected + actions[Action.OPTED_OUT] - self._left_out,
            gone=gone,
            cleared=uncleared.count(
                connection, self._account, recording.run_id, changed=actions[Action.CHANGED]
            ),
            readdressed=len(self._addresses.changes),
        )
        self._left_out, self._held_back = actions[Action.OPTED_OUT], held_back
        self._count_follow_ups(connection)

    def _tell_left_out(self, connection: Connection, actions: Mapping[Action, int]) -> None:
        """Tell whom an opt-out or a refusal leaves out, and whose key is of no use; each once."""
        recording = self._recording
        held_back: Iterator[Refusal] = iter(())
        if actions[Action.REFUSED]:
            held_back = refusals.held_back(connection, self._account, recording.run_id)
        for refused in held_back:
            if refused.row not in self._told:
                self._told.add(refused.row)
                recording.rejects.add(from_held_back(refused, self._again_after))
        by_address: Iterator[OptedOut] = iter(())
        if actions[Action.OPTED_OUT]:
            by_address = comparison.opted_out(connection, self._account, recording.run_id)
        for row in chain(by_address, self._addresses.opted_out):
            if row.row not in self._told:
                self._told.add(row.row)
                recording.rejects.add(from_opt_out(row))
        for each in self._addresses.ambiguous:
            if each.row not in self._told:
                self._told.add(each.row)
                recording.rejects.add(from_ambiguous(each))
                warnings = recording.counts.warnings + 1
                recording.counts = replace(recording.counts, warnings=warnings)

    def _count_follow_ups(self, connection: Connection) -> None:
        recording, options = self._recording, self._settings.gone
        run_id = recording.run_id
        away = 0
        deleting = options.action is GoneAction.DELETE
        if options.action is not GoneAction.KEEP and not recording.partial:
            away = follow_ups.count_gone(
                connection, self._account, run_id, options.after_runs, delete=deleting
            )
        recording.counts = replace(
            recording.counts,
            moved=follow_ups.count_moved(connection, run_id) if recording.counts.changed else 0,
            tagged=follow_ups.count_tagged(connection, self._account, run_id),
            removed=0 if deleting else away,
            deleted=away if deleting else 0,
        )

    def _batches(self, connection: Connection) -> list[BatchPlan]:
        counts = self._recording.counts
        if not counts.new + counts.changed:
            return []
        to_send = staging.ToSend(connection, self._recording.run_id)
        return list(plan.batches(to_send, self._settings.api, sms=self._sms))


def _advice(run_id: int, *, dry_run: bool) -> str:
    show = f"contact-sync plan show {run_id}"
    if dry_run:
        return f"A sync would be stopped likewise. Look at the plan with {show}."
    return (
        f"Look at the plan with {show}; if it is right, send exactly that with contact-sync plan "
        f"approve {run_id}, else mend the source."
    )
