"""One run, in the order in which it is told here.

Nothing is sent before the guard has passed, and only what is confirmed is taken for granted by
the next run.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple, replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from sync import plan
from sync.api import catalog
from sync.api.limits import Limits
from sync.api.session import ATTEMPTS, ApiSession, TokenSource
from sync.auth.vault import Vault
from sync.clock import Clock, utc_now
from sync.contact.mapping import ColumnMapping, map_columns
from sync.contact.rules import Rules
from sync.delivery import Delivered, Delivery
from sync.destination import Destination, read_destination, remembered_destination
from sync.errors import AuthorizationNeeded, ContactSyncError
from sync.incremental import Reading, begin_reading, remember_reading
from sync.loading import configured_rules, load, merge_bodies, open_configured
from sync.observe import observe, observe_changed
from sync.progress import Progress, Silent
from sync.readback import ReadBack
from sync.recording import Recording, recorded
from sync.rejections import from_duplicate, from_opt_out, from_refusal
from sync.settings import Settings
from sync.source import ContactSource, Place
from sync.state import audience, staging
from sync.state.outbox import BatchPlan, Outbox
from sync.state.runs import Runs
from sync.state.staging import Action, Keep
from sync.state.store import Store
from sync.stop import Stop

_log = structlog.get_logger()
_NO_WAIT = timedelta(0)


class TokenUnusable(AuthorizationNeeded):
    """A dry run's token was answered with 401, and a dry run refreshes none."""


