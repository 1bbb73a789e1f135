"""What the page is shown of the worker: each account as it stands, and one of them in full."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sync.settings import Settings
from sync.state.hosts import Host
from sync.state.runs import RunRecord
from sync.status.facts import Facts, Standing

HISTORY = 90


@dataclass(frozen=True, slots=True)
class View:
    """One account as it stands now, with its last runs, newest first."""

    settings: Settings
    facts: Facts
    history: list[RunRecord]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the worker lets others look at.

    Attributes:
        settings: The worker's own options, as they are in any account.
        many: Whether there is a page of all accounts.
        standings: Every account; of many, as it was looked at last.
        view: One account as it is now, None when it is unknown; raises StateError.
        hosts: The workers of a cluster; none of a single one; raises StateError.
    """

    settings: Callable[[], Settings]
    many: bool
    standings: Callable[[], Sequence[Standing]]
    view: Callable[[str], View | None]
    hosts: Callable[[], Sequence[Host]] = tuple
