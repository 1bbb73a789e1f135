"""The outbox: every import is recorded before it is posted, until its outcome is settled.

A batch goes from recorded to posting (it may or may not have arrived) to posted (its activity is
known) and ends as confirmed or failed, or as withdrawn when its run ended before it was posted.
Its contacts are the staged ones of its run, so that any process can finish what another began.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, func, insert, literal, select, update

from sync.portions import portions
from sync.state import audience
from sync.state.list_sets import lists_of_set
from sync.state.schema import batch, contact, staged
from sync.state.staging import Action
from sync.state.store import Store
from sync.state.upsert import upsert_selected

# What an import with numbers for text messages must say (the contract's ContactsJsonImport).
SMS_PERMISSION = ',"sms_permission_to_send":"explicit"'


class BatchState(StrEnum):
    """Where a batch is on its way."""

    RECORDED = "recorded"
    POSTING = "posting"
    POSTED = "posted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
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
        rows = [
            {
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
            for plan in batches
        ]
        if rows:
            connection.execute(insert(batch), rows)

    def open(self) -> list[Batch]:
        """The batches that are not settled, oldest first."""
        columns = [batch.c[name] for name in Batch.__slots__]
        with self._store.read() as connection:
            rows = connection.execute(
                select(*columns)
                .where(batch.c.account == self._account, batch.c.settled_at.is_(None))
                .order_by(batch.c.id)
            ).all()
        return [Batch(**{**row._asdict(), "state": BatchState(row.state)}) for row in rows]

    def activity_ids(self) -> set[str]:
        """Every activity that is already known as a batch's own."""
        with self._store.read() as connection:
            return set(
                connection.scalars(
                    select(batch.c.activity_id).where(
                        batch.c.account == self._account, batch.c.activity_id.is_not(None)
                    )
                )
            )

    def payload(self, entry: Batch) -> bytes:
        """The import's body, to the byte the same whenever it is asked for."""
        with self._store.read() as connection:
            bodies = connection.scalars(
                select(staged.c.body).where(_rows_of(entry)).order_by(staged.c.row)
            ).all()
            list_ids = lists_of_set(connection, entry.list_set_id)
        return import_payload(bodies, list_ids)

    def contacts(self, entry: Batch) -> list[BatchContact]:
        """The batch's contacts in the source's order."""
        with self._store.read() as connection:
            rows = connection.execute(
                select(staged.c.row, staged.c.email, staged.c.body)
                .where(_rows_of(entry))
                .order_by(staged.c.row)
            ).all()
        return [BatchContact(*row) for row in rows]

    def list_ids(self, entry: Batch) -> tuple[str, ...]:
        """The lists that the batch's contacts go on."""
        with self._store.read() as connection:
            return lists_of_set(connection, entry.list_set_id)

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

    def note_left(self, email: str, list_ids: Iterable[str], now: datetime) -> None:
        """Note that a person was put on lists by an import, and is not on them any more."""
        with self._store.write() as connection:
            audience.note_left(connection, self._account, email, list_ids, now)

    def settle(
        self, entry: Batch, state: BatchState, refused: Sequence[int], result: str, now: datetime
    ) -> int:
        """End the batch: what was not refused is what Constant Contact holds from now on.

        Returns how many contacts were confirmed.
        """
        with self._store.write() as connection:
            _mark_refused(connection, entry, refused)
            confirmed = 0
            if state is BatchState.CONFIRMED:
                confirmed = self._remember(connection, entry, now)
            connection.execute(
                update(batch)
                .where(batch.c.id == entry.id)
                .values(state=state, settled_at=now, result=result)
            )
        return confirmed

    def _remember(self, connection: Connection, entry: Batch, now: datetime) -> int:
        rows = select(
            literal(self._account).label("account"),
            staged.c.email,
            staged.c.fingerprint,
            staged.c.list_set_id,
            staged.c.body,
            literal(now, contact.c.first_synced_at.type).label("first_synced_at"),
            literal(now, contact.c.last_synced_at.type).label("last_synced_at"),
        ).where(_rows_of(entry))
        upsert_selected(
            connection,
            contact,
            rows,
            update=("fingerprint", "list_set_id", "body", "last_synced_at"),
        )
        return (
            connection.scalar(select(func.count()).select_from(staged).where(_rows_of(entry))) or 0
        )

    def _change(self, entry: Batch, **values: object) -> None:
        with self._store.write() as connection:
            connection.execute(update(batch).where(batch.c.id == entry.id).values(**values))


def import_payload(bodies: Iterable[str], list_ids: Iterable[str]) -> bytes:
    """The body of POST /activities/contacts_json_import, of ready contact objects."""
    lists = ",".join(f'"{list_id}"' for list_id in list_ids)
    contacts = ",".join(bodies)
    # A contact has a number for text messages only with its day of consent (sync.contact.values);
    # a text value can't hold this, since its quotation marks would be escaped.
    sms = SMS_PERMISSION if '"sms_number":"' in contacts else ""
    return f'{{"import_data":[{contacts}],"list_ids":[{lists}]{sms}}}'.encode()


def _rows_of(entry: Batch) -> ColumnElement[bool]:
    return and_(
        staged.c.run_id == entry.run_id,
        staged.c.list_set_id == entry.list_set_id,
        staged.c.row.between(entry.first_row, entry.last_row),
        staged.c.action.in_((Action.NEW, Action.CHANGED)),
    )


def _mark_refused(connection: Connection, entry: Batch, rows: Sequence[int]) -> None:
    for some in portions(rows):
        connection.execute(
            update(staged)
            .where(staged.c.run_id == entry.run_id, staged.c.row.in_(some))
            .values(action=Action.REFUSED)
        )
