"""The rejects file: every row that did not go as it is, with its reason, as CSV."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Self, TextIO

from sync.errors import StateError

# A cell that begins with one of these is a formula to a spreadsheet
# (https://owasp.org/www-community/attacks/CSV_Injection); East Asian ones take the wide signs too.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SAMPLES = 3
_MODE = 0o600


class Kind(StrEnum):
    """What became of the row."""

    REJECTED = "rejected"
    WITHHELD = "withheld"
    WARNING = "warning"
    DUPLICATE = "duplicate"
    OPTED_OUT = "opted out"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file.

    Attributes:
        row: The row's number in the source.
        file: The file's name, where the source has several.
        key: What the company calls the row, where the configuration names its column.
    """

    kind: Kind
    row: int
    email: str
    field: str
    value: str
    code: str
    reason: str
    file: str = ""
    key: str = ""


class RejectsFile:
    """Written as the run goes; holds the counts by reason and some samples of each.

    Attributes:
        place: Tells the file and the row in it by the row's number over all files.
    """

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self.place: Callable[[int], tuple[str, int]] = lambda row: ("", row)
        self.reasons: Counter[tuple[Kind, str]] = Counter()
        self.samples: dict[tuple[Kind, str], list[Entry]] = {}
        self._file = file
        self._csv = csv.writer(file)
        self._write([field.name for field in fields(Entry)])
        with _told(path):
            file.flush()  # a full disk is found before anything is sent

    def add(self, entry: Entry) -> None:
        """Write one line; raises StateError."""
        file, row = self.place(entry.row)
        entry = replace(entry, file=file, row=row)
        key = (entry.kind, entry.code)
        self.reasons[key] += 1
        samples = self.samples.setdefault(key, [])
        if len(samples) < _SAMPLES:
            samples.append(entry)
        self._write([_harmless(str(cell)) for cell in astuple(entry)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Have it whole on the disk, or remove it when it is empty; raises StateError."""
        with _told(self.path):
            self._file.close()
        if not self.reasons:
            self.path.unlink(missing_ok=True)

    def _write(self, cells: list[str]) -> None:
        with _told(self.path):
            self._csv.writerow(cells)


def open_rejects(path: Path) -> RejectsFile:
    """The rejects file of a run; to be used as a context. Raises StateError."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=_MODE)
        # A byte order mark lets spreadsheets see that it is UTF-8.
        file = path.open("w", encoding="utf-8-sig", newline="")
    return RejectsFile(path, file)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The rejects file {path} can't be written: {error.strerror}; name another folder in "
            "report.directory, or see to its disk."
        ) from None


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
