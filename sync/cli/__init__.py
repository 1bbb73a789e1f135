"""The command line: the only part that prints for a terminal."""

from sync.cli.app import main

__all__ = ["main"]
