"""What a run tells while it goes on; whoever watches decides how to show it."""

from typing import Protocol


class Progress(Protocol):
    """Told of each step as it begins, and of how far it is."""

    def step(self, title: str, total: int | None = None) -> None:
        """A step begins; `total` is how many contacts it is about, None where nobody knows."""
        ...

    def advance(self, contacts: int) -> None:
        """So many more contacts of the step are done."""
        ...


class Silent:
    """Nobody watches."""

    def step(self, title: str, total: int | None = None) -> None:
        """Shown to nobody."""

    def advance(self, contacts: int) -> None:
        """Shown to nobody."""
