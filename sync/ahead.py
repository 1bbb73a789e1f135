"""Work that is done while other work waits for a disk, a database or the interpreter's lock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

_T = TypeVar("_T")


def one_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The items, each of which is made in a thread while the one before it is worked on.

    So there is one more of them in memory. What making one raises is raised in its turn.
    """
    context = copy_context()

    def make() -> _T | None:
        return context.run(lambda: next(items, None))

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(make)
        while (item := coming.result()) is not None:
            coming = thread.submit(make)
            yield item
