"""The command line: the only part that prints for a terminal."""

import gc
import os
import sys

from sync.errors import ExitCode

__all__ = ["main"]

# jemalloc(3): for how many milliseconds memory that was freed waits to be used again.
_JEMALLOC = "dirty_decay_ms:100,muzzy_decay_ms:0"
# After how many more objects Python looks for unreachable cycles among them, and after how many
# such looks among the older ones. With its usual 700 that is a tenth of each start, in which the
# program is loaded and nothing is unreachable.
_COLLECTED_AFTER = (100_000, 10, 10)


def main() -> None:
    """Run the command line. Loading it takes a moment, in which Ctrl-C is told as it is later."""
    gc.set_threshold(*_COLLECTED_AFTER)
    _keep_little_memory()
    try:
        from sync.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(ExitCode.BUSY)
    try:
        run()
    finally:
        # Python looks at its end for unreachable cycles twice, among all that was ever loaded: a
        # quarter of a second. What must be closed was closed by now.
        gc.freeze()


def _keep_little_memory() -> None:
    """Choose an allocator that gives back what chunks of the source leave behind them.

    Arrow's usual one keeps three times what is in use when chunks come and go, and the system's
    gives all back at once, only to ask for it again: a fifth of a first sync's processor time.
    """
    # Arrow's packages have it there (those for ARM leave it out: GH-44342 of apache/arrow).
    has_jemalloc = sys.platform == "linux" and os.uname().machine == "x86_64"
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc" if has_jemalloc else "system")
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", _JEMALLOC)
