"""One run, in the order in which it is told here.

Nothing is sent before the guard has passed, and only what is confirmed is taken for granted by
the next run.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import datetime, timedelta

import structlog

from sync.api import catalog
from sync.api.claims import want
from sync.api.session import ApiSession, TokenSource
from sync.approving import approvable
from sync.auth.vault import Vault
from sync.clock import Clock, utc_now
from sync.contact.mapping import ColumnMapping, map_columns
from sync.contact.rules import Rules
from sync.destination import Destination, read_destination, remembered_destination
from sync.errors import ContactSyncError
from sync.feedback import feed_back
from sync.incremental import Reading, begin_reading, remember_reading
from sync.loading import configured_rules, load, open_configured
from sync.observe import observe, with_news
from sync.opening import OneToken, TokenUnusable, open_session
from sync.planning import Planning
from sync.progress import Progress, Silent
from sync.rechecking import basis_of
from sync.recording import Recording, recorded
from sync.sending import Sending, discard_staged
from sync.settings import Settings
from sync.source import ContactSource, Place
from sync.state import kept_plans
from sync.state.checked_rows import CheckedRows
from sync.state.kept_plans import KeptPlan
from sync.state.outbox import Outbox
from sync.state.runs import RunKind
from sync.state.store import Store
from sync.stop import Stop
from sync.verification import Verification, due

_log = structlog.get_logger()
_NO_WAIT = timedelta(0)
_READS_ACCOUNT = "account_read"


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
        self._rules = Rules(settings.consent)
        self._held = False

    def sync(self, *, wait: timedelta = _NO_WAIT) -> Recording:
        """Bring the source into the account; raises a ContactSyncError, which is recorded."""
        self._settle_pair()
        with (
            self._recorded(wait, dry_run=False) as recording,
            self._api(self._vault, recording) as session,
        ):
            sending = self._resumed(recording, session)
            reading = begin_reading(self._settings, self._store, self._clock())
            source, mapping = self._look_at_source(recording, reading)
            self._authenticate(session)
            destination = read_destination(session, self._store, self._settings, mapping)
            self._load(recording, reading, source, mapping, destination)
            if due(self._settings, self._store):
                self._read_back(recording, session, repair=self._settings.verify.repair)
            else:
                self._observe(recording, session)
            self._progress.step("Comparing")
            planning = self._planning(recording, mapping, source.place)
            batches = planning.compare(session)
            planning.guard(self._made_plan(recording, reading, source, destination))
            destination.create_missing(session, self._store)
            sending.record(sending.single_contacts.readdress(planning, batches))
            sending.run(destination.custom_field_names)
            self._feed_back(recording)
            sending.refuse_failed()
            if not planning.address_changes:  # who waits with one must be read again
                remember_reading(self._settings, self._store, reading, source)
        return recording

    def dry_run(self, *, wait: timedelta = _NO_WAIT) -> Recording:
        """Plan only: nothing is written to Constant Contact, and no token is refreshed.

        Without a valid access token it plans from what the state knows.
        """
        token = OneToken(self._vault.usable_access_token())
        with (
            self._recorded(wait, dry_run=True) as recording,
            self._api(token, recording) as session,
        ):
            self._discard_staged()
            reading = begin_reading(self._settings, self._store, self._clock())
            source, mapping = self._look_at_source(recording, reading)
            destination = self._destination_without_refresh(recording, session, mapping)
            self._load(recording, reading, source, mapping, destination)
            self._progress.step("Comparing")
            planning = self._planning(recording, mapping, source.place)
            planning.compare(None if recording.offline else session)
            planning.guard(self._made_plan(recording, reading, source, destination))
            self._discard_staged()
        return recording

    def approve(self, number: int, *, wait: timedelta = _NO_WAIT) -> Recording:
        """Carry out the plan of a run that the guard has stopped, as it was made.

        Who ended it since is left out; nobody is added. Raises UsageError when there is no such
        plan, or it is past, and what `sync` raises.
        """
        approvable(self._settings, self._store, number)
        self._settle_pair()
        with (
            self._recorded(wait, dry_run=False) as recording,
            self._api(self._vault, recording) as session,
        ):
            # Once more, since another run may have planned while this one waited for the lock.
            approved = approvable(self._settings, self._store, number)
            recording.approves, recording.source = number, approved.plan.source
            recording.partial = approved.plan.partial
            sending = self._resumed(recording, session)
            self._authenticate(session)
            self._rules = configured_rules(self._settings)
            mapping = map_columns(approved.plan.header, self._rules)
            destination = read_destination(session, self._store, self._settings, mapping)
            destination.want(approved.plan.missing_lists, approved.plan.missing_tags)
            self._observe(recording, session)
            self._progress.step("Comparing")
            # The rows of an approved plan are known by their number over all files alone.
            planning = self._planning(recording, mapping, lambda row: Place("", row))
            batches = planning.compare_again(
                session, approved.plan, approved.counts, self._rules.suppressed
            )
            destination.create_missing(session, self._store)
            sending.record(sending.single_contacts.readdress(planning, batches))
            sending.run(destination.custom_field_names)
            # Only now: what is stopped before can be approved again.
            with self._store.write() as connection:
                kept_plans.approve(connection, approved.plan, recording.run_id)
            sending.discard_staged()
            self._feed_back(recording)
            sending.refuse_failed()
        return recording

    def verify(self, *, repair: bool, wait: timedelta = _NO_WAIT) -> Recording:
        """Read the whole audience back; with `repair` the next sync sends again what differs."""
        self._settle_pair()
        with (
            self._recorded(wait, kind=RunKind.VERIFY) as recording,
            self._api(self._vault, recording) as session,
        ):
            self._resumed(recording, session)
            self._authenticate(session)
            self._read_back(recording, session, repair=repair)
        return recording

    def _destination_without_refresh(
        self, recording: Recording, session: ApiSession, mapping: ColumnMapping
    ) -> Destination:
        try:
            self._hold_to_account(session)
            destination = read_destination(session, self._store, self._settings, mapping)
            self._observe(recording, session)
        except TokenUnusable:
            recording.offline = True
            return remembered_destination(self._store, self._settings)
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

    @contextmanager
    def _recorded(
        self, wait: timedelta, *, dry_run: bool = False, kind: RunKind = RunKind.SYNC
    ) -> Iterator[Recording]:
        with recorded(
            self._settings,
            self._store,
            self._clock,
            wait=wait,
            stop=self._stop,
            dry_run=dry_run,
            kind=kind,
        ) as recording:
            # No request goes out without a write (its place in the pace), so none goes out when
            # another process has the lock.
            self._store = self._store.under(recording.lock)
            yield recording

    @contextmanager
    def _api(self, tokens: TokenSource, recording: Recording) -> Iterator[ApiSession]:
        session = open_session(
            self._settings, self._store, tokens, self._stop, self._clock, fairly=True
        )
        try:
            self._want(self._clock())
            yield session
        finally:
            session.close()
            self._want(None)
            recording.counts = replace(recording.counts, requests=session.requests_sent)

    def _want(self, requests_from: datetime | None) -> None:
        """Tell the other accounts of the application from when on this one wants requests."""
        try:
            want(self._store, self._settings.oauth.client_id, {self._account: requests_from})
        except ContactSyncError as error:
            _log.warning("the claim to requests could not be noted", reason=str(error))

    def _look_at_source(
        self, recording: Recording, reading: Reading
    ) -> tuple[ContactSource, ColumnMapping]:
        self._rules = configured_rules(self._settings)
        source = open_configured(self._settings, since=reading.since)
        recording.source = source.description
        recording.partial = reading.since is not None
        recording.rejects.place = lambda row: astuple(source.place(row))
        return source, map_columns(source.header, self._rules)

    def _authenticate(self, session: ApiSession) -> None:
        """Have a token that is good for long enough, and of the account that it should be of."""
        self._progress.step("Authenticating")
        self._vault.access_token()
        self._hold_to_account(session)

    def _hold_to_account(self, session: ApiSession) -> None:
        # Before anything is written: the contacts of one account are none of another's. Without
        # the scope, whose account it is can't be asked.
        if not self._held and _READS_ACCOUNT in self._vault.status().scopes:
            self._vault.pin(catalog.account_summary(session).encoded_account_id)
        self._held = True

    def _load(
        self,
        recording: Recording,
        reading: Reading,
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
            checked_rows=self._checked_rows(reading, mapping),
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

    def _checked_rows(self, reading: Reading, mapping: ColumnMapping) -> CheckedRows | None:
        """What is known of the rows of a source that is read whole."""
        if reading.since is not None:
            return None
        basis = basis_of(reading.configuration, mapping)
        return CheckedRows(self._store, self._account, basis)

    def _observe(self, recording: Recording, session: ApiSession) -> None:
        options, now = self._settings.observe, self._clock()
        observe(session, self._store, self._account, options, now, self._progress)
        self._count_news(recording)

    def _count_news(self, recording: Recording) -> None:
        recording.counts = with_news(self._store, self._account, recording.counts)

    def _read_back(self, recording: Recording, session: ApiSession, *, repair: bool) -> None:
        drift = recording.open_drift(repair=repair)
        now = self._clock()
        Verification(self._settings, session, self._store, drift, self._progress, now).run()
        recording.counts = replace(recording.counts, drift=drift.contacts)
        self._count_news(recording)

    def _planning(
        self, recording: Recording, mapping: ColumnMapping, place: Callable[[int], Place]
    ) -> Planning:
        return Planning(
            self._settings,
            self._store,
            recording,
            self._clock,
            stop=self._stop,
            place=place,
            mapping=mapping,
        )

    def _made_plan(
        self,
        recording: Recording,
        reading: Reading,
        source: ContactSource,
        destination: Destination,
    ) -> KeptPlan:
        """What must be known to carry the plan out later."""
        return KeptPlan(
            run_id=recording.run_id,
            configuration=reading.configuration,
            source=source.description,
            header=tuple(source.header),
            missing_lists=destination.missing_lists,
            missing_tags=destination.missing_tags,
        )

    def _feed_back(self, recording: Recording) -> None:
        self._progress.step("Telling the company")
        recording.notes += feed_back(self._settings, self._store, self._clock(), self._stop)

    def _resumed(self, recording: Recording, session: ApiSession) -> Sending:
        """What sends for this run, once what an interrupted one left open is settled."""
        sending = Sending(
            self._settings,
            self._store,
            recording,
            session,
            stop=self._stop,
            progress=self._progress,
            clock=self._clock,
        )
        sending.note_arrived()
        if sending.left_open:
            self._authenticate(session)
            sending.resume()
        sending.discard_staged()
        return sending

    def _discard_staged(self) -> None:
        Outbox(self._store, self._account).note_arrived()
        discard_staged(self._store, self._account)
