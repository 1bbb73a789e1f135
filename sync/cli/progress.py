"""A run's progress: a moving line a step on a terminal, a plain line a step elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

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
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        BarColumn(bar_width=12),
        _Counted(table_column=Column(no_wrap=True, justify="right")),
        # How long still; at the end, how long it took.
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=output, expand=True) as bars:
        watcher = _Bars(bars)
        yield watcher
        watcher.finish()


class _Counted(ProgressColumn):
    """How many of how many, and how fast."""

    def render(self, task: Task) -> Text:
        done = int(task.fields["done"])
        if not done:
            return Text(f"{task.fields['known']:,}" if task.fields["known"] else "")
        whole = f" of {task.fields['known']:,}" if task.fields["known"] else ""
        speed = task.finished_speed or task.speed
        return Text(f"{done:,}{whole}{f', {speed:,.0f}/s' if speed else ''}")


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def step(self, title: str, total: int | None = None) -> None:
        self.finish()
        self._task = self._bars.add_task(title, total=total, done=0, known=total)

    def advance(self, contacts: int) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            done = task.fields["done"] + contacts
            # More than was known: nobody knows any more how many there are.
            known = task.fields["known"] if done <= (task.fields["known"] or 0) else None
            self._bars.update(self._task, advance=contacts, total=known, done=done, known=known)

    def finish(self) -> None:
        if self._task is not None:
            done = self._bars.tasks[self._task].completed
            self._bars.update(self._task, total=done or 1, completed=done or 1)


class _Lines:
    def step(self, title: str, total: int | None = None) -> None:
        say(f"{title} ({number(total, 'contact')})" if total else title)

    def advance(self, contacts: int) -> None:
        """A line a step is enough where nothing moves."""
