"""The outbox: every import is recorded before it is posted, until its outcome is settled.

A batch goes from recorded to posting (it may or may not have arrived) to posted (its activity is
known) to arrived, and ends as confirmed or failed, as split when its parts are tried in its place,
or as withdrawn when its run ended before it was posted.
What has arrived is confirmed, and its contacts are noted as such together, once nothing is under
way: each by itself would touch nearly every page of their table, since they come in any order.
Its contacts are the staged ones of its run, so that any process can finish what another began.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from sync.portions import portions
from sync.state import audience, bodies
from sync.state.bulk_changes import activity_ids
from sync.state.column_types import MARIADB
from sync.state.comparison import TO_SEND, Action
from sync.state.fetching import tuples
from sync.state.id_sets import LISTS
from sync.state.payload import framed, import_payload, sent_body
from sync.state.schema import batch, contact, staged
from sync.state.store import Store
from sync.state.upsert import upsert_selected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# How many imports tell how long one takes.
_LAST = 20


class BatchState(StrEnum):
    """Where a batch is on its way."""

    RECORDED = "recorded"
    POSTING = "posting"
    POSTED = "posted"
    ARRIVED = "arrived"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SPLIT = "split"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch that is not recorded yet: rows of one list set."""

    list_set_id: int
    first_row: int
    last_row: int
    contacts: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A recorded batch."""

    id: int
    run_id: int
    list_set_id: int
    first_row: int
    last_row: int
    contacts: int
    bytes: int
    state: BatchState
    attempts: int
    posting_at: datetime | None
    activity_id: str | None
    activity_found: bool


@dataclass(frozen=True, slots=True)
class BatchContact:
    """A contact of a batch."""

    row: int
    email: str
    body: str


class Outbox:
    """The batches of one account."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account

    def record(
        self, connection: Connection, run_id: int, batches: Iterable[BatchPlan], now: datetime
    ) -> None:
        """Add a run's batches, in the caller's transaction."""
        rows = [self._recorded(run_id, plan, now) for plan in batches]
        if rows:
            connection.execute(insert(batch), rows)

    def open(self, *states: BatchState) -> list[Batch]:
        """The batches of which it is not known how they end, oldest first.

        Only those in `states`, if any are named.
        """
        columns = [batch.c[name] for name in Batch.__slots__]
        wanted = [batch.c.account == self._account, batch.c.settled_at.is_(None)]
        if states:
            wanted.append(batch.c.state.in_(states))
        with self._store.read() as connection:
            rows = connection.execute(select(*columns).where(*wanted).order_by(batch.c.id)).all()
        return [Batch(**{**row._asdict(), "state": BatchState(row.state)}) for row in rows]

    def activity_ids(self) -> set[str]:
        """Every activity that is already known as somebody's own."""
        return activity_ids(self._store, self._account)

    def payload(self, entry: Batch) -> bytes:
        """The import's body, to the byte the same whenever it is asked for."""
        with self._store.read() as connection:
            list_ids = LISTS.ids_of(connection, entry.list_set_id)
            numbers = _body_numbers(connection, entry)
            if numbers is None:
                sent = self._sent(connection, entry)
                return import_payload([each.body for each in sent], list_ids)
            elements = bodies.elements(connection, self._account, numbers)
            return framed(elements, list_ids, expected_bytes=entry.bytes)

    def contacts(self, entry: Batch) -> list[BatchContact]:
        """The batch's contacts in the source's order."""
        with self._store.read() as connection:
            return self._sent(connection, entry)

    def list_ids(self, entry: Batch) -> tuple[str, ...]:
        """The lists that the batch's contacts go on."""
        with self._store.read() as connection:
            return LISTS.ids_of(connection, entry.list_set_id)

    def begin_posting(self, entry: Batch, now: datetime) -> Batch:
        """Note durably that the batch is about to be posted; returns it as it is then."""
        attempts = entry.attempts + 1
        self._change(entry, state=BatchState.POSTING, posting_at=now, attempts=attempts)
        return replace(entry, state=BatchState.POSTING, posting_at=now, attempts=attempts)

    def posted(self, entry: Batch, activity_id: str, *, found: bool = False) -> None:
        """Note the batch's activity; `found` when it was looked for after a lost answer."""
        self._change(entry, state=BatchState.POSTED, activity_id=activity_id, activity_found=found)

    def post_again(self, entry: Batch) -> None:
        """Put the batch back: its import surely did nothing."""
        self._change(entry, state=BatchState.RECORDED, activity_id=None, activity_found=False)

    def withdraw(self, now: datetime) -> int:
        """End the batches that are not posted, as if they had never been recorded.

        Returns how many contacts were in them.
        """
        waiting = and_(batch.c.account == self._account, batch.c.state == BatchState.RECORDED)
        with self._store.write() as connection:
            contacts = connection.scalar(select(func.sum(batch.c.contacts)).where(waiting))
            connection.execute(
                update(batch).where(waiting).values(state=BatchState.WITHDRAWN, settled_at=now)
            )
        return int(contacts or 0)

    def split(self, entry: Batch, sizes: Sequence[int], why: str, now: datetime) -> list[int]:
        """End the batch, and record parts of so many contacts in its place; returns their ids."""
        parts: list[int] = []
        with self._store.write() as connection:
            sent = self._sent(connection, entry)
            list_ids = LISTS.ids_of(connection, entry.list_set_id)
            for size in sizes:
                part, sent = sent[:size], sent[size:]
                plan = BatchPlan(
                    entry.list_set_id,
                    part[0].row,
                    part[-1].row,
                    size,
                    len(import_payload([each.body for each in part], list_ids)),
                )
                added = connection.execute(
                    insert(batch).values(self._recorded(entry.run_id, plan, now))
                )
                parts += added.inserted_primary_key or ()
            connection.execute(
                update(batch)
                .where(batch.c.id == entry.id)
                .values(state=BatchState.SPLIT, settled_at=now, result=why)
            )
        return parts

    def note_left(self, email: str, list_ids: Iterable[str], now: datetime) -> None:
        """Note that a person was put on lists by an import, and is not on them any more."""
        with self._store.write() as connection:
            audience.note_left(connection, self._account, email, list_ids, now)

    def settle(
        self, entry: Batch, state: BatchState, refused: Sequence[int], result: str, now: datetime
    ) -> int:
        """End the batch: what was not refused of one that arrived is there from now on.

        Returns how many contacts were confirmed.
        """
        with self._store.write() as connection:
            _mark_refused(connection, entry, refused)
            connection.execute(
                update(batch)
                .where(batch.c.id == entry.id)
                .values(state=state, settled_at=now, result=result)
            )
        return entry.contacts - len(refused) if state is BatchState.ARRIVED else 0

    def note_arrived(self) -> None:
        """Note what has arrived, an interrupted run's too, as what Constant Contact holds."""
        arrived = and_(batch.c.account == self._account, batch.c.state == BatchState.ARRIVED)
        with self._store.write() as connection:
            if connection.scalar(select(exists().where(arrived))):
                self._note_arrived(connection, arrived)
                connection.execute(update(batch).where(arrived).values(state=BatchState.CONFIRMED))

    def _note_arrived(self, connection: Connection, arrived: ColumnElement[bool]) -> None:
        rows = (
            select(
                literal(self._account).label("account"),
                staged.c.email,
                staged.c.fingerprint,
                func.coalesce(staged.c.held_set_id, staged.c.list_set_id).label("list_set_id"),
                staged.c.body_id,
                batch.c.recorded_at.label("first_sent_at"),
                batch.c.settled_at.label("last_synced_at"),
                literal(None, contact.c.removed_at.type).label("removed_at"),
                staged.c.uncleared,
                staged.c.source_key,
            )
            .join_from(batch, staged, _in_batch(connection))
            .where(arrived)
            # In the order in which they lie in their table.
            .order_by(staged.c.email)
        )
        upsert_selected(
            connection,
            contact,
            rows,
            update=(
                "fingerprint",
                "list_set_id",
                "body_id",
                "last_synced_at",
                "removed_at",
                "uncleared",
                "source_key",
            ),
        )

    def _sent(self, connection: Connection, entry: Batch) -> list[BatchContact]:
        rows = connection.execute(
            select(staged.c.row, staged.c.email, staged.c.body_id, staged.c.action, staged.c.owned)
            .where(_rows_of(entry))
            .order_by(staged.c.row)
        ).all()
        texts = bodies.read(connection, self._account, [row.body_id for row in rows])
        return [
            BatchContact(row.row, row.email, sent_body(body, row.action, row.owned))
            for row, body in zip(rows, texts, strict=True)
        ]

    def _recorded(self, run_id: int, plan: BatchPlan, now: datetime) -> dict[str, object]:
        return {
            "account": self._account,
            "run_id": run_id,
            "list_set_id": plan.list_set_id,
            "first_row": plan.first_row,
            "last_row": plan.last_row,
            "contacts": plan.contacts,
            "bytes": plan.bytes,
            "state": BatchState.RECORDED,
            "recorded_at": now,
        }

    def _change(self, entry: Batch, **values: object) -> None:
        with self._store.write() as connection:
            connection.execute(update(batch).where(batch.c.id == entry.id).values(**values))


