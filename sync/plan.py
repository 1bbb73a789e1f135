"""The plan of a run: what will be sent, in which batches, and whether it looks like an accident.

Pure: it is given counts and sizes, and decides; `sync.state.staging` makes the comparison.
"""

from collections.abc import Iterable, Iterator

from sync.errors import GuardStopped
from sync.settings.options import Api, Guard
from sync.state.outbox import SMS_PERMISSION, BatchPlan, import_payload
from sync.state.runs import Counts


def batches(
    rows: Iterable[tuple[int, int, int]],
    list_ids_of: dict[int, tuple[str, ...]],
    limits: Api,
    *,
    sms: bool = False,
) -> Iterator[BatchPlan]:
    """Cut (list set, row, encoded bytes), sorted by set and row, into batches within the limits.

    `sms` when contacts may have numbers for text messages, of which an import says a word more.

    A batch holds contacts of one list set, since the lists of an import hold for all of it.
    """
    current: BatchPlan | None = None
    for list_set_id, row, size in rows:
        if current is not None and current.list_set_id == list_set_id:
            # One more byte for the comma between two contacts.
            grown = current.bytes + 1 + size
            if grown <= limits.batch_bytes and current.contacts < limits.batch_contacts:
                current = BatchPlan(
                    list_set_id, current.first_row, row, current.contacts + 1, grown
                )
                continue
        if current is not None:
            yield current
        frame = len(import_payload((), list_ids_of[list_set_id])) + sms * len(SMS_PERMISSION)
        current = BatchPlan(list_set_id, row, row, 1, frame + size)
    if current is not None:
        yield current


def guard(counts: Counts, *, known: int, last: Counts | None, limits: Guard) -> None:
    """Raise GuardStopped when the plan looks like an accident in the source.

    `known` is the number of contacts synced so far; `last` are the counts of the last run that
    ended well, None for a first run.
    """
    valid = counts.valid
    if valid == 0:
        raise GuardStopped(
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
    if known >= limits.minimum_contacts:
        _stop_above(
            counts.changed, known, limits.max_changed_percent, "changed", "max_changed_percent"
        )


def _stop_above(part: int, whole: int, limit: float, what: str, option: str) -> None:
    percent = 100 * part / whole if whole else 0
    if percent > limit:
        variable = f"CONTACT_SYNC_GUARD__{option.upper()}"
        raise GuardStopped(
            f"The guard stopped the run before anything was sent: {part:,} of {whole:,} "
            f"({percent:.1f} %) {what}, and at most {limit:g} % are allowed. If that is right, "
            f"run once with {variable}=100; else mend the source."
        )
