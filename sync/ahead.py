"""Work that is done while other work waits for a disk, a database or the interpreter's lock."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Generic, TypeVar

_K = TypeVar("_K")
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


class Beforehand(Generic[_K, _T]):
    """What is made of something, and may have been made in a thread before it is asked for."""

    def __init__(self, make: Callable[[_K], _T]) -> None:
        self._make = make
        self._thread = ThreadPoolExecutor(1)
        self._coming: tuple[_K, Future[_T]] | None = None

    def of(self, this: _K, following: _K | None) -> _T:
        """What this comes to; that of the following one is begun, as what is likely asked for next.

        What making one raises is raised in its turn, and of what is never asked for not at all.
        """
        coming, self._coming = self._coming, None
        made = coming[1].result() if coming and coming[0] == this else self._make(this)
        if following is not None:
            make = copy_context().run
            self._coming = following, self._thread.submit(make, self._make, following)
        return made

    def close(self) -> None:
        """End the thread, when it has made what it is about."""
        self._thread.shutdown(cancel_futures=True)
