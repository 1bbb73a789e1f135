"""What rows of the source came to when they were last checked, so that they need not be again.

What becomes of a row depends on its cells, the configuration and the program, and most rows of a
day are, cell for cell, those of the day before. So an account's checked rows are kept with all that
staging needs of them; what is not found here is checked. A row is known by the text of its cells,
no digest of it, so that no two are ever taken for one.

They lie in stretches: the rows of a chunk, compressed. By the stretches' order, which is the
source's, they are found again, so that memory doesn't grow with the source: a stretch is looked for
behind the one that was found last. A source that comes in another order each day is checked each
day. As long as something of a stretch is found it stays whole, until a tenth of a chunk is new.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from sync.portions import portions
from sync.state.bodies import PER_BLOCK
from sync.state.schema import checked_rows
from sync.state.staging import Coded, Ready
from sync.state.store import Store

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Positions = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

# Where a chunk's rows may lie, as seen from the stretch in which the last ones were found: in the
# next one, unless some were put in or taken out before them; and if many were, farther away.
_NEAR = (1, 0, 2)
_FARTHER = (-1, 3, 4)
# Up to this share of a chunk may be new before it is looked for farther away, or kept anew.
FEW = 0.1
# When a smaller share of a chunk's rows is found in a stretch, the chunk doesn't lie there. When a
# smaller one is missing, it isn't looked for any farther.
_SOME = 0.01
# MariaDB takes 16 MB at once, unless it is told otherwise.
_LARGEST = 8_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of a chunk that are known: their positions in it, and what they came to.

    `first` are the stretches that hold them, with the first position of each.
    """

    positions: "Positions"
    batch: "pa.RecordBatch"
    first: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.positions)

    def contacts(self, rows: "Positions") -> Ready:
        """To be staged; `rows` are the numbers of the chunk's rows."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {"row": pa.array(rows[self.positions], pa.int64())}
        for name in _COLUMNS:
            column = self.batch.column(name)
            if column.null_count < len(column):
                columns[name] = column
        lists, tags = (_coded(self.batch.column(name)) for name in ("lists", "tags"))
        return Ready(columns, (), lists, tags)


class CheckedRows:
    """An account's checked rows, for one reading of the whole source from its start to its end.

    A line is the text of a row's cells. `basis` stands for all else that decides what a row comes
    to: what was checked on another one is not known.
    """

    def __init__(self, store: Store, account: str, basis: str) -> None:
        self._store = store
        self._account = account
        self._basis = basis
        stretches = (
            select(checked_rows.c.id, checked_rows.c.place)
            .where(_of(account), checked_rows.c.basis == basis)
            .order_by(checked_rows.c.place, checked_rows.c.id)
        )
        last = select(func.max(checked_rows.c.id)).where(_of(account))
        with store.read() as connection:
            self._order = [(row.id, row.place) for row in connection.execute(stretches)]
            self._numbers = count((connection.scalar(last) or 0) + 1)
        self._opened: dict[int, pa.RecordBatch] = {}
        self._at = -1  # the first stretch is the one behind it
        self._missed = 0
        self._needed: dict[int, int] = {}

    def find(self, lines: "pa.Array", but: "Callable[[pa.Array], Mask]") -> Found | None:
        """What is known of a chunk's rows; the chunks come in the source's order.

        `but` tells of addresses whose rows must be checked all the same.
        """
        import numpy as np

        if not len(lines):
            return None
        every = np.arange(len(lines))
        # If all rows of some chunks are others now, it lies as many stretches behind the last one.
        near = dict.fromkeys((*_NEAR, self._missed, 1 + self._missed))
        found, missing = self._look(lines, every, tuple(near))
        if len(missing) > FEW * len(lines) and not self._missed:
            found += self._look(lines, missing, _FARTHER)[0]
        self._go_on_from(found, _SOME * len(lines))
        return _joined(found, but)

    def use(self, found: Found, rows: "Positions") -> None:
        """Keep the stretches of what was found in a chunk with these rows as they are."""
        for number, position in found.first.items():
            self._needed.setdefault(number, int(rows[position]))

    def keep(
        self,
        connection: Connection,
        place: int,
        found: Found | None,
        lines: "pa.Array",
        contacts: Ready,
        first_body: int,
    ) -> None:
        """Keep the rows of a chunk, whose first one is `place`, as a new stretch.

        They are what was found, and then the `contacts`, whose bodies are numbered from
        `first_body` on; who has no line is left out.
        """
        import numpy as np
        import pyarrow as pa

        batch = _batch(contacts, first_body)
        if found is not None:
            batch = pa.concat_batches([found.batch, batch])
        batch = batch.add_column(0, "line", lines)
        if lines.null_count:
            batch = batch.filter(lines.is_valid())
        data = _packed(batch)
        if len(data) > _LARGEST:
            return
        number = next(self._numbers)
        blocks = np.unique(batch.column("body_id").to_numpy() // PER_BLOCK)
        connection.execute(
            insert(checked_rows).values(
                account=self._account,
                id=number,
                basis=self._basis,
                place=place,
                body_blocks=blocks.astype(np.int64).tobytes(),
                data=data,
            )
        )
        self._needed[number] = place

    def finish(self, connection: Connection) -> None:
        """Forget the stretches of which the source, read to its end, has nothing any more."""
        numbers = connection.scalars(select(checked_rows.c.id).where(_of(self._account))).all()
        for some in portions([each for each in numbers if each not in self._needed]):
            connection.execute(
                delete(checked_rows).where(_of(self._account), checked_rows.c.id.in_(some))
            )
        for number, before in self._order:
            place = self._needed.get(number, before)
            if place != before:
                connection.execute(
                    update(checked_rows)
                    .where(_of(self._account), checked_rows.c.id == number)
                    .values(place=place)
                )

    def _look(
        self, lines: "pa.Array", missing: "Positions", offsets: Sequence[int]
    ) -> "tuple[list[_Hits], Positions]":
        """What is found in stretches at these offsets, and which positions are missing still."""
        import pyarrow as pa

        hits: list[_Hits] = []
        for offset in offsets:
            index = self._at + offset
            # To check a few costs less than to look for them.
            if not 0 <= index < len(self._order) or len(missing) <= _SOME * len(lines):
                continue
            batch = self._open(index)
            wanted = lines if len(missing) == len(lines) else lines.take(pa.array(missing))
            there, known = _held(wanted, batch.column("line"), batch.drop_columns("line"))
            if len(known):
                hits.append(_Hits(index, self._order[index][0], missing[there], known))
                missing = missing[~there]
        return hits, missing

    def _open(self, index: int) -> "pa.RecordBatch":
        number, _ = self._order[index]
        if number not in self._opened:
            ours = (_of(self._account), checked_rows.c.id == number)
            with self._store.read() as connection:
                data = connection.scalars(select(checked_rows.c.data).where(*ours)).one()
            self._opened[number] = _unpacked(data)
        return self._opened[number]

    def _go_on_from(self, found: "list[_Hits]", enough: float) -> None:
        told = [hits.index for hits in found if len(hits.positions) >= enough]
        self._missed = 0 if told else self._missed + 1
        self._at = max(told, default=self._at)
        near = {number for number, _ in self._order[max(self._at, 0) : self._at + 1 + max(_NEAR)]}
        self._opened = {number: each for number, each in self._opened.items() if number in near}


@dataclass(frozen=True, slots=True)
class _Hits:
    """Which positions of a chunk were found in a stretch, and what they came to."""

    index: int
    number: int
    positions: "Positions"
    batch: "pa.RecordBatch"


def _held(
    wanted: "pa.Array", kept: "pa.Array", batch: "pa.RecordBatch"
) -> "tuple[Mask, pa.RecordBatch]":
    """Which of the wanted lines are among the kept ones, and what is kept of them in `batch`."""
    import numpy as np
    import pyarrow.compute as pc

    if len(wanted) == len(kept):
        # As on most days, when they stand in their old places.
        same = pc.equal(wanted, kept)
        there = same.to_numpy(zero_copy_only=False)
        if there.sum() >= (1 - _SOME) * len(there):
            return there, batch if there.all() else batch.filter(same)
    places = pc.index_in(wanted, value_set=kept)
    there = places.is_valid().to_numpy(zero_copy_only=False)
    return np.asarray(there), batch.take(places.drop_null())


def _joined(hits: Sequence[_Hits], but: "Callable[[pa.Array], Mask]") -> Found | None:
    import numpy as np
    import pyarrow as pa

    if not hits:
        return None
    batch = pa.concat_batches([each.batch for each in hits])
    positions = np.concatenate([each.positions for each in hits])
    first = {each.number: int(each.positions[0]) for each in hits}
    kept = np.flatnonzero(~but(batch.column("email")))
    if len(hits) > 1 or len(kept) < len(positions):
        order = kept[np.argsort(positions[kept])]
        positions, batch = positions[order], batch.take(pa.array(order))
    return Found(positions, batch, first) if len(positions) else None


# What is staged of a row, beside its number.
_COLUMNS = (
    "email",
    "fingerprint",
    "size",
    "body_id",
    "precedence",
    "source_key",
    "owned",
    "owned_size",
)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    text, number = pa.large_string(), pa.int64()
    types = (text, pa.binary(16), number, number, text, text, text, number)
    return pa.schema([*zip(_COLUMNS, types, strict=True), ("lists", text), ("tags", text)])


def _batch(contacts: Ready, first_body: int) -> "pa.RecordBatch":
    """Contacts as they are kept, but for their lines."""
    import numpy as np
    import pyarrow as pa

    size = len(contacts)
    columns = {
        **contacts.columns,
        "body_id": pa.array(np.arange(first_body, first_body + size)),
        "lists": _texts(contacts.lists),
        "tags": _texts(contacts.tags),
    }
    schema = _schema()
    arrays = [columns.get(field.name, pa.nulls(size, field.type)) for field in schema]
    return pa.record_batch(arrays, schema=schema)


def _texts(sets: Coded) -> "pa.Array":
    import pyarrow as pa

    texts = [orjson.dumps(names).decode() for names in sets.different]
    return pa.array(texts, pa.large_string()).take(pa.array(sets.codes))


def _coded(texts: "pa.Array") -> Coded:
    import numpy as np

    coded = texts.dictionary_encode()
    different = [tuple(orjson.loads(text)) for text in coded.dictionary.to_pylist()]
    return Coded(different, coded.indices.to_numpy().astype(np.int64))


def _packed(batch: "pa.RecordBatch") -> bytes:
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _unpacked(data: bytes) -> "pa.RecordBatch":
    import pyarrow as pa

    with pa.ipc.open_stream(data, options=pa.ipc.IpcReadOptions(use_threads=False)) as stream:
        return stream.read_next_batch()


def _of(account: str) -> ColumnElement[bool]:
    return checked_rows.c.account == account
