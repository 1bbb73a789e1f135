"""The whole audience read back, and held against what was sent.

What a person changed there since is drift: it is told, and by choice sent again by the next sync,
since the source owns it; so are tags that we gave and somebody took away. Nobody is put back on a
list, and nobody is revived. Each page is noted by itself, and what is noted is what was seen, so
that a verify may end anywhere. At its end all is known that `sync.observe` would learn by reading
everything.
"""

from collections.abc import Iterator
from datetime import datetime

from sync.api import catalog, contacts
from sync.api.catalog import CustomFields
from sync.api.contacts import Contact
from sync.api.session import ApiSession
from sync.contact.canonical import fingerprint
from sync.contact.ownership import owned_by_constant_contact
from sync.contact.remote import Difference, body_as_seen, differences
from sync.observe import note_people
from sync.portions import portions
from sync.progress import Progress
from sync.report.drift import Done, Drift, DriftFile, Owner
from sync.settings import Settings
from sync.state import audience, observations, seen
from sync.state.audience import Observed
from sync.state.bulk_changes import BulkChanges, BulkKind
from sync.state.id_sets import LISTS, TAGS
from sync.state.runs import Runs
from sync.state.seen import Known, Seen, Unseen
from sync.state.store import Store

# So many of those who were not on any page are asked for by address before they are called missing.
_ASKED = 50


def due(settings: Settings, store: Store) -> bool:
    """Whether a run is to verify first: enough others have synced since the last time."""
    account = settings.account.name
    every = settings.verify.every_runs
    if not every or Runs(store, account).synced_since_verified() + 1 < every:
        return False
    with store.read() as connection:
        return audience.size(connection, account) > 0


