"""Writing to the terminal; plain text when the output is none."""

from rich.console import Console

output = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "", style: str | None = None) -> None:
    """Print a line; brackets in it are text, not markup."""
    output.print(text, style=style, markup=False)
