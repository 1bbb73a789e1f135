"""The source's contacts of one run, from when they are checked until the run is settled."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, bindparam, case, delete, exists, func, or_, select

from sync.state import bodies, comparison
from sync.state.comparison import TO_SEND, Action
from sync.state.fetching import tuples
from sync.state.id_sets import LISTS
from sync.state.outbox import BatchState
from sync.state.schema import batch, kept_plan, run, staged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

# So many contacts are looked at together when batches are cut; at a batch's end, one by one.
_STRETCH = 1_000
_BY_ADDRESS = "ix_staged_run_id_email"
_BY_ACTION = "ix_staged_action_run_id"


@dataclass(frozen=True, slots=True)
class Ready:
    """Checked contacts as they are staged, but for what the database numbers.

    `lists` and `tags` are the different sets of them, and for each contact which one it has. Whose
    bodies are kept already have their numbers in the column body_id; of the others `blocks` holds
    them.
    """

    columns: "Mapping[str, pa.Array]"
    blocks: Sequence[bodies.Block]
    lists: "Coded"
    tags: "Coded"

    def __len__(self) -> int:
        return len(self.lists.codes)


@dataclass(frozen=True, slots=True)
class Coded:
    """Different sets, and which of them each contact has."""

    different: Sequence[tuple[str, ...]]
    codes: "npt.NDArray[np.int64]"


def ready(contacts: "pa.RecordBatch") -> Ready:
    """Make contacts ready to be staged, without the database.

    Their columns are row, email, body, size, fingerprint, lists and tags; further precedence and
    source_key; and owned and owned_size where Constant Contact owns some.
    """
    others = {name: contacts.column(name) for name in contacts.schema.names}
    body, lists, tags = (others.pop(name) for name in ("body", "lists", "tags"))
    columns = {name: each for name, each in others.items() if each.null_count < len(each)}
    if "owned" not in columns:
        columns.pop("owned_size", None)
    return Ready(columns, bodies.packed(body), coded(lists), coded(tags))


class Staging:
    """Stages the contacts of one run."""

    def __init__(self, connection: Connection, run_id: int) -> None:
        self._account = connection.scalar(select(run.c.account).where(run.c.id == run_id)) or ""
        # What most contacts are, so that little is left to write when they are compared.
        anybody = comparison.anybody(connection, self._account)
        action = Action.UNCHANGED if anybody else Action.NEW
        self._same: Mapping[str, Any] = {"run_id": run_id, "action": action}

    def add(
        self,
        connection: Connection,
        contacts: Ready,
        list_sets: Mapping[tuple[str, ...], int],
        tag_sets: Mapping[tuple[str, ...], int | None],
    ) -> int:
        """Add contacts, whose sets of lists and tags have these numbers.

        Returns the number of the first body that was kept; the others follow.
        """
        count = len(contacts)
        if not count:
            return 0
        import numpy as np
        import pyarrow as pa

        from sync.state.bulk_insert import insert_columns

        columns = dict(contacts.columns)
        first = 0
        if "body_id" not in columns:
            first = bodies.keep(connection, self._account, contacts.blocks)
            columns["body_id"] = pa.array(np.arange(first, first + count))
        constants = dict(self._same)
        for name, coded, sets in (
            ("list_set_id", contacts.lists, list_sets),
            ("tag_set_id", contacts.tags, tag_sets),
        ):
            numbers = [sets[each] for each in coded.different]
            if len(set(numbers)) == 1:
                constants[name] = numbers[0]
            else:
                columns[name] = pa.array(numbers, pa.int64()).take(pa.array(coded.codes))
        insert_columns(connection, staged, columns, constants)
        return first


def coded(sets: "pa.DictionaryArray") -> Coded:
    """The sets that any contact has, and which one each of them has."""
    # Loaded here: it takes a while, and most commands stage nothing.
    import numpy as np

    codes = sets.indices.to_numpy()
    # A list that only rejected rows name must not be made.
    used = np.bincount(codes, minlength=len(sets.dictionary)) > 0
    different = [tuple(names) for names in sets.dictionary.filter(used).to_pylist()]
    return Coded(different, (np.cumsum(used) - 1)[codes])


def all_staged(connection: Connection) -> None:
    """Say that all of a source is staged, so that the database knows how to find it.

    The databases would take a table that has just been filled for a small one, and look for each
    address among all. To be called before anything else in a transaction.
    SQLite sorts the addresses now, a tenth of what it takes to put each in its place as it comes;
    with them lies what the comparison looks at, so that it reads nothing else.
    """
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {_BY_ADDRESS} ON staged "
                "(run_id, email, action, fingerprint, list_set_id, tag_set_id)"
            )
            _have_addresses_looked_up(connection)
        case "postgresql":
            connection.exec_driver_sql("ANALYZE staged, contact")
        case _:
            # It commits what was done before in the transaction, so this must come first.
            connection.exec_driver_sql("ANALYZE NO_WRITE_TO_BINLOG TABLE staged, contact")


def _have_addresses_looked_up(connection: Connection) -> None:
    """Have SQLite look for an address where it lies, not among all of a run or an account.

    It plans by statistics, and without any it goes through all. What ANALYZE would find now holds
    as little: on a first sync there is no contact yet. So it is told what holds of the large tables
    that matter, whatever they are now (https://sqlite.org/fileformat2.html#stat1tab). Open
    connections notice since the index is made in the same transaction.
    """
    connection.exec_driver_sql("PRAGMA analysis_limit=1")
    connection.exec_driver_sql("ANALYZE staged")  # makes the table, where it is not there yet
    connection.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE tbl IN ('staged', 'contact')")
    connection.exec_driver_sql(
        "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES "  # noqa: S608 (our names)
        "('staged', 'staged', '1000000 1000000 1'), "
        f"('staged', '{_BY_ADDRESS}', '1000000 1000000 1 1 1 1 1'), "
        f"('staged', '{_BY_ACTION}', '1000000 50000 50000 noskipscan'), "
        "('contact', 'contact', '1000000 1000000 1'), "
        "('contact', 'ix_contact_account_source_key', '1000000 1000000 1')"
    )
    connection.exec_driver_sql("ANALYZE sqlite_schema")


def few_differ(connection: Connection) -> None:
    """Say that few of a run's contacts differ from most, so that they are found at once.

    The steps that follow ask for them ten times, and SQLite would go through all of them for each.
    The index holds all that is staged in the file, and stays until nothing is, when another run may
    have many that differ: so SQLite is told (`all_staged`) that it finds many, if fewer than all.
    The other databases know their tables, and make no index while others stage.
    """
    if connection.dialect.name == "sqlite":
        with little_memory(connection):
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {_BY_ACTION} ON staged (action, run_id)"
            )
        # What was told of it before it was there is read again.
        connection.exec_driver_sql("ANALYZE sqlite_schema")


@contextmanager
def little_memory(connection: Connection) -> Iterator[None]:
    """Have SQLite cache, and sort, in 2 MB: for what is written once and not soon read again."""
    if connection.dialect.name != "sqlite":
        yield
        return
    usual = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    connection.exec_driver_sql("PRAGMA cache_size=-2000")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size={usual}")


class ToSend:
    """What a run must send, as `sync.plan` asks for it to cut batches.

    Attributes:
        list_ids: Those of every list set that something must be sent to.
    """

    def __init__(self, connection: Connection, run_id: int) -> None:
        self._connection = connection
        adds = and_(staged.c.action == Action.NEW, staged.c.owned.is_not(None))
        size = staged.c.size + case((adds, staged.c.owned_size), else_=0)
        wanted = (staged.c.run_id == run_id, staged.c.action.in_(TO_SEND))
        self._all = select(staged.c.list_set_id, staged.c.row, size.label("size")).where(*wanted)
        sets = connection.scalars(select(staged.c.list_set_id).distinct().where(*wanted)).all()
        self.list_ids = {each: LISTS.ids_of(connection, each) for each in sets}

    def stretches(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(list set, first row, last row, contacts, encoded bytes), one list set after another."""
        if len(self.list_ids) == 1:
            yield from self._of_one_set(next(iter(self.list_ids)))
            return
        # Sorted once for all sets; each by itself would be looked for among all.
        rows = self._all.order_by(staged.c.list_set_id, staged.c.row)
        yield from ((of, row, row, 1, size) for of, row, size in tuples(self._connection, rows))

    def inside(self, list_set_id: int, first_row: int, last_row: int) -> Iterator[tuple[int, int]]:
        """(row, encoded bytes) of each contact of a stretch."""
        within = (staged.c.list_set_id == list_set_id, staged.c.row.between(first_row, last_row))
        rows = tuples(self._connection, self._all.where(*within).order_by(staged.c.row))
        yield from ((row, size) for _, row, size in rows)

    def _of_one_set(self, list_set_id: int) -> Iterator[tuple[int, int, int, int, int]]:
        following = (staged.c.list_set_id == list_set_id, staged.c.row > bindparam("last"))
        some = self._all.where(*following).order_by(staged.c.row).limit(_STRETCH).subquery()
        # Built once: to build it took longer than the database takes.
        row = some.c.row
        stretch = select(func.min(row), func.max(row), func.count(), func.sum(some.c.size))
        last, count = -1, _STRETCH
        while count == _STRETCH:
            first, last, count, size = self._connection.execute(stretch, {"last": last}).one()
            if count:
                yield list_set_id, first, last, count, int(size)


def discard_settled(connection: Connection, account: str) -> None:
    """Forget the staged contacts of runs that have nothing left to settle and no plan to keep."""
    # What has arrived is confirmed, and not noted yet.
    open_ones = or_(batch.c.settled_at.is_(None), batch.c.state == BatchState.ARRIVED)
    needed = select(batch.c.run_id).where(batch.c.account == account, open_ones)
    kept = select(kept_plan.c.staged_as).where(
        kept_plan.c.account == account, kept_plan.c.settled_by.is_(None)
    )
    # From the runs, since there are far fewer of them than of their contacts.
    has_some = exists().where(staged.c.run_id == run.c.id)
    of_ours = (run.c.account == account, run.c.id.not_in(needed), run.c.id.not_in(kept))
    runs = connection.scalars(select(run.c.id).where(*of_ours, has_some)).all()
    others = select(exists().where(run.c.id.not_in(runs), has_some))
    if connection.dialect.name == "sqlite" and not connection.scalar(others):
        # All at once, which takes next to no time, and until all of a source is staged no index is
        # kept up to date.
        for index in (_BY_ADDRESS, _BY_ACTION):
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index}")
        connection.exec_driver_sql("DELETE FROM staged")
    elif runs:
        connection.execute(delete(staged).where(staged.c.run_id.in_(runs)))
    if runs:
        bodies.discard(connection, account)
