"""A run's progress: a moving line a step on a terminal, a plain line a step elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from sync.cli.terminal import number, output, say
from sync.progress import Progress as Watcher


@contextmanager
def watched() -> Iterator[Watcher]:
    """Shows the progress of what runs in the block."""
    if not output.is_terminal:
        yield _Lines()
        return
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=output) as bars:
        watcher = _Bars(bars)
        yield watcher
        watcher.finish()


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def step(self, title: str, total: int | None = None) -> None:
        self.finish()
        self._task = self._bars.add_task(title, total=total, counted="")

    def advance(self, contacts: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, contacts)
            task = self._bars.tasks[self._task]
            whole = f"/{task.total:,.0f}" if task.total else ""
            self._bars.update(self._task, counted=f"{task.completed:,.0f}{whole}")

    def finish(self) -> None:
        if self._task is not None:
            done = self._bars.tasks[self._task].completed
            self._bars.update(self._task, total=done or 1, completed=done or 1)


class _Lines:
    def step(self, title: str, total: int | None = None) -> None:
        say(f"{title} ({number(total, 'contact')})" if total else title)

    def advance(self, contacts: int) -> None:
        """A line a step is enough where nothing moves."""
