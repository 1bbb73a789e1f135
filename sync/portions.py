"""Many things, some at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")

# How many values one SQL statement is given: all databases take as many as that.
PER_STATEMENT = 500


def portions(items: Iterable[_T], size: int = PER_STATEMENT) -> Iterator[list[_T]]:
    """The items in lists of at most `size`, none of them empty (itertools.batched of 3.12)."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
