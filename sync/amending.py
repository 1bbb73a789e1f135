"""What follows the imports: leaving lists, tags, and contacts that are gone from the source.

Each change is one activity of up to 500 contacts. Nothing is remembered as a thing to do: what did
not come about is wanted still when the next run compares, so a failure or a kill costs a day.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog

from sync.api import bulk, contacts, imports
from sync.api.imports import Activity
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.errors import Busy, ContactSyncError, OutcomeUnknown, RequestRefused, ServiceUnavailable
from sync.identifying import identify
from sync.lost_answers import UNTIL_LISTED, find_unclaimed
from sync.portions import portions
from sync.settings import Settings
from sync.settings.options import GoneAction
from sync.state import follow_ups
from sync.state.bulk_changes import BulkChange, BulkChanges, BulkKind, activity_ids
from sync.state.follow_ups import FollowUp
from sync.state.id_sets import LISTS, TAGS
from sync.state.store import Store
from sync.stop import Stop

_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_PAUSE = timedelta(seconds=30)
_NOT_FOUND = 404
# An activity that hasn't ended by then never will.
_GIVEN_UP = timedelta(days=1)
_WHAT = {
    BulkKind.LEAVE_LIST: "taking contacts off a list",
    BulkKind.ADD_TAG: "tagging contacts",
    BulkKind.REMOVE_TAG: "taking a tag off contacts",
    BulkKind.DELETE: "deleting contacts",
}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Change:
    """Contacts (ids by address) of whom the same is wanted, as many as one request may name."""

    kind: BulkKind
    target: str
    ids: dict[str, str]


class Amending:
    """Brings about, in one account, what imports can't."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        session: ApiSession,
        stop: Stop,
        clock: Clock,
        on_changed: Callable[[int], None],
    ) -> None:
        self._on_changed = on_changed
        self._settings = settings
        self._store = store
        self._session = session
        self._stop = stop
        self._clock = clock
        self._account = settings.account.name
        self._changes = BulkChanges(store, self._account)
        self._failed: list[str] = []

    @property
    def left_open(self) -> bool:
        """Whether an earlier run has posted something that may be under way still."""
        return bool(self._changes.open())

    def settle_interrupted(self) -> None:
        """Wait for what an earlier run has posted; what was not posted is planned anew."""
        for change in self._changes.open():
            if change.activity_id is not None:
                continue
            found = self._look_for(change)
            if found is None:
                self._changes.forget(change)
            else:
                self._changes.posted(change, found.activity_id, found=True)
        self._follow(self._changes.open())
        self._failed.clear()  # what failed is planned anew, too

    def run(self, run_id: int, *, whole: bool, moved: int) -> None:
        """Make the changes that follow the run's imports; `whole` when all of the source was read.

        So many contacts were `moved` to other lists than they are on.
        What failed is told by `refuse_failed`. Raises what the API session raises.
        """
        if moved:
            self._make(lambda: follow_ups.leaving(self._store, self._account, run_id))
        self._make(lambda: follow_ups.tagging(self._store, self._account, run_id))
        gone = self._settings.gone
        if whole and gone.action is GoneAction.REMOVE:
            self._make(lambda: follow_ups.gone(self._store, self._account, gone.after_runs))
        if whole and gone.action is GoneAction.DELETE:
            self._make(lambda: follow_ups.to_delete(self._store, self._account, gone.after_runs))

    def refuse_failed(self) -> None:
        """Raise ServiceUnavailable when some of the changes failed."""
        if self._failed:
            raise ServiceUnavailable(
                "Constant Contact did not do all that was asked after the imports "
                f"({'; '.join(dict.fromkeys(self._failed))}); the next run tries it again."
            )

    def _make(self, wanted: Callable[[], Iterable[FollowUp]]) -> None:
        """Make changes, which are asked for twice: who must be known by id, and what to do."""
        identify(self._session, self._store, self._account, wanted())
        for some in portions(self._changes_of(wanted()), self._settings.api.batches_in_flight):
            self._follow([posted for change in some if (posted := self._post(change))])
            self._on_changed(sum(len(change.ids) for change in some))

    def _changes_of(self, wanted: Iterable[FollowUp]) -> Iterator[_Change]:
        """Gather what is wanted of several contacts alike."""
        there = self._targets()
        gathered: dict[tuple[BulkKind, str], dict[str, str]] = {}
        for each in wanted:
            if each.contact_id is None or (each.target and each.target not in there):
                # Who isn't there need not be changed, and a deleted list or tag has nobody.
                self._changes.made(each.kind, each.target, [each.email], self._clock())
                continue
            ids = gathered.setdefault((each.kind, each.target), {})
            ids[each.email] = each.contact_id
            if len(ids) == bulk.MOST_CONTACTS:
                yield _Change(each.kind, each.target, gathered.pop((each.kind, each.target)))
        for (kind, target), ids in gathered.items():
            yield _Change(kind, target, ids)

    def _targets(self) -> set[str]:
        with self._store.read() as connection:
            return {
                target
                for sets in (LISTS, TAGS)
                for target in sets.remembered(connection, self._account).values()
            }

    def _post(self, wanted: _Change) -> BulkChange | None:
        """Post a change; returns it when it is under way."""
        self._stop.check()
        change = self._changes.begin(wanted.kind, wanted.target, list(wanted.ids), self._clock())
        contact_ids = list(wanted.ids.values())
        try:
            activity, found = self._queue(change, contact_ids), False
        except OutcomeUnknown:
            _log.warning("answer_lost", kind=change.kind)
            self._stop.sleep(UNTIL_LISTED)
            known = self._look_for(change)
            # Made twice it is made once, so it is asked for again when it can't be found.
            activity, found = known or self._queue(change, contact_ids), known is not None
        except RequestRefused as error:
            self._fail(change.kind, str(error))
            return None
        _log.info("change_posted", kind=change.kind, contacts=len(contact_ids))
        return self._changes.posted(change, activity.activity_id, found=found)

    def _queue(self, change: BulkChange, contact_ids: list[str]) -> Activity:
        """Ask for the change; one that was surely not taken is forgotten."""
        try:
            return bulk.post_change(self._session, change.kind, change.target, contact_ids)
        except OutcomeUnknown:
            raise
        except ContactSyncError:
            self._changes.forget(change)
            raise

    def _look_for(self, change: BulkChange) -> Activity | None:
        known = activity_ids(self._store, self._account)
        return find_unclaimed(self._session, known, None, change.posting_at)

    def _follow(self, changes: list[BulkChange]) -> None:
        """Wait for the end of what is under way."""
        deadline = self._clock() + self._settings.api.confirmation_timeout
        pause = _FIRST_PAUSE
        ids = {change.id for change in changes}
        while waiting := [change for change in self._changes.open() if change.id in ids]:
            ended = [self._ended(change) for change in waiting]
            if any(ended):
                continue
            if self._clock() >= deadline:
                raise Busy(
                    f"Constant Contact is still at work on {len(waiting)} changes of lists, tags "
                    "or contacts; the next run waits for their end."
                )
            self._stop.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _ended(self, change: BulkChange) -> bool:
        """Ask for the change's activity; returns whether it has come to an end."""
        try:
            activity = imports.get_activity(self._session, change.activity_id or "")
        except RequestRefused as error:
            if error.status != _NOT_FOUND:
                raise
            self._give_up(change, "its activity vanished")
            return True
        if not activity.ended:
            overdue = self._clock() - change.posting_at > _GIVEN_UP
            if overdue:
                self._give_up(change, f"its activity stayed {activity.state} for more than a day")
            return overdue
        counts = activity.status
        left = (counts.items_total_count or 0) - (counts.items_completed_count or 0)
        complete = activity.state == "completed" and not activity.errors and left <= 0
        if complete and not change.activity_found:
            self._changes.done(change, self._clock())
        elif complete:
            self._give_up(change, "its answer was lost, and it was not done")
        else:
            short = f"but for {left} contacts" if left > 0 else ""
            why = (activity.state, short, *activity.errors)
            self._give_up(change, " ".join(filter(None, why)))
        return True

    def _give_up(self, change: BulkChange, why: str) -> None:
        """Keep what came about of the change: else it would be taken for the people's own doing."""
        wanted = set(self._changes.members(change))
        came_about = self._came_about(change, wanted)
        self._changes.made(change.kind, change.target, came_about, self._clock())
        self._changes.forget(change)
        if wanted - {*came_about}:
            self._fail(change.kind, why)

    def _came_about(self, change: BulkChange, emails: set[str]) -> list[str]:
        if change.kind is BulkKind.LEAVE_LIST:
            members = contacts.memberships(self._session, [change.target], counted=True)
            return sorted(emails - {contacts.address_of(each) or "" for each in members})
        if change.kind is BulkKind.DELETE:
            there = {email: contacts.by_address(self._session, email) for email in sorted(emails)}
            return [email for email, each in there.items() if not each or each.get("deleted_at")]
        tagged = contacts.tagged(self._session, change.target)
        have = {contacts.address_of(each) or "" for each in tagged}
        return sorted(emails & have if change.kind is BulkKind.ADD_TAG else emails - have)

    def _fail(self, kind: BulkKind, why: str) -> None:
        _log.warning("change_failed", kind=kind, why=why)
        self._failed.append(f"{_WHAT[kind]}: {why}")
