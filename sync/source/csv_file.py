"""A CSV file in chunks of text cells, each row with its number; memory doesn't grow with it."""

import re
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.io.parsers import TextFileReader

from sync.errors import SourceError
from sync.settings.options import Source
from sync.source.chunk import Chunk, Place, RowFault
from sync.source.opening import Opening, look_at, no_rows
from sync.source.packed import open_bytes, packing
from sync.source.text_stream import TextStream
from sync.source.widths import Widths

# pandas tells of rows that have more cells than there are columns in these words only; the numbers
# count records, blank ones too, from 1 (tests hold this against the csv module).
_SKIPPED = re.compile(r"Skipping line (\d+): expected (\d+) fields, saw (\d+)")
_UNCLOSED = re.compile(r"EOF inside string starting at row (\d+)")


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
        self._fewest = len(self.header) - self._opening.trailing
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
        with closing(Widths(self._stream(), self.delimiter)) as widths, self._stream() as stream:
            for chunk in self._numbered(stream):
                whole = self._without_short_rows(chunk, widths)
                some = some or bool(len(whole.rows) or whole.faults)
                yield whole
        if not some:
            raise no_rows(self._path)

    def place(self, row: int) -> Place:
        """Rows have the numbers that a spreadsheet shows."""
        return Place("", row)

    def _how(self) -> str:
        parts = [self.encoding, f"cells separated by {self.delimiter!r}"]
        if packed := packing(self._path):
            parts.append(f"packed as {packed}")
        if self._opening.trailing:
            parts.append("each row ends with a separator too many, which is passed over")
        return ", ".join(parts)

    def _stream(self) -> TextStream:
        return TextStream(open_bytes(self._path), self.encoding, self._path)

    def _numbered(self, stream: TextStream) -> Iterator[Chunk]:
        reader = self._reader(stream)
        next_row = 1
        while True:
            frame, faults = self._next(reader)
            rows = _numbers(next_row, len(frame), faults)
            if not len(rows) and not faults:
                return
            next_row = max(int(rows.max(initial=0)), faults[-1].row if faults else 0) + 1
            data = (rows > self._opening.header_row) & ~_blank(frame)
            if not data.all():
                frame, rows = frame[data], rows[data]
            frame.columns = pd.Index(self.header, dtype="str")
            yield Chunk(frame, rows, faults)

    def _without_short_rows(self, chunk: Chunk, widths: Widths) -> Chunk:
        """The chunk with rows of too few cells as faults."""
        suspects = np.flatnonzero(
            (chunk.frame.iloc[:, self._fewest - 1] == "").to_numpy(dtype=np.bool_)
        )
        if not len(suspects):
            return chunk
        short = [
            RowFault(row, f"has {saw} cells, but the header has {self._fewest}")
            for row, saw in widths.of(chunk.rows[suspects].tolist())
            if saw < self._fewest
        ]
        if not short:
            return chunk
        kept = ~np.isin(chunk.rows, [fault.row for fault in short])
        faults = tuple(sorted((*chunk.faults, *short), key=lambda fault: fault.row))
        return Chunk(chunk.frame[kept], chunk.rows[kept], faults)

    def _reader(self, stream: TextStream) -> TextFileReader:
        # The header is read as if it were the first row, so that pandas holds each row's number of
        # cells against it, the first row's too.
        return pd.read_csv(
            stream,
            sep=self.delimiter,
            header=None,
            names=range(len(self.header)),
            index_col=False,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
            on_bad_lines="warn",
            chunksize=self._options.chunk_rows,
            low_memory=False,
            engine="c",
        )

    def _next(self, reader: TextFileReader) -> tuple[pd.DataFrame, tuple[RowFault, ...]]:
        """The next rows, none at the end, and the rows before or among them with too many cells."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", pd.errors.ParserWarning)
            try:
                frame = next(reader)
            except StopIteration:
                frame = pd.DataFrame(columns=range(len(self.header)), dtype="str")
            except pd.errors.ParserError as error:
                raise self._broken(error) from error
        faults = [
            RowFault(int(row), f"has {saw} cells, but the header has {expected}")
            for warning in caught
            for row, expected, saw in _SKIPPED.findall(str(warning.message))
        ]
        return frame, tuple(faults)

    def _broken(self, error: pd.errors.ParserError) -> SourceError:
        unclosed = _UNCLOSED.search(str(error))
        if unclosed:
            return SourceError(
                f"{self.name}: a quotation mark opened in row {int(unclosed[1]) + 1:,} is never "
                "closed; the file is damaged or was cut off."
            )
        return SourceError(f"{self.name} can't be read as CSV: {error}.")


def _numbers(first: int, count: int, faults: tuple[RowFault, ...]) -> npt.NDArray[np.int64]:
    """The numbers of the rows that were read, given those that were not."""
    numbers = np.arange(first, first + count + len(faults), dtype=np.int64)
    return numbers[~np.isin(numbers, [fault.row for fault in faults])][:count]


def _blank(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows have nothing in any cell."""
    blank = (frame.iloc[:, 0] == "").to_numpy(dtype=np.bool_, copy=True)
    suspects = np.flatnonzero(blank)
    if len(suspects):
        blank[suspects] = (frame.iloc[suspects] == "").to_numpy(dtype=np.bool_).all(axis=1)
    return blank
