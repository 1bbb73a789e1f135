"""A CSV file for people: private, readable by spreadsheets, and without formulas in its cells."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sync.errors import StateError

# A cell that begins with one of these is a formula to a spreadsheet
# (https://owasp.org/www-community/attacks/CSV_Injection); East Asian ones take the wide signs too.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# A spreadsheet of a country with decimal commas separates cells by semicolons, and heeds no
# quotation marks in the middle of one: a formula may begin behind these then.
_WITHIN = re.compile(rf"[;\t\r\n][\s\"]*(?=[{re.escape(''.join(_FORMULA_STARTS[:4]))}＝＋－＠])")
_MODE = 0o600


class CsvFile:
    """Written as a run goes; `what` names it where a fault is told, with the `advice`."""

    def __init__(
        self,
        path: Path,
        what: str,
        heading: Iterable[str],
        *,
        advice: str = "name another folder in report.directory, or see to its disk",
    ) -> None:
        """Open it; raises StateError, so that a full disk is found before anything is sent."""
        self.path = path
        self._what = what
        self._advice = advice
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=_MODE)
            # A byte order mark lets spreadsheets see that it is UTF-8.
            self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file)
        self.write(heading)
        with self._told():
            self._file.flush()

    def write(self, cells: Iterable[object]) -> None:
        """Add a line; raises StateError."""
        with self._told():
            self._csv.writerow([_harmless(str(cell)) for cell in cells])

    def close(self, *, keep: bool) -> None:
        """Have it whole on the disk, or remove it; raises StateError."""
        with self._told():
            self._file.close()
        if not keep:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(
                f"The {self._what} {self.path} can't be written: {error.strerror}; {self._advice}."
            ) from None


def _harmless(cell: str) -> str:
    cell = _WITHIN.sub(r"\g<0>'", cell)
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
