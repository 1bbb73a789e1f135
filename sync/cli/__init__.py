"""The command line: the only part that prints for a terminal."""

import ctypes
import os
import sys
from contextlib import suppress

from sync.errors import ExitCode

__all__ = ["main"]

# mallopt(3): how much freed memory glibc keeps at the end of the heap.
_M_TRIM_THRESHOLD = -1
_KEPT_BYTES = 4_000_000


def main() -> None:
    """Run the command line. Loading it takes a moment, in which Ctrl-C is told as it is later."""
    _keep_little_memory()
    try:
        from sync.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(ExitCode.BUSY)
    run()


def _keep_little_memory() -> None:
    """Choose an allocator that gives back what chunks of the source leave behind them."""
    # Arrow's own keep three times what is in use when chunks come and go.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Left alone, glibc keeps the more the larger what was freed: 15 MB in a sync.
    with suppress(OSError, AttributeError):  # of another C library
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
