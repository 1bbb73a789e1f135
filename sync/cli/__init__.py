"""The command line: the only part that prints for a terminal."""

import os
import sys

from sync.errors import ExitCode

__all__ = ["main"]


def main() -> None:
    """Run the command line. Loading it takes a moment, in which Ctrl-C is told as it is later."""
    # Arrow's own keep three times what is in use when chunks come and go.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        from sync.cli.app import main as run
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        sys.exit(ExitCode.BUSY)
    run()
