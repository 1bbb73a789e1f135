"""The drift file: what Constant Contact holds otherwise than it was sent, as CSV."""

from collections import Counter
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from sync.report.csv_file import CsvFile

_SAMPLES = 3


class Owner(StrEnum):
    """Who has the last word."""

    SOURCE = "the source"
    PERSON = "the person"


class Done(StrEnum):
    """What was done about it."""

    LEFT = "left as it is"
    SENT_AGAIN = "to be sent again"
    NOT_PUT_BACK = "noted, and not put back"


@dataclass(frozen=True, slots=True)
class Drift:
    """One line of the file; `field` is also `contact` (is it there at all?), `list` and `tag`."""

    address: str
    field: str
    ours: str
    theirs: str
    owner: Owner
    done: Done


class DriftFile:
    """Written as the audience is read back; holds counts by field, and some samples of each.

    Attributes:
        compared: How many contacts of ours were looked at.
        contacts: How many of them differ in what the source owns.
        by_field: The lines by field.
    """

    def __init__(self, path: Path, *, repair: bool) -> None:
        """Open it; raises StateError."""
        self.path = path
        self.repair = repair
        self.compared = 0
        self.contacts = 0
        self.by_field: Counter[str] = Counter()
        self.samples: dict[str, list[Drift]] = {}
        self._file = CsvFile(path, "drift file", [field.name for field in fields(Drift)])

    def add(self, found: Drift) -> None:
        """Write one line; raises StateError."""
        self.by_field[found.field] += 1
        samples = self.samples.setdefault(found.field, [])
        if len(samples) < _SAMPLES:
            samples.append(found)
        self._file.write(astuple(found))

    def close(self) -> None:
        """Have it whole on the disk, or remove it when it is empty; raises StateError."""
        self._file.close(keep=bool(self.by_field))
