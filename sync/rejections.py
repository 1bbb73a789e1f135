"""What the steps of a run find, as lines of the rejects file."""

from sync.contact.findings import Problem, Severity
from sync.readback import Refused
from sync.report.rejects import Entry, Kind
from sync.source.csv_file import RowFault
from sync.state.staging import Duplicate, OptedOut

_OPT_OUTS = {
    "unsubscribed": "the person has unsubscribed; only the person can join again",
    "deleted": "the contact was deleted in Constant Contact, and stays deleted",
    "left_list": "the person left the list, and is not put back on it",
}
_KINDS = {Severity.REJECT: Kind.REJECTED, Severity.WARNING: Kind.WARNING}


def from_fault(fault: RowFault) -> Entry:
    """A row that could not be read."""
    return Entry(Kind.REJECTED, fault.row, "", "", "", "row_unreadable", fault.reason)


def from_problem(problem: Problem) -> Entry:
    """Something wrong with a cell."""
    return Entry(
        _KINDS[problem.severity],
        problem.row,
        problem.email,
        problem.field,
        problem.value,
        problem.code,
        problem.reason,
    )


def from_duplicate(duplicate: Duplicate) -> Entry:
    """A row whose address comes again."""
    reason = f"row {duplicate.winner} has the same address, and the last one counts"
    return Entry(
        Kind.DUPLICATE,
        duplicate.row,
        duplicate.email,
        "email",
        duplicate.email,
        "duplicate_in_source",
        reason,
    )


def from_opt_out(row: OptedOut) -> Entry:
    """A row that is left out for what happened on the other side."""
    return Entry(Kind.OPTED_OUT, row.row, row.email, "", "", row.kind, _OPT_OUTS[row.kind])


def from_refusal(refused: Refused) -> Entry:
    """A contact that Constant Contact did not take."""
    return Entry(Kind.REFUSED, refused.row, refused.email, "", "", refused.code, refused.reason)
