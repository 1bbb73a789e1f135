"""`contact-sync` without a command: the worker."""

from contextlib import closing

import typer

from sync.cli import cluster
from sync.cli.options import invocation
from sync.logs import configure_logging
from sync.service import Worker
from sync.service_manager import ServiceManager
from sync.state.stores import Stores


def work(context: typer.Context) -> None:
    """Be the worker until it is stopped."""
    called = invocation(context)
    configure_logging(verbose=called.verbose)
    accounts = called.accounts()
    if accounts.any_settings.cluster.enabled:
        cluster.work(accounts, reread=called.accounts)
        return
    with closing(Stores()) as stores:
        if not accounts.many:
            # A state that can't be opened is the end of a worker that has no other.
            with stores.opened(accounts.any_settings):
                pass
        Worker(accounts, stores, reread=called.accounts, manager=ServiceManager()).serve()
