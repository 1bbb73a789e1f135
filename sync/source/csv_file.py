"""A CSV file in chunks of text cells, each row with its number; memory doesn't grow with it."""

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sync.settings.options import Source
from sync.source.chunk import Chunk, Place, RowFault, frame_of
from sync.source.opening import LITERAL, Opening, look_at, no_rows
from sync.source.packed import packing
from sync.source.quoting import Quotes
from sync.source.records import Misfit, Records, mark_of, read_records
from sync.source.utf8_stream import Utf8Stream

csv.field_size_limit(sys.maxsize)  # Arrow has no limit either

_GOES_ON = (
    "A cell goes on after its closing quotation mark; within a cell the export must write each "
    "quotation mark twice."
)


class CsvSource:
    """A CSV file whose encoding, delimiter and header are known.

    Attributes:
        name: The source for people: the path.
        description: The same with how it is read.
        header: The columns' names, white space trimmed; there may be blank and repeated ones.
        encoding: `utf-8`, `utf-8-sig` (with a byte order mark), or what the configuration says.
        delimiter: What separates the cells.
    """

    newest: str | None = None

    def __init__(self, path: Path, options: Source) -> None:
        self._path = path
        self._options = options
        self._opening: Opening = look_at(path, options)
        self.name = str(path)
        self.header = self._opening.header
        self.encoding = self._opening.encoding
        self.delimiter = self._opening.delimiter
        self.description = f"{self.name} ({self._how()})"

    def chunks(self) -> Iterator[Chunk]:
        """Read the file from its start.

        Each row comes once: in a frame, or as a fault if it has more or fewer cells than the
        header. Rows without any content count in the numbering, as they do in a spreadsheet, and
        are otherwise passed over. Rows are numbered from the header, which is row 1; a cell with
        line breaks in quotes doesn't make two rows of one.

        Raises:
            SourceError: a byte is not text in the file's encoding, a quote is never closed, there
                is no row under the header, or the file went away.
        """
        some = False
        for records in read_records(
            self._opened,
            self.delimiter,
            len(self.header),
            backslash=self._opening.backslash,
            most=self._options.chunk_rows,
            after=self._opening.header_row,
        ):
            chunk = self._chunk(records)
            some = some or bool(len(chunk.rows) or chunk.faults)
            yield chunk
        if not some:
            raise no_rows(self._path)

    def place(self, row: int) -> Place:
        """Rows have the numbers that a spreadsheet shows."""
        return Place("", row)

    def _how(self) -> str:
        parts = [self.encoding, f"cells separated by {self.delimiter!r}"]
        if packed := packing(self._path):
            parts.append(f"packed as {packed}")
        if self._opening.backslash:
            parts.append("a backslash before quotation marks in them")
        if self._opening.trailing:
            parts.append("each row ends with a separator too many, which is passed over")
        return ", ".join(parts)

    def _opened(self, end: str) -> Utf8Stream:
        mark = mark_of(self.delimiter, len(self.header)).encode()
        quotes = Quotes(self.delimiter, backslash=self._opening.backslash, mark=mark)
        checked = self._opening.checked
        return Utf8Stream(self._path, self.encoding, checked=checked, end=end, quotes=quotes)

    def _chunk(self, records: Records) -> Chunk:
        columns, rows = records.batch.columns, records.numbers
        blank = _blank(columns)
        if len(blank):
            written = np.ones(len(rows), np.bool_)
            written[blank] = False
            columns, rows = [column.filter(pa.array(written)) for column in columns], rows[written]
        if self._opening.literals:
            columns = [pc.replace_substring_regex(each, LITERAL, r"\1") for each in columns]
        faults = []
        whole: dict[int, list[str]] = {}
        for misfit in records.misfits:
            cells = self._cells(misfit) if misfit.cells < len(self.header) else []
            if misfit.cells < len(self.header) and not any(map(str.strip, cells)):
                continue
            if self._opening.trailing and len(cells) == len(self.header) - 1:
                whole[misfit.number] = [*cells, ""]
            else:
                faults.append(self._fault(misfit))
        if whole:
            columns, rows = _with_rows(columns, rows, whole)
        return Chunk(frame_of(self.header, columns), rows, tuple(faults))

    def _cells(self, misfit: Misfit) -> list[str]:
        record = io.StringIO(misfit.text, newline="")
        escape = "\\" if self._opening.backslash else None
        return next(csv.reader(record, delimiter=self.delimiter, escapechar=escape), [])

    def _fault(self, misfit: Misfit) -> RowFault:
        if misfit.is_marked:
            return RowFault(misfit.number, _GOES_ON + _followed_by(misfit.text))
        has = "1 cell" if misfit.cells == 1 else f"{misfit.cells:,} cells"
        fewest = len(self.header) - self._opening.trailing
        wanted = fewest if misfit.cells < fewest else len(self.header)
        return RowFault(misfit.number, f"The row has {has}, but the header has {wanted:,}.")


def _followed_by(text: str) -> str:
    """What the record may have swallowed."""
    lines = len(text.splitlines())
    return f" The row spans {lines:,} lines." if lines > 1 else ""


def _blank(columns: Sequence[pa.Array]) -> npt.NDArray[np.int64]:
    """The positions of the rows that have nothing but white space in all cells."""
    positions = np.arange(len(columns[0]))
    for column in columns:
        some = column if len(positions) == len(column) else column.take(pa.array(positions))
        empty = pc.equal(pc.utf8_trim_whitespace(some), "")
        positions = positions[empty.to_numpy(zero_copy_only=False)]
        if not len(positions):
            break
    return positions


def _with_rows(
    columns: Sequence[pa.Array], rows: npt.NDArray[np.int64], more: dict[int, list[str]]
) -> tuple[list[pa.Array], npt.NDArray[np.int64]]:
    """With more rows by their numbers, in the order of the numbers."""
    rows = np.concatenate([rows, list(more)])
    order = np.argsort(rows)
    cells = zip(*more.values(), strict=True)
    wider = [
        pa.concat_arrays([column, pa.array(new, pa.large_string())]).take(pa.array(order))
        for column, new in zip(columns, cells, strict=True)
    ]
    return wider, rows[order]
