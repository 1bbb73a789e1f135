"""What must follow the imports of a run, derived from what is wanted and what is there.

An import puts contacts on lists and takes nobody off, knows no tags, and says nothing of those who
are not in it. All of it is read by address, some contacts at a time, so that a change which was
made meanwhile doesn't move what is read next.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)

from sync.state.bulk_changes import BulkKind
from sync.state.comparison import TO_SEND, Action, absent, has_tags, missing, other_tags
from sync.state.id_sets import LISTS, TAGS, IdSets
from sync.state.observations import Ended
from sync.state.schema import contact, observation, staged
from sync.state.store import Store

# For each portion PostgreSQL and MariaDB sort all that is left.
_READ_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A change of one contact: `target` is the list to leave, or the tag.

    `contact_id` is Constant Contact's own name of the contact, None while it is not known.
    """

    kind: BulkKind
    target: str
    email: str
    contact_id: str | None


def hold_lists(connection: Connection, account: str, run_id: int) -> None:
    """Note of each changed contact on which lists it is after the import, if not only the wanted.

    A list that was deleted over there holds nobody.
    """
    there = set(LISTS.remembered(connection, account).values())
    known = and_(contact.c.account == account, contact.c.email == staged.c.email)
    changed = and_(staged.c.run_id == run_id, staged.c.action == Action.CHANGED)
    pairs = connection.execute(
        select(contact.c.list_set_id.label("held"), staged.c.list_set_id.label("wanted"))
        .distinct()
        .join_from(staged, contact, known)
        .where(changed, contact.c.list_set_id != staged.c.list_set_id)
    ).all()
    for pair in pairs:
        wanted = set(LISTS.ids_of(connection, pair.wanted))
        surplus = (set(LISTS.ids_of(connection, pair.held)) - wanted) & there
        if surplus:
            held = exists().where(known, contact.c.list_set_id == pair.held)
            connection.execute(
                update(staged)
                .where(changed, staged.c.list_set_id == pair.wanted, held)
                .values(held_set_id=LISTS.set_id(connection, account, wanted | surplus))
            )


def count_moved(connection: Connection, run_id: int) -> int:
    """How many contacts are to leave a list."""
    changed = staged.c.action == Action.CHANGED
    moved = and_(staged.c.run_id == run_id, changed, staged.c.held_set_id.is_not(None))
    return connection.scalar(select(func.count()).where(moved)) or 0


def count_tagged(connection: Connection, account: str, run_id: int) -> int:
    """How many contacts are to get or to lose tags."""
    if not has_tags(connection, account):
        return 0
    known = and_(contact.c.account == account, contact.c.email == staged.c.email)
    return (
        connection.scalar(
            select(func.count())
            .select_from(staged.outerjoin(contact, known))
            .where(staged.c.run_id == run_id, staged.c.action.in_(TO_SEND), other_tags())
        )
        or 0
    )


def count_gone(
    connection: Connection, account: str, run_id: int, after_runs: int, *, delete: bool
) -> int:
    """How many contacts this run would take off their lists, or delete, since they are gone."""
    due = and_(absent(connection, run_id), contact.c.missing_runs + 1 >= after_runs)
    return (
        connection.scalar(
            select(func.count()).where(due, _to_go(connection, account, delete=delete))
        )
        or 0
    )


def note_missing(connection: Connection, account: str, run_id: int, *, anybody: bool) -> None:
    """Count, once a run, in how many runs in a row the source did not have a contact.

    Once addresses were changed: who still waits for that is staged under the former one. Without
    `anybody` the source is known to have all of them.
    """
    ours, away = contact.c.account == account, missing(run_id)
    connection.execute(
        update(contact).where(ours, contact.c.missing_runs > 0, ~away).values(missing_runs=0)
    )
    if anybody:
        more = contact.c.missing_runs + 1
        connection.execute(update(contact).where(ours, away).values(missing_runs=more))


def leaving(store: Store, account: str, run_id: int) -> Iterator[FollowUp]:
    """Who was put on other lists by this run, and is still on the old ones."""
    moved = (
        select(
            staged.c.email,
            contact.c.contact_id,
            contact.c.list_set_id,
            staged.c.list_set_id.label("wanted"),
        )
        .join_from(staged, contact, contact.c.email == staged.c.email)
        .where(
            contact.c.account == account,
            staged.c.run_id == run_id,
            staged.c.action == Action.CHANGED,
            # Only whom the import has put on the new lists: nobody is left without any.
            contact.c.list_set_id == staged.c.held_set_id,
        )
    )
    surplus = _differences(store, LISTS)
    for row in _by_address(store, moved):
        for list_id in surplus(row.list_set_id, row.wanted):
            yield FollowUp(BulkKind.LEAVE_LIST, list_id, row.email, row.contact_id)


