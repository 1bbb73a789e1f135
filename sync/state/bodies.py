"""The contacts' canonical JSON: many of them together, compressed.

A body is a third of a kilobyte and much like its neighbours. In a column of its own it was nine
tenths of what a first sync wrote to the disk, twice over; as a block of many it takes a tenth of
that, is written once, and goes from a staged contact to the confirmed one by its number.

An account's bodies are numbered, `PER_BLOCK` numbers a block. Only the one run that an account has
at a time writes any, so the next free number is one beyond the last block's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from sync.portions import portions
from sync.state.schema import body_block, checked_rows, contact, run, staged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

PER_BLOCK = 256
# Canonical JSON has no line break of its own: within a string it is escaped.
_BETWEEN = b"\n"
_CODEC = "zstd"
_BLOCKS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Block:
    """Some bodies, packed; `size` is that of what was packed, in bytes."""

    size: int
    data: bytes


def packed(bodies: "Sequence[str] | pa.Array") -> list[Block]:
    """Bodies as they are kept."""
    # Loaded here: they take a while, and most commands read no contact.
    import pyarrow as pa
    import pyarrow.compute as pc

    from sync.text_bytes import ends_of

    texts = pa.array(bodies, pa.large_string())
    lines = pc.binary_join_element_wise(
        texts, *(pa.scalar(text, pa.large_string()) for text in ("", _BETWEEN.decode()))
    )
    offsets = ends_of(lines)
    data = lines.buffers()[2]
    blocks = []
    for start in range(0, len(lines), PER_BLOCK):
        stop = min(start + PER_BLOCK, len(lines))
        # Without the last line break.
        block = data[int(offsets[start]) : int(offsets[stop]) - 1]
        blocks.append(Block(len(block), pa.compress(block, codec=_CODEC, asbytes=True)))
    return blocks


def keep(connection: Connection, account: str, blocks: Sequence[Block]) -> int:
    """Keep packed bodies; returns the first one's number, from which the others follow."""
    last = connection.scalar(select(func.max(body_block.c.id)).where(_of(account)))
    first = 0 if last is None else last + 1
    rows = [
        {"account": account, "id": number, "size": block.size, "data": block.data}
        for number, block in enumerate(blocks, first)
    ]
    if rows:
        connection.execute(insert(body_block), rows)
    return first * PER_BLOCK


def read(connection: Connection, account: str, numbers: Iterable[int]) -> list[str]:
    """The bodies of these numbers, in their order; for as many as may be in memory at once."""
    numbers = list(numbers)
    wanted: dict[int, list[int]] = {}
    for place, number in enumerate(numbers):
        wanted.setdefault(number // PER_BLOCK, []).append(place)
    found = [""] * len(numbers)
    for some in portions(sorted(wanted), _BLOCKS_AT_ONCE):
        for block, data in _blocks(connection, account, some):
            lines = data.split(_BETWEEN)
            for place in wanted[block]:
                found[place] = lines[numbers[place] % PER_BLOCK].decode()
    return found


def elements(
    connection: Connection, account: str, numbers: "npt.NDArray[np.int64]"
) -> Iterator[bytes]:
    """The bodies of these numbers, in their order: elements of a JSON array, many in each text."""
    import numpy as np

    if not len(numbers) or (np.diff(numbers) <= 0).any():
        yield from (body.encode() for body in read(connection, account, numbers.tolist()))
        return
    # As they were staged: block after block, most of them whole.
    blocks, starts = np.unique(numbers // PER_BLOCK, return_index=True)
    places = dict(zip(blocks.tolist(), np.split(numbers % PER_BLOCK, starts[1:]), strict=True))
    for some in portions(places, _BLOCKS_AT_ONCE):
        for block, data in _blocks(connection, account, some):
            inside = places[block]
            if len(inside) == PER_BLOCK or len(inside) == data.count(_BETWEEN) + 1:
                yield data.replace(_BETWEEN, b",")
            else:
                lines = data.split(_BETWEEN)
                yield b",".join([lines[place] for place in inside])


def discard(connection: Connection, account: str) -> None:
    """Forget the blocks of which no contact, staged, confirmed or checked, needs a body any more.

    One that is needed for a single body stays whole: after years of changes the blocks may be some
    five times as large as what is needed of them, which is what they are compressed by.
    """
    # Loaded here: it takes a while, and most commands discard nothing.
    import numpy as np

    unneeded = set(connection.scalars(select(body_block.c.id).where(_of(account))))
    checked = select(checked_rows.c.body_blocks).where(checked_rows.c.account == account)
    for blocks in connection.scalars(checked):
        unneeded.difference_update(np.frombuffer(blocks, np.int64).tolist())
    runs = select(run.c.id).where(run.c.account == account)
    for bodies, ours in (
        (staged.c.body_id, staged.c.run_id.in_(runs)),
        (contact.c.body_id, contact.c.account == account),
    ):
        # Where no row is new, or has a warning, all are known by now.
        if unneeded:
            needed = select(bodies // PER_BLOCK).distinct().where(ours)
            unneeded.difference_update(connection.scalars(needed))
    for some in portions(sorted(unneeded)):
        connection.execute(delete(body_block).where(_of(account), body_block.c.id.in_(some)))


def _of(account: str) -> ColumnElement[bool]:
    return body_block.c.account == account


def _blocks(
    connection: Connection, account: str, ids: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """These blocks, unpacked, in the order of their ids."""
    import pyarrow as pa

    rows = connection.execute(
        select(body_block.c.id, body_block.c.size, body_block.c.data)
        .where(_of(account), body_block.c.id.in_(ids))
        .order_by(body_block.c.id)
    ).all()
    for row in rows:
        data: bytes = pa.decompress(
            row.data, decompressed_size=row.size, codec=_CODEC, asbytes=True
        )
        yield row.id, data
