"""Reading what people did on the other side, before anything is decided.

Constant Contact's import would put a person back on a list that they left, and revive a deleted
contact (api_guide/contacts_sync and contacts_delete), so both must be known before it is sent.

Each run reads what changed since the last one. Which changes move a contact's `updated_at`, or its
opt-out's date, is not stated, so everything is read every so many runs; and since that alone would
be too late, the contacts that are about to be sent are looked at in each run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.session import ApiSession
from sync.portions import portions
from sync.progress import Progress, Silent
from sync.readback import Refused
from sync.settings.feedback import Observe
from sync.state import absences, audience, observations, refusals
from sync.state.audience import Observed
from sync.state.comparison import Action
from sync.state.id_sets import LISTS
from sync.state.observations import OPT_OUTS, Ended, Observation, Told
from sync.state.runs import Counts, Runs
from sync.state.store import Store

_TITLE = "Reading who unsubscribed, was deleted or left a list"
# The service's clock and ours may differ, and a change may become visible late.
_OVERLAP = timedelta(hours=1)
_AT_ONCE = 500
# From so many on it is worth while not to read all those again whom our own imports have changed.
MANY = 2_500
# At least so many who are on none of their lists are asked for by address, to learn why.
_ASKED_WHY = 50
# The service's instants are whole milliseconds, and its limits are exclusive.
_INSTANT = timedelta(milliseconds=1)
_log = structlog.get_logger()


def observe(
    session: ApiSession,
    store: Store,
    account: str,
    options: Observe,
    now: datetime,
    progress: Progress | None = None,
) -> None:
    """Note who unsubscribed, was deleted, is held, left a list or came back since last time."""
    progress = progress or Silent()
    with store.read() as connection:
        last = audience.observed_until(connection, account)
    if last is None or last.full_at is None or last.runs_since_full + 1 >= options.full_every_runs:
        known = _known(store, account)
        found = contacts.all_memberships(session) if known else contacts.not_reached(session)
        so_far = Observed(until=now, full_at=now)
        progress.step(_TITLE, known or None)
    else:
        found = _changed_since(session, last)
        so_far = replace(last, until=now, runs_since_full=last.runs_since_full + 1)
        progress.step(_TITLE)
    for some in portions(found, _AT_ONCE):
        _note(store, account, some, now)
        progress.advance(len(some))
    with store.write() as connection:
        audience.set_observed(connection, account, so_far)
        observations.name_lists(connection, account)


def observe_to_send(
    session: ApiSession,
    store: Store,
    account: str,
    run_id: int,
    actions: Mapping[Action, int],
    now: datetime,
    *,
    known: int,
) -> bool:
    """Look whether those who are about to be sent are there still, and on their lists.

    `actions` are how many of the run's contacts have each action, `known` how many contacts the
    account has. Returns whether something was found, so that the comparison must be made again.
    """
    kinds = list(Ended)
    with store.read() as connection:
        so_far = audience.observed_until(connection, account)
        before = observations.count(connection, account, kinds)
    if so_far is not None and so_far.runs_since_full == 0:
        return False  # this run has just read everything
    if new := actions[Action.NEW]:
        _look_at_new(session, store, account, run_id, new, now)
    if changed := actions[Action.CHANGED]:
        _look_at_changed(session, store, account, run_id, changed, now, known=known)
    with store.write() as connection:
        observations.name_lists(connection, account)
        found = observations.count(connection, account, kinds) - before
    if found:
        _log.info("found_before_sending", observations=found)
    return found != 0


def note_outcome(
    store: Store,
    account: str,
    options: Observe,
    run_id: int,
    refused: Iterable[Refused],
    now: datetime,
    *,
    whole: bool,
    worked: tuple[datetime, datetime] | None,
) -> None:
    """Note what a run's imports have shown of people; `whole` when all of the source was read.

    An opt-out that only the import told of is noted as one, so that it is not sent again.
    `worked` is from when to when the service worked on the imports, when they were of many.
    """
    with store.write() as connection:
        refusals.forget(connection, account, run_id, whole=whole)
        for some in portions(refused):
            shown = [each for refusal in some if (each := _shown(refusal))]
            observations.note(connection, account, shown, now)
        # A contact that was not refused this time was taken, or is not sent any more.
        before = now if whole else None
        observations.end_refusals(connection, account, now, before=before)
        if options.revive_deleted:
            observations.end_revived(connection, account, now)
        observations.name_lists(connection, account)
        observations.name_people(connection, account, run_id)
        if worked is not None:
            audience.note_own_import(connection, account, *worked)


def with_news(store: Store, account: str, counts: Counts) -> Counts:
    """The counts, with what people did since the last run that synced to its end."""
    last = Runs(store, account).last_synced()
    with store.read() as connection:
        news = observations.news(connection, account, last.finished_at if last else None)
    return replace(
        counts,
        seen_unsubscribed=news.unsubscribed,
        seen_deleted=news.deleted,
        seen_left=news.left_list,
        seen_returned=news.returned,
    )


def note_people(
    connection: Connection, account: str, some: Sequence[Contact], now: datetime
) -> None:
    """Note what is seen of some contacts, at most as many as a page holds.

    Their lists must have been asked for: one who comes without lists is on none.
    """
    people = {email: each for each in some if (email := contacts.address_of(each))}
    before = observations.holding(connection, account, people)
    ended = before[Ended.UNSUBSCRIBED] | before[Ended.DELETED]
    returned = {email for email in ended if contacts.is_reached(people[email])}
    released = {email for email in before[Told.HELD] if not contacts.is_held(people[email])}
    # One who was restored, and is unsubscribed still, is deleted no more.
    restored = {email for email in before[Ended.DELETED] if _is_restored(people[email])}
    observations.end(connection, account, returned, OPT_OUTS, now)
    observations.end(connection, account, restored - returned, [Ended.DELETED], now)
    observations.end(connection, account, released, [Told.HELD], now)
    ours = audience.deleted_by_us(connection, account, people)
    seen = [
        found
        for email, each in people.items()
        for found in _seen(email, each)
        if not (found.kind is Ended.DELETED and email in ours)
    ]
    observations.note(connection, account, seen, now)
    out = ended - returned | {each.email for each in seen if each.kind in OPT_OUTS}
    memberships = {
        email: frozenset(each.get("list_memberships") or ())
        for email, each in people.items()
        if email not in out | ours
    }
    audience.note_memberships(connection, account, memberships, now, returned=returned)


def _changed_since(session: ApiSession, last: Observed) -> Iterator[Contact]:
    """Who was changed since the last time; after a large import of ours not all that it changed.

    Of those whom the service changed last while it worked on that import, who can still be written
    to is left out. One of them may have left a list just then: that is seen when they are changed
    in the source, and by the next reading of everything.
    """
    since = last.until - _OVERLAP
    yield from contacts.unsubscribed_since(session, since)
    if last.own_from and last.own_until and last.own_until > since:
        if last.own_from > since:
            yield from contacts.updated_between(session, since, last.own_from)
        start, stop = last.own_from - _INSTANT, last.own_until + _INSTANT
        yield from contacts.updated_between(session, max(start, since), stop, reached=False)
        since = last.own_until
    yield from contacts.updated_between(session, since, None)


def _known(store: Store, account: str) -> int:
    """How many contacts there may be; of whom something holds, it is seen whether it does still."""
    with store.read() as connection:
        return audience.size(connection, account) + observations.count(
            connection, account, OPT_OUTS
        )


def _look_at_new(
    session: ApiSession, store: Store, account: str, run_id: int, new: int, now: datetime
) -> None:
    """Look whether new contacts were deleted there, since an import would revive them."""
    with store.read() as connection:
        pages = observations.count(connection, account, [Ended.DELETED]) // _AT_ONCE + 1
        one_by_one = absences.addresses(connection, run_id, Action.NEW) if new <= pages else []
    found = _by_address(session, one_by_one) if one_by_one else contacts.deleted(session)
    for some in portions(found, _AT_ONCE):
        _note(store, account, some, now)


def _look_at_changed(
    session: ApiSession,
    store: Store,
    account: str,
    run_id: int,
    changed: int,
    now: datetime,
    *,
    known: int,
) -> None:
    pages = known // _AT_ONCE + 1
    with store.write() as connection:
        lists = absences.doubt(connection, account, run_id, now)
        there = lists & set(LISTS.remembered(connection, account).values())
        few = changed < pages
        one_by_one = absences.addresses(connection, run_id, Action.CHANGED) if few else []
    _look_at(store, account, _by_address(session, one_by_one), now)
    if not few:
        _look_at(store, account, _on_lists(session, sorted(there)), now)
        most = max(_ASKED_WHY, pages)
        missing = _missing(store, account, most + 1)
        if len(missing) > most:
            # A page may have skipped somebody while others left: to read once more is cheaper.
            _look_at(store, account, _on_lists(session, sorted(there)), now)
            missing = _missing(store, account, _ASKED_WHY)
        _look_at(store, account, _by_address(session, missing), now)
    with store.write() as connection:
        absences.believe(connection, account, now)


def _missing(store: Store, account: str, most: int) -> list[str]:
    with store.read() as connection:
        return absences.doubted(connection, account, most)


def _look_at(store: Store, account: str, found: Iterable[Contact], now: datetime) -> None:
    for some in portions(found, _AT_ONCE):
        _note(store, account, some, now)
        emails = [email for contact in some if (email := contacts.address_of(contact))]
        with store.write() as connection:
            absences.dismiss(connection, account, emails)


def _by_address(session: ApiSession, emails: Iterable[str]) -> Iterator[Contact]:
    found = (contacts.by_address(session, email) for email in emails)
    return (contact for contact in found if contact is not None)


def _on_lists(session: ApiSession, list_ids: list[str]) -> Iterator[Contact]:
    for some in portions(list_ids, contacts.LISTS_AT_ONCE):
        yield from contacts.memberships(session, some)


def _is_restored(contact: Contact) -> bool:
    return contacts.is_unsubscribed(contact) and not contact.get("deleted_at")


def _note(store: Store, account: str, some: Sequence[Contact], now: datetime) -> None:
    with store.write() as connection:
        note_people(connection, account, some, now)


def _seen(email: str, contact: Contact) -> Iterator[Observation]:
    if contacts.is_unsubscribed(contact):
        told = contacts.opt_out_of(contact)
        yield Observation(
            email=email,
            kind=Ended.UNSUBSCRIBED,
            happened_at=told.happened_at,
            reason=told.reason,
            source=told.source,
        )
    if contact.get("deleted_at"):
        deleted_at = contacts.deleted_at(contact)
        yield Observation(email=email, kind=Ended.DELETED, happened_at=deleted_at)
    elif contacts.is_held(contact):
        yield Observation(email=email, kind=Told.HELD)


def _shown(refusal: Refused) -> Observation | None:
    """What a refusal tells of the person; lists that were left are noted already."""
    match refusal.code:
        case "left_list":
            return None
        case Ended.UNSUBSCRIBED | Ended.DELETED:
            return Observation(email=refusal.email, kind=Ended(refusal.code))
        case _:
            reason = f"{refusal.code}: {refusal.reason}"
            return Observation(email=refusal.email, kind=Told.REFUSED, reason=reason)
