"""What the steps of a run find, as lines of the rejects file."""

from sync.contact.findings import Problem, Severity
from sync.readback import Refused
from sync.report.rejects import Entry, Kind
from sync.source import Place, RowFault
from sync.state.staging import Duplicate, Keep, OptedOut

_OPT_OUTS = {
    "unsubscribed": "the person has unsubscribed; only the person can join again",
    "deleted": "the contact was deleted in Constant Contact, and stays deleted",
    "left_list": "the person left the list, and is not put back on it",
}
_KINDS = {
    Severity.REJECT: Kind.REJECTED,
    Severity.WITHHELD: Kind.WITHHELD,
    Severity.WARNING: Kind.WARNING,
}
_RULES = {
    Keep.LAST: "has the same address, and the last one counts",
    Keep.FIRST: "has the same address, and the first one counts",
    Keep.NEWEST: "has the same address, and the newest counts",
    Keep.MERGE: "has the same address, and holds what both say",
}


def from_fault(fault: RowFault) -> Entry:
    """A row that could not be read."""
    return Entry(Kind.REJECTED, fault.row, "", "", "", "row_unreadable", fault.reason)


def from_problem(problem: Problem, key: str = "") -> Entry:
    """Something wrong with a cell; `key` is what the company calls the row."""
    return Entry(
        _KINDS[problem.severity],
        problem.row,
        problem.email,
        problem.field,
        problem.value,
        problem.code,
        problem.reason,
        key=key,
    )


def from_duplicate(duplicate: Duplicate, keep: Keep, winner: Place) -> Entry:
    """A row whose address another row has too, which is the one that counts."""
    of_file = f" of {winner.file}" if winner.file else ""
    reason = f"row {winner.row}{of_file} {_RULES[keep]}"
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