def tagging(store: Store, account: str, run_id: int) -> Iterator[FollowUp]:
    """Which tags the run's contacts are to get and to lose."""
    with store.read() as connection:
        if not has_tags(connection, account):
            return
    sent = (
        select(
            staged.c.email,
            contact.c.contact_id,
            contact.c.tag_set_id,
            staged.c.tag_set_id.label("wanted"),
        )
        .join_from(staged, contact, contact.c.email == staged.c.email)
        .where(
            contact.c.account == account,
            staged.c.run_id == run_id,
            staged.c.action.in_(TO_SEND),
            other_tags(),
        )
    )
    tags = _differences(store, TAGS)
    for row in _by_address(store, sent):
        for tag_id in tags(row.wanted, row.tag_set_id):
            yield FollowUp(BulkKind.ADD_TAG, tag_id, row.email, row.contact_id)
        for tag_id in tags(row.tag_set_id, row.wanted):
            yield FollowUp(BulkKind.REMOVE_TAG, tag_id, row.email, row.contact_id)


def gone(store: Store, account: str, after_runs: int) -> Iterator[FollowUp]:
    """Who is gone from the source for so many runs, and is still on lists that we put them on."""
    lists = _differences(store, LISTS)
    for row in _by_address(store, _due(store, account, after_runs, delete=False)):
        for list_id in lists(row.list_set_id, None):
            yield FollowUp(BulkKind.LEAVE_LIST, list_id, row.email, row.contact_id)


def to_delete(store: Store, account: str, after_runs: int) -> Iterator[FollowUp]:
    """Who is gone from the source for so many runs, and is to be deleted."""
    for row in _by_address(store, _due(store, account, after_runs, delete=True)):
        # Whether it is ours to delete is learnt with the id.
        contact_id = row.contact_id if row.made_here else None
        yield FollowUp(BulkKind.DELETE, "", row.email, contact_id)


def _due(store: Store, account: str, after_runs: int, *, delete: bool) -> Select[tuple[str, int]]:
    with store.write() as connection:
        due = and_(contact.c.missing_runs >= after_runs, _to_go(connection, account, delete=delete))
    return select(
        contact.c.email, contact.c.contact_id, contact.c.made_here, contact.c.list_set_id
    ).where(due)


def _to_go(connection: Connection, account: str, *, delete: bool) -> ColumnElement[bool]:
    """Of whom something is left to take away; who ended it by themselves is left alone."""
    ended = exists().where(
        observation.c.account == account,
        observation.c.email == contact.c.email,
        observation.c.kind.in_((Ended.UNSUBSCRIBED, Ended.DELETED)),
    )
    left = and_(
        contact.c.removed_at.is_(None), or_(contact.c.made_here, contact.c.made_here.is_(None))
    )
    if not delete:
        left = contact.c.list_set_id != LISTS.set_id(connection, account, ())
    return and_(contact.c.account == account, ~ended, left)


def _by_address(
    store: Store, wanted: Select[tuple[object, ...]]
) -> Iterator[Row[tuple[object, ...]]]:
    """The rows by address, each portion read in a transaction of its own."""
    # The staged contact's where there is one: asked for the other's, SQLite goes through all staged
    # ones for each contact.
    address = wanted.selected_columns["email"]
    after = ""
    while True:
        with store.read() as connection:
            rows = connection.execute(
                wanted.where(address > after).order_by(address).limit(_READ_AT_ONCE)
            ).all()
        yield from rows
        if len(rows) < _READ_AT_ONCE:
            return
        after = rows[-1].email


def _differences(store: Store, sets: IdSets) -> Callable[[int | None, int | None], list[str]]:
    """What is in one set and not in another; each pair is looked up once."""

    @functools.cache
    def less(some: int | None, others: int | None) -> list[str]:
        with store.read() as connection:
            ids, less = (
                set(sets.ids_of(connection, each)) if each is not None else set()
                for each in (some, others)
            )
        return sorted(ids - less)

    return less