class Verification:
    """Verifies one account once, at `now`."""

    def __init__(
        self,
        settings: Settings,
        session: ApiSession,
        store: Store,
        drift: DriftFile,
        progress: Progress,
        now: datetime,
    ) -> None:
        self._account = settings.account.name
        self._owned = settings.mapping.owned_by_constant_contact
        self._session = session
        self._store = store
        self._drift = drift
        self._progress = progress
        self._now = now
        self._changes = BulkChanges(store, self._account)
        self._custom_fields = CustomFields({}, {}, {})
        self._names: dict[str, str] = {}

    def run(self) -> None:
        """Fill the drift file, and note what was seen; raises what the API session raises.

        With the file's `repair` the state believes what was seen, so that the next comparison with
        the source finds these contacts changed.
        """
        self._custom_fields = catalog.typed_custom_fields(self._session)
        with self._store.read() as connection:
            for sets in (LISTS, TAGS):
                known = sets.remembered(connection, self._account)
                self._names |= {each: name for name, each in known.items()}
            self._progress.step(
                "Reading the whole audience back", audience.size(connection, self._account)
            )
        for some in portions(contacts.whole_audience(self._session), contacts.PAGE):
            self._look_at(some)
        with self._store.write() as connection:
            everything = Observed(until=self._now, full_at=self._now)
            audience.set_observed(connection, self._account, everything)
            observations.name_lists(connection, self._account)
        self._tell_missing()

    def _look_at(self, some: list[Contact]) -> None:
        there = {email: each for each in some if (email := contacts.address_of(each))}
        with self._store.read() as connection:
            ours = seen.known(connection, self._account, there)
            list_ids = {
                set_id: LISTS.ids_of(connection, set_id)
                for set_id in {each.list_set_id for each in ours}
            }
            tag_ids = {
                set_id: TAGS.ids_of(connection, set_id)
                for set_id in {each.tag_set_id for each in ours}
                if set_id is not None
            }
        corrected = []
        untagged: dict[str, list[str]] = {}
        for known in ours:
            contact = there[known.email]
            self._drift.compared += 1
            if contacts.is_out(contact):
                continue
            self._tell_lists(known.email, list_ids[known.list_set_id], contact)
            different = self._different(known, contact)
            lost = _lost(tag_ids.get(known.tag_set_id or 0, ()), contact)
            self._tell_owned(known.email, different, lost)
            for tag_id in lost:
                untagged.setdefault(tag_id, []).append(known.email)
            if different:
                body = body_as_seen(known.body, different)
                corrected.append(Seen(known.email, body, fingerprint(body.encode())))
        with self._store.write() as connection:
            note_people(connection, self._account, some, self._now)
            seen.see(connection, self._account, [known.email for known in ours], self._now)
            if self._drift.repair:
                seen.believe(connection, self._account, corrected)
        if self._drift.repair:
            for tag_id, emails in untagged.items():
                self._changes.made(BulkKind.REMOVE_TAG, tag_id, emails, self._now)
        self._progress.advance(len(ours))

    def _different(self, known: Known, contact: Contact) -> list[Difference]:
        fields = self._custom_fields
        found = differences(known.body, contact, fields.names_by_id, fields.labels)
        names = [each.field for each in found]
        left_alone = owned_by_constant_contact(names, self._owned)
        return [each for each in found if each.field not in left_alone]

    def _tell_owned(self, email: str, different: list[Difference], lost: list[str]) -> None:
        """Tell of fields and tags, of which the source has the last word."""
        self._drift.contacts += bool(different or lost)
        done = Done.SENT_AGAIN if self._drift.repair else Done.LEFT
        for each in different:
            theirs = "" if each.theirs is None else str(each.theirs)
            self._drift.add(Drift(email, each.field, str(each.ours), theirs, Owner.SOURCE, done))
        for tag_id in lost:
            name = self._names.get(tag_id, tag_id)
            self._drift.add(Drift(email, "tag", name, "", Owner.SOURCE, done))

    def _tell_lists(self, email: str, list_ids: tuple[str, ...], contact: Contact) -> None:
        for list_id in sorted({*list_ids} - {*(contact.get("list_memberships") or ())}):
            name = self._names.get(list_id, list_id)
            self._drift.add(Drift(email, "list", name, "", Owner.PERSON, Done.NOT_PUT_BACK))

    def _tell_missing(self) -> None:
        """Tell who is not there, though nobody is known to have unsubscribed or deleted them.

        Whoever was never seen there has not arrived, and is sent again when that is wanted.
        Whoever was seen once was erased there, or has another address, and is not put back; the
        state forgets them once the source has them no more either.
        """
        for some in portions(self._missing()):
            forgotten = []
            for each in some:
                if each.seen_before and not each.in_source:
                    forgotten.append(each.email)
                    continue
                self._drift.contacts += 1
                if each.seen_before:
                    owner, done = Owner.PERSON, Done.NOT_PUT_BACK
                else:
                    owner = Owner.SOURCE
                    done = Done.SENT_AGAIN if self._drift.repair else Done.LEFT
                if done is Done.SENT_AGAIN:
                    forgotten.append(each.email)
                self._drift.add(Drift(each.email, "contact", "there", "missing", owner, done))
            with self._store.write() as connection:
                seen.forget(connection, self._account, forgotten)

    def _missing(self) -> Iterator[Unseen]:
        """Who was on no page, and is not there either when asked for.

        A page may have been skipped while people changed: when one of the first is there after
        all, each of the others is asked for too.
        """
        asked = found = 0
        for each in seen.unseen(self._store, self._account, self._now):
            if asked < _ASKED or found:
                asked += 1
                contact = contacts.by_address(self._session, each.email)
                if contact is not None:
                    found += 1
                    self._look_at([contact])
                    continue
            yield each


def _lost(tag_ids: tuple[str, ...], contact: Contact) -> list[str]:
    """Those of the tags that the contact does not have; others than ours say nothing."""
    there = contact.get("taggings")
    return sorted({*tag_ids} - {*there}) if isinstance(there, list) else []
