"""The rejects file: every row that did not go as it is, with its reason, as CSV."""

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from sync.report.csv_file import CsvFile

_SAMPLES = 3


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

    def __init__(self, path: Path) -> None:
        """Open it; raises StateError."""
        self.path = path
        self.place: Callable[[int], tuple[str, int]] = lambda row: ("", row)
        self.reasons: Counter[tuple[Kind, str]] = Counter()
        self.samples: dict[tuple[Kind, str], list[Entry]] = {}
        self._file = CsvFile(path, "rejects file", [field.name for field in fields(Entry)])

    def add(self, entry: Entry) -> None:
        """Write one line; raises StateError."""
        file, row = self.place(entry.row)
        entry = replace(entry, file=file, row=row)
        key = (entry.kind, entry.code)
        self.reasons[key] += 1
        samples = self.samples.setdefault(key, [])
        if len(samples) < _SAMPLES:
            samples.append(entry)
        self._file.write(astuple(entry))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Have it whole on the disk, or remove it when it is empty; raises StateError."""
        self._file.close(keep=bool(self.reasons))
