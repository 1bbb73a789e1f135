"""The search for the contacts that make a whole import fail.

An import is taken or refused as a whole, and its error names no contact, so a batch that fails is
cut into parts, and each part that fails again, until the contacts at fault stand alone. Here it is
only decided; what a killed run had found and not found yet is planned anew by the next one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sync.state.outbox import Batch

# One contact at fault among n costs about 2 * log2(n) imports, so 31 in a batch of the greatest
# size. As many imports as this, a fiftieth of a day's requests, find six of them in a run.
MOST_IMPORTS = 200
# The fault is not in the contacts when so many single ones fail as the whole batch did, and no
# part was ever taken.
_ALIKE = 3


@dataclass(slots=True)
class _Case:
    """A batch that failed and all its parts."""

    why: str
    at_once: bool
    alike: bool = True
    single: int = 0
    taken: bool = False

    @property
    def is_whole(self) -> bool:
        return self.alike and not self.taken and self.single >= _ALIKE


class FaultSearch:
    """What one run knows about the batches that failed."""

    def __init__(self) -> None:
        self._cases: dict[int, _Case] = {}
        self._whole: set[tuple[int, str]] = set()
        self._imports = 0
        self._turns: dict[int, int] = {}

    def is_part(self, entry: Batch) -> bool:
        """Whether the batch is a part of another that failed."""
        return entry.id in self._cases

    def turn(self, entry: Batch) -> tuple[int, int]:
        """The greater, the sooner it should be posted: parts of what failed last come first."""
        return self._turns.get(entry.id, 0), -entry.id

    def posting(self, entry: Batch) -> None:
        """The batch is about to be posted."""
        self._imports += self.is_part(entry)

    def posted(self, entry: Batch) -> None:
        """The batch was taken, though not carried out yet."""
        case = self._cases.get(entry.id)
        if case is not None and case.at_once:
            case.taken = True

    def arrived(self, entry: Batch) -> None:
        """The batch was carried out."""
        case = self._cases.get(entry.id)
        if case is not None:
            case.taken = True

    def failed(self, entry: Batch, why: str, *, at_once: bool) -> tuple[int, ...]:
        """The batch failed, `at_once` when it was posted; returns the sizes of the parts to try.

        There are none when it is a single contact, or when searching on is of no use.
        """
        case = self._cases.setdefault(entry.id, _Case(why, at_once))
        case.alike = case.alike and case.why == why
        case.why = why
        case.single += entry.contacts == 1
        if case.is_whole:
            self._whole.add((entry.list_set_id, why))
        if entry.contacts == 1 or self.no_use(entry) is not None:
            return ()
        if case.taken or entry.contacts == 2:
            return entry.contacts // 2, entry.contacts - entry.contacts // 2
        # A single one among them may tell that no contact is at fault.
        before = (entry.contacts - 1) // 2
        return before, 1, entry.contacts - before - 1

    def divided(self, entry: Batch, sizes: Sequence[int], parts: Sequence[int]) -> None:
        """The batch's place was taken by batches of these sizes and ids."""
        case = self._cases.pop(entry.id)
        self._cases.update(dict.fromkeys(parts, case))
        # When many are at fault, each run gets on with others; a single one soon tells of the rest.
        chance = random.Random(f"{entry.run_id} {entry.id}")  # noqa: S311 (repeatable on purpose)
        mixed = list(zip(parts, sizes, strict=True))
        chance.shuffle(mixed)
        for part, _ in sorted(mixed, key=lambda part: part[1] == 1):
            self._turns[part] = len(self._turns) + 1

    def no_use(self, entry: Batch) -> str | None:
        """Why a batch that failed, or a part of one, is not to be posted again; None if it is."""
        case = self._cases.get(entry.id)
        if case is None:
            return None
        if case.is_whole or (entry.list_set_id, case.why) in self._whole:
            return f"every part of the import failed alike, whatever contacts it held: {case.why}"
        if self._imports >= MOST_IMPORTS:
            return (
                f"the search for the contacts at fault ended after {MOST_IMPORTS} imports, and "
                f"the next run goes on with it: {case.why}"
            )
        return None
