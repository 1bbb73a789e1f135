"""What is wrong with cells: found column-wise, told row by row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.fields import EMAIL
from sync.contact.text import Mask, Positions


class Severity(StrEnum):
    """Whether the contact goes nevertheless."""

    REJECT = "rejected"
    WITHHELD = "withheld"  # nothing is wrong with the row, but the company doesn't allow it
    WARNING = "warning"

    @property
    def ends_row(self) -> bool:
        """Whether the row does not become a contact."""
        return self is not Severity.WARNING


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one cell.

    Attributes:
        row: The row's number in the source.
        email: The contact's address, as far as it is known.
        field: The contact field.
        value: The cell as the source has it.
        code: A stable name of the kind of problem.
        reason: The same for people, a sentence.
    """

    severity: Severity
    row: int
    email: str
    field: str
    value: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The same problem in some cells of one column; `reason` may differ by cell.

    `values` are the cells' texts, where they are not those of the column any more.
    """

    severity: Severity
    field: str
    code: str
    reason: str | Sequence[str]
    positions: Positions
    values: Sequence[str] | None = None

    def only(self, mask: Mask) -> "Finding":
        """The same in those cells only whose rows the mask has."""
        kept = np.flatnonzero(mask[self.positions]).tolist()
        if len(kept) == len(self.positions):
            return self
        reason = self.reason
        return replace(
            self,
            reason=reason if isinstance(reason, str) else [reason[at] for at in kept],
            positions=self.positions[kept],
            values=None if self.values is None else [self.values[at] for at in kept],
        )


def rejected(findings: Iterable[Finding], count: int) -> Mask:
    """Which rows can't become contacts."""
    mask = np.zeros(count, np.bool_)
    for finding in findings:
        if finding.severity.ends_row:
            mask[finding.positions] = True
    return mask


def told(
    findings: Sequence[Finding],
    rejects: Mask,
    rows: npt.NDArray[np.int64],
    emails: pa.Array,
    cells: dict[str, pa.Array],
) -> tuple[Problem, ...]:
    """The findings as problems, in the order of the rows; a reject needs no warnings."""
    problems = [
        problem
        for finding in findings
        for position, problem in zip(
            finding.positions.tolist(), _problems(finding, rows, emails, cells), strict=True
        )
        if finding.severity.ends_row or not rejects[position]
    ]
    return tuple(sorted(problems, key=lambda problem: problem.row))


def _problems(
    finding: Finding,
    rows: npt.NDArray[np.int64],
    emails: pa.Array,
    cells: dict[str, pa.Array],
) -> Iterator[Problem]:
    at = finding.positions
    reasons = [finding.reason] * len(at) if isinstance(finding.reason, str) else finding.reason
    values = _texts(cells[finding.field], at) if finding.values is None else finding.values
    known, written = _texts(emails, at), _texts(cells[EMAIL], at)
    told_of = zip(rows[at].tolist(), known, written, values, reasons, strict=True)
    for row, email, address, value, reason in told_of:
        yield Problem(
            severity=finding.severity,
            row=row,
            email=email or address.strip(),
            field=finding.field,
            value=value,
            code=finding.code,
            reason=reason,
        )


def _texts(column: pa.Array, positions: Positions) -> list[str]:
    texts: list[str] = pc.fill_null(column.take(pa.array(positions)), "").to_pylist()
    return texts
