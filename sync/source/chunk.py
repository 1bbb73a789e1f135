"""What every source gives: chunks of text cells, each row with the number that a person sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

_TEXT = pd.StringDtype(na_value=np.nan)  # pandas' "str"


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that could not be read; `row` is its number as a spreadsheet shows it."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: all cells text, the header's names as columns; `rows` are the rows' numbers."""

    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]
    faults: tuple[RowFault, ...] = ()

    def __len__(self) -> int:
        """With those that could not be read."""
        return len(self.rows) + len(self.faults)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person finds a row: the file's name, empty where there is one only, and the row."""

    file: str
    row: int


class ContactSource(Protocol):
    """A source whose header is known.

    Attributes:
        name: The source for people, without secrets.
        description: The same with how it is read, for the summary.
        header: The columns' names; there may be blank and repeated ones.
        newest: After `chunks`, the greatest value of the changed_column in a form that the next
            `open_source` takes as `since`; None for sources that are always read whole.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def header(self) -> tuple[str, ...]: ...

    @property
    def newest(self) -> str | None: ...

    def chunks(self) -> Iterator[Chunk]:
        """Read it from its start; each row comes once, in a frame or as a fault.

        Raises:
            SourceError: it can't be read to its end.
        """

    def place(self, row: int) -> Place:
        """Where the row of this number is found."""


def frame_of(header: Sequence[str], columns: Sequence[pa.Array]) -> pd.DataFrame:
    """A frame of these columns of text, whose names may be repeated."""
    # Not by `pd.array`, which looks at each column: a quarter of the time.
    numbers = [str(number) for number in range(len(columns))]
    table = pa.Table.from_arrays(list(columns), names=numbers)
    frame: pd.DataFrame = table.to_pandas(types_mapper=lambda _: _TEXT)
    frame.columns = pd.Index(list(header), dtype="str")
    return frame
