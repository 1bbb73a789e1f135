"""The records of a CSV file, parsed by Arrow: as columns, and as text where they don't fit there.

Arrow cuts records and cells as the csv module does, which tests hold against each other, in a tenth
of the time that pandas' own parser takes for columns of text.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from sync.errors import SourceError
from sync.source.utf8_stream import Utf8Stream

# A record that is longer than a block makes the file be read once more, in larger blocks. Of the
# small ones Arrow (26.0) reads 32 ahead, and they are memory.
_BLOCKS = (1 << 17, 1 << 20, 1 << 30)

# What the file never has in it: with a cell too many it is a record of its own at the end, unless
# a quote was never closed.
_END = "\x1a"


def mark_of(delimiter: str, width: int) -> str:
    """What makes a misfit of the record in which it stands, told by `is_marked`."""
    return f"{delimiter * width}{_END}"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A record with more or fewer cells than there are columns, as it is written."""

    number: int
    cells: int
    text: str

    @property
    def is_marked(self) -> bool:
        """Whether `mark_of` is in it."""
        return _END in self.text


@dataclass(frozen=True, slots=True)
class Records:
    """Some records; `numbers` are those of the batch's rows, counted with the misfits from 1."""

    batch: pa.RecordBatch
    numbers: npt.NDArray[np.int64]
    misfits: tuple[Misfit, ...]

    def __len__(self) -> int:
        return len(self.numbers) + len(self.misfits)

    @property
    def last(self) -> int:
        """The greatest number; 0 when there is no record."""
        numbers: list[int] = self.numbers[-1:].tolist()
        return max([0, *numbers, *(misfit.number for misfit in self.misfits[-1:])])

    def between(self, first: int, last: int) -> "Records":
        """Those with such numbers."""
        start, end = np.searchsorted(self.numbers, [first, last + 1]).tolist()
        return Records(
            self.batch.slice(start, end - start),
            self.numbers[start:end],
            tuple(misfit for misfit in self.misfits if first <= misfit.number <= last),
        )


def read_records(
    opened: Callable[[str], Utf8Stream],
    delimiter: str,
    width: int,
    *,
    backslash: bool = False,
    most: int,
    after: int = 0,
) -> Iterator[Records]:
    """The records of so many cells, and the others, whose numbers are greater than `after`.

    Args:
        opened: Gives the file with this text at its end.
        backslash: A backslash escapes what follows it.
        most: How many at a time.

    Raises:
        SourceError: a quote is never closed, or what the stream raises.
    """
    end = _END + delimiter * width
    failed = ""
    for block in _BLOCKS:
        with closing(opened(f"\n{end}")) as stream:
            parsed = _parsed(stream, delimiter, width, end, block, backslash=backslash)
            try:
                for records in _gathered(parsed, most):
                    for first in range(after + 1, records.last + 1, most):
                        yield records.between(first, first + most - 1)
                    after = max(after, records.last)
            except pa.ArrowInvalid as error:
                failed = str(error)
            else:
                return
    raise SourceError(f"{stream.name} can't be read as CSV: {failed}.")


def _gathered(parsed: Iterator[Records], most: int) -> Iterator[Records]:
    """What few records there are in a block together with those of the next ones."""
    some: list[Records] = []
    for records in parsed:
        if some and sum(map(len, some)) + len(records) > most:
            yield _joined(some)
            some = []
        some.append(records)
    yield _joined(some)


def _joined(some: list[Records]) -> Records:
    return Records(
        pa.concat_batches([records.batch for records in some]),
        np.concatenate([records.numbers for records in some]),
        tuple(misfit for records in some for misfit in records.misfits),
    )


def _parsed(
    stream: Utf8Stream, delimiter: str, width: int, end: str, block: int, *, backslash: bool
) -> Iterator[Records]:
    """The records of each block."""
    waiting: list[Misfit] = []  # Arrow parses a block ahead of what it gives
    next_number = 1
    closed = False
    with _reader(stream, delimiter, width, block, waiting, backslash=backslash) as reader:
        for batch in reader:
            some = np.arange(next_number, next_number + batch.num_rows + len(waiting) + 1)
            rows = some[~np.isin(some, [misfit.number for misfit in waiting])]
            next_number = int(rows[batch.num_rows])
            passed = sum(misfit.number < next_number for misfit in waiting)
            closed = closed or any(misfit.text == end for misfit in waiting[:passed])
            misfits = tuple(misfit for misfit in waiting[:passed] if misfit.text != end)
            del waiting[:passed]
            yield Records(batch, rows[: batch.num_rows], misfits)
    if not closed:
        raise SourceError(
            f"{stream.name}: a quotation mark opened in row {next_number - 1:,} is never closed; "
            "the file is damaged or was cut off."
        )


def _reader(
    stream: Utf8Stream,
    delimiter: str,
    width: int,
    block: int,
    misfits: list[Misfit],
    *,
    backslash: bool,
) -> csv.CSVStreamingReader:
    def note(row: csv.InvalidRow) -> str:
        misfits.append(Misfit(row.number, row.actual_columns, row.text))
        return "skip"

    names = [str(number) for number in range(width)]
    return csv.open_csv(
        stream,
        csv.ReadOptions(use_threads=False, block_size=block, column_names=names),
        csv.ParseOptions(
            delimiter=delimiter,
            escape_char="\\" if backslash else False,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
        ),
    )
