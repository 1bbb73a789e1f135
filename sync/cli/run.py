"""`--run-now` and `--dry-run`: one sync, or the plan of one."""

from datetime import timedelta

import typer

from sync.alerts import telling_outcome
from sync.auth.vault import open_vault
from sync.cli import everyone, plan
from sync.cli.options import accounts_of
from sync.cli.progress import watched
from sync.cli.summary import show_summary
from sync.cli.terminal import output
from sync.errors import GuardStopped
from sync.run import Run
from sync.state.store import open_store
from sync.stop import Stop, stop_on_signals


def once(context: typer.Context, *, dry_run: bool, wait: timedelta) -> int:
    """Sync or plan once, show what came of it, and return the exit code.

    Of a folder without --account: every account.
    """
    accounts = accounts_of(context)
    stop = Stop()
    stop_on_signals(stop)
    if accounts.many:
        return everyone.run_all(accounts, dry_run=dry_run, wait=wait, stop=stop)
    settings = accounts.any_settings
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        with watched() as progress:
            run = Run(settings, store, vault, stop=stop, progress=progress)
            try:
                if dry_run:
                    recording = run.dry_run(wait=wait)
                else:
                    with telling_outcome(settings, store, attended=output.is_terminal):
                        recording = run.sync(wait=wait)
            except GuardStopped:
                plan.show_stopped_run(settings, store)
                raise
    show_summary(recording)
    return recording.exit_code
