"""What a run tells while it goes on; whoever watches decides how to show it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Shown:
    """How far a run is: `total` is None where nobody knows."""

    title: str
    done: int = 0
    total: int | None = None

    def __str__(self) -> str:
        if not self.done:
            return self.title
        return f"{self.title}, {self.done:,}{f' of {self.total:,}' if self.total else ''}"


class Live:
    """Keeps how far the present run is, for whoever asks; `on_change` hears of each change."""

    def __init__(self, on_change: Callable[[Shown], None] = lambda _: None) -> None:
        self._on_change = on_change
        self.shown: Shown | None = None

    def step(self, title: str, total: int | None = None) -> None:
        """Show the step."""
        self._show(Shown(title, 0, total))

    def advance(self, contacts: int) -> None:
        """Show the step's new count."""
        if self.shown is not None:
            self._show(replace(self.shown, done=self.shown.done + contacts))

    def over(self) -> None:
        """The run has ended."""
        self.shown = None

    def _show(self, shown: Shown) -> None:
        self.shown = shown
        self._on_change(shown)
