"""Memory that a step of a run has freed, given back before the next one takes its own."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Have the C library return what it keeps, in pieces, of what is freed.

    See malloc_trim(3); Arrow's allocator does it by itself (`sync.cli`).
    """
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
