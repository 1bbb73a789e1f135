"""Writing to the terminal, and asking there; plain text when the output is none."""

import os
import sys

import typer
from rich.console import Console
from rich.table import Table


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read the output has gone: a run goes on to its end all the same."""
        self.quiet = True
        nobody_reads()


# Brackets are text everywhere: most of what is shown comes from elsewhere.
output = _Terminal(highlight=False, soft_wrap=True, markup=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def nobody_reads() -> None:
    """Let what else is printed go nowhere, and fail nobody."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def say(text: str = "", style: str | None = None) -> None:
    """Print a line."""
    output.print(text, style=style)


def complain(text: str) -> None:
    """Print a line to standard error."""
    errors.print(text)


def table(*headings: str) -> Table:
    """A table whose cells are never cut: what is too long is broken into lines."""
    made = Table()
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def number(count: int, what: str) -> str:
    """A count with its noun, in the plural where it needs one."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def ask_secret(question: str) -> str:
    """What a person types or pastes, unseen; without a terminal, the next line of the input."""
    if sys.stdin.isatty():
        answer: str = typer.prompt(question, hide_input=True)
        return answer
    say(f"{question}:")
    return sys.stdin.readline().strip()


def survive_encodings() -> None:
    """Replace what the terminal's encoding doesn't have, instead of failing over it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
