"""What a plan will cost: API calls, minutes, and the contacts that Constant Contact bills.

Pure. It tells the size of things, so that a person sees a day's quota or a higher price coming; it
promises nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from sync.polling import FIRST_PAUSE, LONGEST_PAUSE
from sync.settings.options import Api
from sync.state.runs import Counts

# How long an import takes where no earlier one tells: the vendor says seconds to minutes.
ASSUMED_IMPORT = timedelta(minutes=1)
# A bulk change names at most so many contacts, and a page of contacts holds as many (the contract).
_AT_ONCE = 500
# A contact that is changed alone is read, and written.
_CALLS_OF_ONE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The cost of a plan.

    Attributes:
        reading: Calls that read the account before the plan.
        imports: Imports, one call each.
        polls: Calls that ask how far imports and other activities are.
        changes: Calls of bulk changes (lists, tags, deletions) and for the ids that they need, and
            of contacts that are changed one by one (cleared values, changed addresses).
        duration: From the plan on.
        assumed: Whether nothing was known of how long an import takes.
        billable: By how much the number of active contacts, which is billed, grows at most; those
            on no list count too (the knowledge base's article 5327, and support in the forum).
    """

    reading: int
    imports: int
    polls: int
    changes: int
    duration: timedelta
    assumed: bool
    billable: int

    @property
    def calls(self) -> int:
        """All calls together."""
        return self.reading + self.imports + self.polls + self.changes


def forecast(
    counts: Counts,
    *,
    imports: int,
    known: int,
    reading: int,
    import_takes: timedelta | None,
    options: Api,
) -> Forecast:
    """The cost of a plan of so many imports.

    Args:
        counts: The plan's.
        imports: How many imports it makes.
        known: How many contacts the account holds of ours.
        reading: How many calls it took, or will take, to read the account before.
        import_takes: How long earlier imports took; None when there was none.
        options: The pace, and how many imports are under way at once.
    """
    takes = import_takes or ASSUMED_IMPORT
    amended = (counts.moved, counts.tagged, counts.removed, counts.deleted)
    activities = sum(ceil(contacts / _AT_ONCE) for contacts in amended)
    ids = min(sum(amended), ceil((known + counts.new) / _AT_ONCE))
    one_by_one = _CALLS_OF_ONE * (counts.cleared + counts.readdressed)
    polls = (imports + activities) * polls_within(takes)
    calls = imports + polls + activities + ids + one_by_one
    rounds = ceil(imports / options.batches_in_flight)
    rounds += ceil(activities / options.batches_in_flight)
    return Forecast(
        reading=reading,
        imports=imports,
        polls=polls,
        changes=activities + ids + one_by_one,
        duration=max(timedelta(seconds=calls / options.requests_per_second), rounds * takes),
        assumed=import_takes is None and imports > 0,
        billable=counts.new - counts.deleted,
    )


def polls_within(takes: timedelta) -> int:
    """How often an activity is asked for that ends after so long: at once, then ever later."""
    polls, at, pause = 1, timedelta(0), FIRST_PAUSE
    while at < takes:
        at += pause
        pause = min(pause * 2, LONGEST_PAUSE)
        polls += 1
    return polls
