"""A Parquet file in chunks of text cells."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from sync.errors import SourceError
from sync.settings.options import Source
from sync.source.as_text import arrow_text
from sync.source.chunk import Chunk, Place, frame_of
from sync.source.opening import no_rows

_DAMAGED = (OSError, UnicodeDecodeError, pa.ArrowException)


class ParquetSource:
    """A Parquet file; its rows are counted from 1."""

    newest: str | None = None

    def __init__(self, path: Path, options: Source) -> None:
        self._path = path
        self._chunk_rows = options.chunk_rows
        self.name = str(path)
        self.description = f"{self.name} (Parquet)"
        try:
            with parquet.ParquetFile(path) as file:
                self.header = tuple(file.schema_arrow.names)
                if not file.metadata.num_rows:
                    raise no_rows(path)
        except _DAMAGED as error:
            raise self._damaged() from error

    def chunks(self) -> Iterator[Chunk]:
        """Read the file; see `ContactSource.chunks`."""
        row = 1
        try:
            with parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=self._chunk_rows):
                    batch.validate(full=True)  # text of other programs may be no UTF-8
                    columns = [arrow_text(column) for column in batch.columns]
                    rows = np.arange(row, row + batch.num_rows, dtype=np.int64)
                    row += batch.num_rows
                    yield Chunk(frame_of(self.header, columns), rows)
        except _DAMAGED as error:
            raise self._damaged() from error

    def place(self, row: int) -> Place:
        """The row's number, counted from 1."""
        return Place("", row)

    def _damaged(self) -> SourceError:
        return SourceError(f"{self._path} can't be read as Parquet: it is damaged or was cut off.")
