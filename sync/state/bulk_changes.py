"""Changes of many contacts at once beside imports: known before they are posted, until their end.

What is still to be done is never written down: it is derived anew by each run, by comparing what
is wanted with what is believed to be there (`sync.state.follow_ups`). Written down is only what may
be under way, so that a run which follows a killed one waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from sync.portions import portions
from sync.state.id_sets import LISTS, TAGS, IdSets
from sync.state.schema import batch, bulk_change, bulk_change_member, contact
from sync.state.store import Store

# How long the activity of a settled change is still known as ours.
_REMEMBERED = timedelta(days=2)


class BulkKind(StrEnum):
    """What becomes of the contacts."""

    LEAVE_LIST = "leave_list"
    ADD_TAG = "add_tag"
    REMOVE_TAG = "remove_tag"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class BulkChange:
    """A change that is about to be posted or was posted; `target` is the list or the tag.

    `activity_found`: it was found among the account's activities, and may be another's.
    """

    id: int
    kind: BulkKind
    target: str
    posting_at: datetime
    activity_id: str | None
    activity_found: bool


class BulkChanges:
    """The changes of one account that may be under way."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    def open(self) -> list[BulkChange]:
        """Those that may be under way, oldest first."""
        columns = [bulk_change.c[name] for name in BulkChange.__slots__]
        with self._store.read() as connection:
            rows = connection.execute(
                select(*columns)
                .where(bulk_change.c.account == self._account, ~bulk_change.c.settled)
                .order_by(bulk_change.c.id)
            ).all()
        return [BulkChange(**{**row._asdict(), "kind": BulkKind(row.kind)}) for row in rows]

    def begin(
        self, kind: BulkKind, target: str, emails: Sequence[str], now: datetime
    ) -> BulkChange:
        """Note durably that a change is about to be posted."""
        with self._store.write() as connection:
            connection.execute(
                delete(bulk_change).where(
                    bulk_change.c.account == self._account,
                    bulk_change.c.settled,
                    bulk_change.c.posting_at < now - _REMEMBERED,
                )
            )
            made = connection.execute(
                insert(bulk_change).values(
                    account=self._account, kind=kind, target=target, posting_at=now
                )
            ).inserted_primary_key
            if made is None:
                raise RuntimeError("the database gave the change no number")
            change = BulkChange(int(made[0]), kind, target, now, None, activity_found=False)
            connection.execute(
                insert(bulk_change_member),
                [{"bulk_change_id": change.id, "email": email} for email in emails],
            )
        return change

    def posted(self, change: BulkChange, activity_id: str, *, found: bool = False) -> BulkChange:
        """Note the change's activity."""
        with self._store.write() as connection:
            connection.execute(
                update(bulk_change)
                .where(bulk_change.c.id == change.id)
                .values(activity_id=activity_id, activity_found=found)
            )
        return replace(change, activity_id=activity_id, activity_found=found)

    def members(self, change: BulkChange) -> list[str]:
        """The addresses of the contacts that are changed."""
        with self._store.read() as connection:
            return list(
                connection.scalars(
                    select(bulk_change_member.c.email).where(
                        bulk_change_member.c.bulk_change_id == change.id
                    )
                )
            )

    def done(self, change: BulkChange, now: datetime) -> None:
        """The change is made: so the contacts are from now on."""
        emails = self.members(change)
        with self._store.write() as connection:
            _apply(connection, self._account, change.kind, change.target, emails, now)
            _forget(connection, change)

    def made(self, kind: BulkKind, target: str, emails: Sequence[str], now: datetime) -> None:
        """So these contacts are, whoever made the change."""
        with self._store.write() as connection:
            _apply(connection, self._account, kind, target, emails, now)

    def forget(self, change: BulkChange) -> None:
        """The change was not made; if it is still wanted, the next plan finds that by itself."""
        with self._store.write() as connection:
            _forget(connection, change)


def activity_ids(store: Store, account: str) -> set[str]:
    """Every activity that is known as somebody's own, imports too."""
    with store.read() as connection:
        return {
            activity_id
            for table in (batch, bulk_change)
            for activity_id in connection.scalars(
                select(table.c.activity_id).where(
                    table.c.account == account, table.c.activity_id.is_not(None)
                )
            )
        }


def _apply(
    connection: Connection,
    account: str,
    kind: BulkKind,
    target: str,
    emails: Sequence[str],
    now: datetime,
) -> None:
    """Change what we believe of the contacts as the change has changed them."""
    for some in portions(emails):
        ours = and_(contact.c.account == account, contact.c.email.in_(some))
        if kind is BulkKind.DELETE:
            # A deletion takes a contact's lists alone: its tags are there again when it is.
            values = {"removed_at": now, "list_set_id": LISTS.set_id(connection, account, ())}
            connection.execute(update(contact).where(ours).values(values))
        elif kind is BulkKind.LEAVE_LIST:
            _change_sets(connection, account, ours, LISTS, "list_set_id", without={target})
        elif kind is BulkKind.REMOVE_TAG:
            _change_sets(connection, account, ours, TAGS, "tag_set_id", without={target})
        else:
            _change_sets(connection, account, ours, TAGS, "tag_set_id", more={target})


def _change_sets(
    connection: Connection,
    account: str,
    ours: ColumnElement[bool],
    sets: IdSets,
    column: str,
    *,
    more: frozenset[str] | set[str] = frozenset(),
    without: frozenset[str] | set[str] = frozenset(),
) -> None:
    """Give the contacts another set each, by the set that they have."""
    present = contact.c[column]
    for set_id in connection.scalars(select(present).distinct().where(ours)).all():
        held = set() if set_id is None else set(sets.ids_of(connection, set_id))
        wanted = (held | more) - without
        changed = sets.set_id(connection, account, wanted) if wanted or sets is LISTS else None
        same = present.is_(None) if set_id is None else present == set_id
        connection.execute(update(contact).where(ours, same).values({column: changed}))


def _forget(connection: Connection, change: BulkChange) -> None:
    connection.execute(
        delete(bulk_change_member).where(bulk_change_member.c.bulk_change_id == change.id)
    )
    settled = update(bulk_change).where(bulk_change.c.id == change.id).values(settled=True)
    connection.execute(settled)
