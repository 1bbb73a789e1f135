"""What the steps of a run find, as lines of the rejects file."""

from datetime import timedelta

from sync.clearing import NotCleared
from sync.contact.findings import Problem, Severity
from sync.readback import Refused
from sync.readdressing import NotReaddressed
from sync.report.rejects import Entry, Kind
from sync.source import Place, RowFault
from sync.state.address_changes import Ambiguous
from sync.state.comparison import OptedOut
from sync.state.duplicates import Duplicate, Keep
from sync.state.refusals import Refusal

_OPT_OUTS = {
    "unsubscribed": "the person has unsubscribed, and only the person can join again: with the "
    "account's sign-up form, or with the link in the one mail by which a user can ask for it on "
    "the contact's page; contact-sync asks nobody",
    "deleted": "the contact was deleted in Constant Contact, and stays deleted until somebody "
    "restores it there (or observe.revive_deleted is set)",
    "left_list": "the person left the list, and is put back on it by nobody but the person (with "
    "the account's sign-up form) or a user, on the contact's page",
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
    reason = _OPT_OUTS[row.kind]
    if row.former:
        reason = f"under the former address {row.former}: {reason}"
    return Entry(Kind.OPTED_OUT, row.row, row.email, "", "", row.kind, reason)


def from_ambiguous(row: Ambiguous) -> Entry:
    """A row with a new address of whom the key does not tell who it is."""
    reason = (
        "other rows have this key too, or several contacts had it, so that an earlier address of "
        "the person can't be told"
    )
    return Entry(
        Kind.WARNING, row.row, row.email, "", row.key, "key_ambiguous", reason, key=row.key
    )


def from_not_readdressed(failed: NotReaddressed) -> Entry:
    """A row that was sent as a new contact, since the old one could not get its address."""
    row, email = failed.change.row, failed.change.email
    return Entry(Kind.WARNING, row, email, "email", email, failed.code, failed.reason)


def from_not_cleared(failed: NotCleared) -> Entry:
    """A contact that still holds what the source has emptied."""
    kind = Kind.REFUSED if failed.refused else Kind.WARNING
    fields = ", ".join(failed.fields)
    return Entry(kind, failed.row, failed.email, fields, "", "not_cleared", failed.reason)


def from_suppressed(row: int, email: str) -> Entry:
    """A row of an approved plan whose address has become one that is never sent."""
    reason = "the address has been suppressed since the plan was made"
    return Entry(Kind.WITHHELD, row, email, "email", email, "suppressed", reason)


def from_held_back(refused: Refusal, again_after: timedelta) -> Entry:
    """A contact that was refused before, and is not sent again as it is."""
    again_at = refused.refused_at + again_after
    reason = (
        f"{refused.reason} (so it was on {refused.refused_at:%Y-%m-%d}; it is sent again when its "
        f"row changes, or on {again_at:%Y-%m-%d})"
    )
    return Entry(Kind.REFUSED, refused.row, refused.email, "", "", refused.code, reason)


def from_refusal(refused: Refused) -> Entry:
    """A contact that Constant Contact did not take."""
    return Entry(Kind.REFUSED, refused.row, refused.email, "", "", refused.code, refused.reason)
