"""A sheet of an Excel workbook (.xlsx), its cells as a person sees them."""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

import numpy as np

from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source
from sync.source.as_text import text_cells, text_of
from sync.source.chunk import Chunk, Place, RowFault, frame_of
from sync.source.opening import clean_header, no_rows
from sync.source.packed import BAD_ZIP, searchable
from sync.source.text_stream import unreadable

# What openpyxl raises over files that are none of its.
_DAMAGED = (*BAD_ZIP, LookupError, TypeError, AttributeError, SyntaxError)
_ZEROS = re.compile("0+")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_UNCOMPUTED = re.compile(rb"</f>(?:<v ?/>|<v></v>)?</c>")
_LONGEST_FIND = 20


class _Sheet(Protocol):
    """What is used of openpyxl's sheets."""

    title: str

    def iter_rows(self, min_row: int | None = None) -> Iterator[tuple[object, ...]]: ...


class WorkbookSource:
    """One sheet; the first row with any content is the header."""

    newest: str | None = None

    def __init__(self, path: Path, options: Source) -> None:
        self._path = path
        self._options = options
        self.name = str(path)
        with self._sheet() as (sheet, names):
            title = str(sheet.title)
            self._header_row, self.header = self._find_header(sheet)
        others = [f"“{name}”" for name in names if name != title]
        unread = f"; not read: {', '.join(others)}" if others else ""
        if _has_uncomputed(path):
            unread += (
                "; formulas that were never computed are empty cells: save it in a spreadsheet"
            )
        self.description = f"{self.name} (Excel, sheet “{title}”{unread})"

    def chunks(self) -> Iterator[Chunk]:
        """Read the sheet; see `ContactSource.chunks`."""
        some = False
        with self._sheet() as (sheet, _):
            first = self._header_row + 1
            rows = enumerate(self._rows(sheet, first), first)
            while block := list(islice(rows, self._options.chunk_rows)):
                chunk = self._chunk(block)
                some = some or bool(len(chunk.rows) or chunk.faults)
                yield chunk
        if not some:
            raise no_rows(self._path)

    def place(self, row: int) -> Place:
        """Rows have the numbers that Excel shows."""
        return Place("", row)

    def _chunk(self, block: list[tuple[int, list[str]]]) -> Chunk:
        width = len(self.header)
        numbers, table, faults = [], [], []
        for number, texts in block:
            if not any(map(str.strip, texts)):
                continue
            if any(map(str.strip, texts[width:])):
                faults.append(
                    RowFault(number, f"The row has cells beyond the header's {width:,} columns.")
                )
                continue
            numbers.append(number)
            table.append((texts + [""] * width)[:width])
        columns = [text_cells(column) for column in zip(*table, strict=True)]
        columns = columns or [text_cells(()) for _ in self.header]
        return Chunk(
            frame_of(self.header, columns), np.array(numbers, dtype=np.int64), tuple(faults)
        )

    def _find_header(self, sheet: _Sheet) -> tuple[int, tuple[str, ...]]:
        for number, texts in enumerate(self._rows(sheet, 1), 1):
            while texts and not texts[-1].strip():
                texts.pop()
            if texts:
                return number, clean_header(texts)
        raise SourceError(f"The sheet “{sheet.title}” of {self._path} is empty.")

    def _rows(self, sheet: _Sheet, first: int) -> Iterator[list[str]]:
        try:
            for cells in sheet.iter_rows(min_row=first):
                yield [_cell_text(cell) for cell in cells]
        except _DAMAGED:
            raise self._damaged() from None

    @contextmanager
    def _sheet(self) -> Iterator[tuple[_Sheet, list[str]]]:
        try:
            import openpyxl
        except ModuleNotFoundError:
            raise ConfigurationError(
                "Excel workbooks need the extra package: pip install 'contact-sync[excel]'."
            ) from None
        # As an open file, since openpyxl would judge a path by its ending.
        with self._open() as file:
            try:
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            except _DAMAGED:
                raise self._damaged() from None
            # Charts may be sheets too, and have no cells.
            names = [sheet.title for sheet in book.worksheets]
            shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
            wanted = self._options.sheet or next(iter([*shown, *names]), "")
            if wanted not in names:
                raise SourceError(
                    f"{self._path} has no sheet “{wanted}”; it has: {', '.join(names)}."
                )
            yield cast(_Sheet, book[wanted]), names
            book.close()

    def _damaged(self) -> SourceError:
        return SourceError(
            f"{self._path} can't be read as an Excel workbook: it is damaged or was cut off."
        )

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise unreadable(self._path, error) from error


def _has_uncomputed(path: Path) -> bool:
    """Whether a formula has no value, as in workbooks that no spreadsheet has saved."""
    try:
        with zipfile.ZipFile(path) as book:
            sheets = [name for name in book.namelist() if _SHEET.fullmatch(name)]
            return any(_is_found(_UNCOMPUTED, book.open(name)) for name in sheets)
    except BAD_ZIP:
        return False  # the reading will tell


def _is_found(pattern: re.Pattern[bytes], part: IO[bytes]) -> bool:
    with part:
        return any(pattern.search(looked) for looked in searchable(part, _LONGEST_FIND))


def _cell_text(cell: object) -> str:
    """What Excel shows, as far as it matters for contacts: leading zeros of a number's format."""
    value = getattr(cell, "value", None)
    if isinstance(value, dt.timedelta):
        return str(value)
    text = text_of(value)
    if isinstance(value, int) and not isinstance(value, bool):
        number_format = str(getattr(cell, "number_format", ""))
        if _ZEROS.fullmatch(number_format):
            return text.zfill(len(number_format))
    return text
