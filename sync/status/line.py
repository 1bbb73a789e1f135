"""What `systemctl status` shows of the worker in a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.progress import Shown
from sync.schedule import Start, local_time
from sync.settings.options import Schedule

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Doing:
    """What the worker does for an account: a sync that is under way, or the next one."""

    account: str
    syncing: bool
    live: Shown | None
    next: Start | None
    schedule: Schedule


def status_line(doing: Sequence[Doing], *, many: bool, needed: int) -> str:
    """The line; `needed` is for how many accounts a person is needed."""
    syncing = [each for each in doing if each.syncing]
    if syncing and not many:
        return f"Syncing: {syncing[0].live or 'begins'}"
    waiting = [each for each in doing if each.next is not None]
    line = "No sync is planned yet"
    if syncing:
        named = ", ".join(f"{each.account} ({each.live or 'begins'})" for each in syncing[:_NAMED])
        more = ", …" if len(syncing) > _NAMED else ""
        line = f"Syncing {len(syncing)} of {len(doing)} accounts: {named}{more}"
    elif waiting:
        line = _next(min(waiting, key=_begins), len(doing), many=many)
    return f"{line}; for {needed} accounts a person is needed" if many and needed else line


def _begins(doing: Doing) -> float:
    return doing.next.at.timestamp() if doing.next is not None else float("inf")


def _next(doing: Doing, count: int, *, many: bool) -> str:
    start = doing.next
    if start is None:
        return ""
    at = f"{local_time(doing.schedule, start.at):%Y-%m-%d %H:%M %Z}"
    if not many:
        return f"Next sync at {at}, {start.why}"
    return f"Next sync of {count} accounts: {doing.account} at {at}, {start.why}"
