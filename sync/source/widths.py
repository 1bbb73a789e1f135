"""Which rows of a CSV file have fewer cells than there are columns.

pandas fills such rows up, and then they look like rows whose last cells are empty. So rows with an
empty last cell are counted again by the csv module, in step with pandas: the two number records
alike, which a test holds against each other.
"""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sync.source.text_stream import TextStream

csv.field_size_limit(sys.maxsize)  # pandas has no limit either


class Widths:
    """Counts the cells of some rows of a file, walking through it once."""

    def __init__(self, stream: TextStream, delimiter: str) -> None:
        self._stream = stream
        self._records = csv.reader(_lines(stream), delimiter=delimiter)
        self._row = 0

    def of(self, rows: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pairs of row and its number of cells; the rows rise, from call to call too."""
        for row in rows:
            cells: list[str] = []
            with suppress(StopIteration):
                while self._row < row:
                    cells = next(self._records)
                    self._row += 1
            yield row, len(cells)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _lines(stream: TextStream) -> Iterator[str]:
    """The lines with their ends; a carriage return at a block's end may belong to a line feed."""
    rest = ""
    while block := stream.read():
        lines = list(io.StringIO(rest + block, newline=""))
        rest = lines.pop()
        yield from lines
    yield from io.StringIO(rest, newline="")
