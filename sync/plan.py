"""The plan of a run: what will be sent, in which batches, and whether it looks like an accident.

It asks for counts and sizes, and decides; `sync.state.staging` makes the comparison.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sync.errors import GuardStopped, SourceEmpty
from sync.settings.options import Api, Guard
from sync.state.outbox import BatchPlan
from sync.state.payload import SMS_PERMISSION, import_payload
from sync.state.runs import Counts


class ToSend(Protocol):
    """Contacts to be sent, each list set's in stretches of consecutive ones."""

    @property
    def list_ids(self) -> Mapping[int, tuple[str, ...]]:
        """The ids of each list set's lists."""

    def stretches(self) -> Iterator[tuple[int, int, int, int, int]]:
        """(list set, first row, last row, contacts, encoded bytes), sorted by list set and row."""

    def inside(self, list_set_id: int, first_row: int, last_row: int) -> Iterator[tuple[int, int]]:
        """(row, encoded bytes) of each contact of a stretch that must be cut."""


def batches(to_send: ToSend, limits: Api, *, sms: bool = False) -> Iterator[BatchPlan]:
    """Cut what is to be sent into batches within the limits.

    `sms` when contacts may have numbers for text messages, of which an import says a word more.

    A batch holds contacts of one list set, since the lists of an import hold for all of it.
    """
    # Plain numbers, since this may be done once for each contact.
    most_bytes, most_contacts = limits.batch_bytes, limits.batch_contacts
    permission = len(SMS_PERMISSION) if sms else 0
    first = last = contacts = total = 0
    of: int | None = None

    def fits(list_set_id: int, more: int, size: int) -> bool:
        # One more byte for the comma before each contact.
        small_enough = total + more + size <= most_bytes and contacts + more <= most_contacts
        return list_set_id == of and small_enough

    for list_set_id, first_row, last_row, count, size in to_send.stretches():
        pieces: Iterable[tuple[int, int, int]] = [(last_row, count, size)]
        if count > 1 and not fits(list_set_id, count, size):
            singly = to_send.inside(list_set_id, first_row, last_row)
            pieces = ((row, 1, one) for row, one in singly)
        for row, more, added in pieces:
            if fits(list_set_id, more, added):
                last, contacts, total = row, contacts + more, total + more + added
                continue
            if of is not None:
                yield BatchPlan(of, first, last, contacts, total)
            of, first, last, contacts = list_set_id, row, row, 1
            total = len(import_payload((), to_send.list_ids[of])) + permission + added
    if of is not None:
        yield BatchPlan(of, first, last, contacts, total)


def guard(counts: Counts, *, known: int, last: Counts | None, limits: Guard) -> None:
    """Raise GuardStopped when the plan looks like an accident in the source.

    `known` is the number of contacts synced so far; `last` are the counts of the last run that
    ended well, None for a first run. A source without any valid contact raises SourceEmpty: that
    plan has nothing which a person could approve.
    """
    valid = counts.valid
    if valid == 0:
        raise SourceEmpty(
            f"The source has no valid contact ({counts.rows_read:,} rows read, "
            f"{counts.rejected:,} rejected); nothing was sent. See the rejects file."
        )
    if counts.rows_read >= limits.minimum_contacts:
        _stop_above(
            counts.faulty,
            counts.rows_read,
            limits.max_rejected_percent,
            "rejected rows",
            "max_rejected_percent",
        )
    if last is not None and last.valid >= limits.minimum_contacts:
        option = "max_shrink_percent"
        fewer = "fewer valid contacts than last time"
        _stop_above(last.valid - valid, last.valid, limits.max_shrink_percent, fewer, option)
        # A source of as many others has not shrunk, and is another source all the same.
        missing = "contacts of last time are not in the source any more"
        _stop_above(counts.gone - last.gone, last.valid, limits.max_shrink_percent, missing, option)
    removed = counts.removed + counts.deleted
    off = "would be taken off their lists or deleted"
    if known >= limits.minimum_contacts:
        _stop_above(
            counts.changed, known, limits.max_changed_percent, "changed", "max_changed_percent"
        )
        _stop_above(removed, known, limits.max_removed_percent, off, "max_removed_percent")
    _stop_beyond(counts.changed, limits.max_changed, "changed", "max_changed")
    _stop_beyond(removed, limits.max_removed, off, "max_removed")


def _stop_above(part: int, whole: int, limit: float, what: str, option: str) -> None:
    percent = 100 * part / whole if whole else 0
    if percent > limit:
        raise GuardStopped(
            f"The guard stopped the run before anything was sent: {part:,} of {whole:,} "
            f"({percent:.1f} %) {what}, and at most {limit:g} % are allowed (guard.{option})."
        )


def _stop_beyond(number: int, limit: int | None, what: str, option: str) -> None:
    if limit is not None and number > limit:
        raise GuardStopped(
            f"The guard stopped the run before anything was sent: {number:,} contacts {what}, and "
            f"at most {limit:,} are allowed (guard.{option})."
        )
