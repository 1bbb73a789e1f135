"""A run for a command that a person waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from sync.auth.vault import open_vault
from sync.cli.progress import watched
from sync.run import Run
from sync.settings import Settings
from sync.state.store import open_store
from sync.stop import Stop, stop_on_signals

WaitOption = Annotated[
    int,
    typer.Option(
        "--wait",
        metavar="MINUTES",
        min=0,
        help="When another run is under way, wait for its end, at most so long.",
    ),
]


@contextmanager
def opened_run(settings: Settings) -> Iterator[Run]:
    """A run over the configured state, which is shown as it goes on and stops on a signal."""
    stop = Stop()
    stop_on_signals(stop)
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        with watched() as progress:
            yield Run(settings, store, vault, stop=stop, progress=progress)
