"""Contacts to be sent, as `sync.plan` asks for them, without a database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from sync.portions import portions


@dataclass(frozen=True, slots=True)
class InMemory:
    """Rows of (list set, row, encoded bytes), told in stretches of so many contacts."""

    rows: Sequence[tuple[int, int, int]]
    list_ids: Mapping[int, tuple[str, ...]]
    stretch: int = 1

    def stretches(self) -> Iterator[tuple[int, int, int, int, int]]:
        for of, theirs in groupby(self.rows, itemgetter(0)):
            for some in portions(theirs, self.stretch):
                yield of, some[0][1], some[-1][1], len(some), sum(size for _, _, size in some)

    def inside(self, list_set_id: int, first_row: int, last_row: int) -> Iterator[tuple[int, int]]:
        for of, row, size in self.rows:
            if of == list_set_id and first_row <= row <= last_row:
                yield row, size