def usual_duration(connection: Connection, account: str) -> timedelta | None:
    """How long the last imports took until they were confirmed; None when there was none."""
    last = connection.execute(
        select(batch.c.posting_at, batch.c.settled_at)
        .where(batch.c.account == account, batch.c.state == BatchState.CONFIRMED)
        .order_by(batch.c.id.desc())
        .limit(_LAST)
    ).all()
    took = [row.settled_at - row.posting_at for row in last]
    return sum(took, timedelta()) / len(took) if took else None


def _in_batch(connection: Connection) -> ColumnElement[bool]:
    """Whether a staged contact is one of a batch."""
    same_run = staged.c.run_id == batch.c.run_id
    if connection.dialect.name in MARIADB:
        # Told that they are equal, it looks through the whole run for each batch, not at its rows
        # (https://mariadb.com/kb/en/explain/, "Range checked for each record").
        same_run = and_(staged.c.run_id >= batch.c.run_id, staged.c.run_id <= batch.c.run_id)
    return and_(same_run, _within(batch.c))


def _rows_of(entry: Batch) -> ColumnElement[bool]:
    return and_(staged.c.run_id == entry.run_id, _within(entry))


def _within(entry: Batch | ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    """Whether a staged contact, if it is of the batch's run, is one of the batch."""
    return and_(
        staged.c.list_set_id == entry.list_set_id,
        staged.c.row.between(entry.first_row, entry.last_row),
        staged.c.action.in_(TO_SEND),
    )


def _body_numbers(connection: Connection, entry: Batch) -> "npt.NDArray[np.int64] | None":
    """The numbers of the batch's bodies in the source's order; None if more of it may be sent."""
    # Loaded here: it takes a while, and most commands send nothing.
    import numpy as np

    body, row = staged.c.body_id, staged.c.row
    # Most follow one another as their rows do: a few stretches instead of thousands of numbers.
    stretches = connection.execute(
        select(func.min(body), func.max(body), func.count(), func.count(staged.c.owned))
        .where(_rows_of(entry))
        .group_by(body - row)
        .order_by(func.min(row))
    ).all()
    if any(owned for *_, owned in stretches):
        return None
    if all(last - first + 1 == count for first, last, count, _ in stretches):
        whole = [np.arange(first, last + 1) for first, last, *_ in stretches]
        return np.concatenate([np.arange(0), *whole])
    singly = select(body).where(_rows_of(entry)).order_by(row)
    return np.array([number for (number,) in tuples(connection, singly)], np.int64)


def _mark_refused(connection: Connection, entry: Batch, rows: Sequence[int]) -> None:
    for some in portions(rows):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == entry.run_id, staged.c.row.in_(some))
            .values(action=Action.REFUSED)
        )
