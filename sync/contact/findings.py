"""What is wrong with cells: found column-wise, told row by row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sync.contact.fields import EMAIL
from sync.contact.text import Mask, Positions


class Severity(StrEnum):
    """Whether the contact goes nevertheless."""

    REJECT = "rejected"
    WARNING = "warning"


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
    """The same problem in some cells of one column; `reason` may differ by cell."""

    severity: Severity
    field: str
    code: str
    reason: str | Sequence[str]
    positions: Positions


def rejected(findings: Iterable[Finding], count: int) -> Mask:
    """Which rows can't become contacts."""
    mask = np.zeros(count, np.bool_)
    for finding in findings:
        if finding.severity is Severity.REJECT:
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
        Problem(
            severity=finding.severity,
            row=int(rows[position]),
            email=emails[position].as_py() or (cells[EMAIL][position].as_py() or "").strip(),
            field=finding.field,
            value=cells[finding.field][position].as_py() or "",
            code=finding.code,
            reason=finding.reason if isinstance(finding.reason, str) else finding.reason[index],
        )
        for finding in findings
        for index, position in enumerate(finding.positions.tolist())
        if finding.severity is Severity.REJECT or not rejects[position]
    ]
    return tuple(sorted(problems, key=lambda problem: problem.row))