class Run:
    """What the steps of one run share."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        vault: Vault,
        *,
        stop: Stop,
        progress: Progress | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._stop = stop
        self._progress = progress or Silent()
        self._clock = clock
        self._account = settings.account.name
        self._outbox = Outbox(store, self._account)
        self._rules = Rules(settings.consent)
        self._place: Callable[[int], Place] = lambda row: Place("", row)
        self._may_have_sms = False

    def sync(self, *, wait: timedelta = _NO_WAIT) -> Recording:
        """Bring the source into the account; raises a ContactSyncError, which is recorded."""
        self._settle_pair()
        with (
            self._recorded(wait, dry_run=False) as recording,
            self._api(self._vault, recording) as session,
        ):
            self._resume(recording, session)
            reading = begin_reading(self._settings, self._store, self._clock())
            source, mapping = self._look_at_source(recording, reading)
            self._authenticate()
            destination = read_destination(session, self._store, self._settings, mapping)
            self._load(recording, source, mapping, destination)
            self._observe(session)
            batches = self._plan(recording, session)
            self._guard(recording)
            destination.create_missing(session, self._store)
            self._record_batches(recording, batches)
            self._send_and_confirm(recording, session, destination.custom_field_names)
            remember_reading(self._settings, self._store, reading, source)
        return recording

    def dry_run(self, *, wait: timedelta = _NO_WAIT) -> Recording:
        """Plan only: nothing is written to Constant Contact, and no token is refreshed.

        Without a valid access token it plans from what the state knows.
        """
        token = _OneToken(self._vault.usable_access_token())
        with (
            self._recorded(wait, dry_run=True) as recording,
            self._api(token, recording) as session,
        ):
            self._discard_staged()
            reading = begin_reading(self._settings, self._store, self._clock())
            source, mapping = self._look_at_source(recording, reading)
            destination = self._destination_without_refresh(recording, session, mapping)
            self._load(recording, source, mapping, destination)
            self._plan(recording, None if recording.offline else session)
            self._guard(recording)
            self._discard_staged()
        return recording

    def _destination_without_refresh(
        self, recording: Recording, session: ApiSession, mapping: ColumnMapping
    ) -> Destination:
        try:
            destination = read_destination(session, self._store, self._settings, mapping)
            self._observe(session)
        except TokenUnusable:
            recording.offline = True
            return remembered_destination(self._store, self._settings, mapping)
        return destination

    def _settle_pair(self) -> None:
        """Finish what an earlier process left of the token pair; a failure is not the run's end.

        Before everything else, since a source that fails would otherwise keep a lost answer
        waiting beyond what grace the service may allow. Whether the pair can be used is said when
        it is.
        """
        try:
            self._vault.settle()
        except ContactSyncError as error:
            _log.warning("the token pair could not be settled", reason=str(error))

    def _recorded(self, wait: timedelta, *, dry_run: bool) -> AbstractContextManager[Recording]:
        return recorded(self._settings, self._store, self._clock, wait=wait, dry_run=dry_run)

    @contextmanager
    def _api(self, tokens: TokenSource, recording: Recording) -> Iterator[ApiSession]:
        session = open_session(self._settings, self._store, tokens, self._stop, self._clock)
        try:
            yield session
        finally:
            session.close()
            recording.counts = replace(recording.counts, requests=session.requests_sent)

    def _resume(self, recording: Recording, session: ApiSession) -> None:
        """Settle what an interrupted run left in the outbox.

        Nothing is posted here: what the run had not posted yet is planned anew, after it was read
        who unsubscribed or left a list meanwhile.
        """
        waiting = self._outbox.open()
        if waiting:
            contacts = sum(entry.contacts for entry in waiting)
            self._progress.step("Settling an interrupted run", contacts)
            _log.info("resuming", batches=len(waiting), contacts=contacts)
            delivery = self._delivery(session, catalog.custom_fields(session))
            try:
                delivery.settle_interrupted()
            finally:
                recording.resumed = delivery.result.confirmed
                self._note_refused(recording, delivery.result)
        self._discard_staged()

    def _look_at_source(
        self, recording: Recording, reading: Reading
    ) -> tuple[ContactSource, ColumnMapping]:
        self._rules = configured_rules(self._settings)
        source = open_configured(self._settings, since=reading.since)
        recording.source = source.description
        recording.partial = reading.since is not None
        recording.rejects.place = lambda row: astuple(source.place(row))
        self._place = source.place
        mapping = map_columns(source.header, self._rules)
        self._may_have_sms = mapping.has_sms
        return source, mapping

    def _authenticate(self) -> None:
        self._progress.step("Authenticating")
        self._vault.access_token()

    def _load(
        self,
        recording: Recording,
        source: ContactSource,
        mapping: ColumnMapping,
        destination: Destination,
    ) -> None:
        self._progress.step("Reading and checking the source")
        loaded = load(
            recording.run_id,
            source,
            mapping,
            self._rules,
            destination,
            recording.rejects,
            store=self._store,
            progress=self._progress,
            stop=self._stop,
        )
        recording.counts = replace(
            recording.counts,
            rows_read=loaded.rows,
            rejected=loaded.rejected,
            withheld=loaded.withheld,
            warnings=loaded.warnings,
        )
        if not recording.offline:
            destination.refuse_missing()

    def _observe(self, session: ApiSession) -> None:
        self._progress.step("Reading who unsubscribed, was deleted or left a list")
        observe(session, self._store, self._account, self._clock())

    def _plan(self, recording: Recording, session: ApiSession | None) -> list[BatchPlan]:
        """Compare the source with what is there, and tell what is left out; returns the batches."""
        self._progress.step("Comparing")
        run_id = recording.run_id
        with self._store.write() as connection:
            keep = Keep(self._settings.duplicates.keep)
            duplicates = staging.drop_duplicates(connection, run_id, keep, merge_bodies)
            staging.compare(connection, self._account, run_id)
        if session is not None and observe_changed(
            session, self._store, self._account, run_id, self._clock()
        ):
            with self._store.write() as connection:
                staging.compare(connection, self._account, run_id)
        with self._store.write() as connection:
            actions = staging.counts(connection, run_id)
            # A partial read can't tell who is gone from the source.
            gone = 0 if recording.partial else staging.gone(connection, self._account, run_id)
            left_out = staging.opted_out(connection, self._account, run_id)
            batches = self._batches(connection, run_id)
        for duplicate in duplicates:
            winner = self._place(duplicate.winner)
            recording.rejects.add(from_duplicate(duplicate, keep, winner))
        for row in left_out:
            recording.rejects.add(from_opt_out(row))
        recording.batches = len(batches)
        recording.payload_bytes = sum(batch.bytes for batch in batches)
        recording.counts = replace(
            recording.counts,
            new=actions[Action.NEW],
            changed=actions[Action.CHANGED],
            unchanged=actions[Action.UNCHANGED],
            opted_out=actions[Action.OPTED_OUT],
            rejected=recording.counts.rejected + actions[Action.OPTED_OUT],
            duplicates=len(duplicates),
            gone=gone,
        )
        return batches

    def _guard(self, recording: Recording) -> None:
        if recording.partial and not recording.counts.valid:
            return  # nothing changed in the source
        with self._store.read() as connection:
            known = audience.size(connection, self._account)
        # A partial read has not seen the whole source, so its size says nothing.
        last = None
        if not recording.partial:
            last = Runs(self._store, self._account).last_synced(whole=True)
        plan.guard(
            recording.counts,
            known=known,
            last=last.counts if last else None,
            limits=self._settings.guard,
        )

    def _record_batches(self, recording: Recording, batches: list[BatchPlan]) -> None:
        # They hold for lists that were made since: a stand-in is as long as an id.
        with self._store.write() as connection:
            self._outbox.record(connection, recording.run_id, batches, self._clock())

    def _batches(self, connection: Connection, run_id: int) -> list[BatchPlan]:
        list_ids = staging.lists_to_send(connection, run_id)
        rows = staging.to_send(connection, run_id)
        return list(plan.batches(rows, list_ids, self._settings.api, sms=self._may_have_sms))

    def _send_and_confirm(
        self, recording: Recording, session: ApiSession, custom_field_names: dict[str, str]
    ) -> None:
        counts = recording.counts
        self._progress.step("Sending and confirming", counts.new + counts.changed)
        delivery = self._delivery(session, custom_field_names)
        try:
            delivery.run()
        finally:
            recording.counts = replace(counts, confirmed=delivery.result.confirmed)
            self._note_refused(recording, delivery.result)
        self._discard_staged()

    def _delivery(self, session: ApiSession, custom_field_names: dict[str, str]) -> Delivery:
        return Delivery(
            self._outbox,
            session,
            ReadBack(self._outbox, session, custom_field_names),
            self._settings.api,
            self._stop,
            self._clock,
            self._progress.advance,
        )

    def _note_refused(self, recording: Recording, delivered: Delivered) -> None:
        for refused in delivered.refused:
            recording.rejects.add(from_refusal(refused))
        counts = recording.counts
        recording.counts = replace(counts, refused=counts.refused + len(delivered.refused))

    def _discard_staged(self) -> None:
        with self._store.write() as connection:
            staging.discard_settled(connection, self._account)


def open_session(
    settings: Settings,
    store: Store,
    tokens: TokenSource,
    stop: Stop,
    clock: Clock = utc_now,
    *,
    attempts: int = ATTEMPTS,
) -> ApiSession:
    """A session of the configured application, within its limits."""
    limits = Limits(
        store,
        settings.oauth.client_id,
        per_second=settings.api.requests_per_second,
        per_day=settings.api.requests_per_day,
        stop=stop,
        clock=clock,
    )
    return ApiSession(
        settings.api.base_url,
        tokens,
        limits,
        stop,
        timeout=settings.api.timeout,
        clock=clock,
        attempts=attempts,
    )


class _OneToken:
    """Hands out one token, if there is one, and renews none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def access_token(self) -> str:
        if self._token is None:
            raise TokenUnusable("There is no valid access token, and a dry run refreshes none.")
        return self._token

    def renew(self, rejected: str) -> str:  # noqa: ARG002 (the protocol's signature)
        raise TokenUnusable("The access token is not accepted, and a dry run refreshes none.")
