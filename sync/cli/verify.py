"""`contact-sync verify`."""

from datetime import timedelta
from typing import Annotated

import typer

from sync.cli.opened import WaitOption, opened_run
from sync.cli.options import AccountOption, ConfigOption, settings_of
from sync.cli.summary import show_verified


def command(
    context: typer.Context,
    config: ConfigOption = None,
    account: AccountOption = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Let the next sync send again what the source owns and was changed there. Nobody "
            "is put back on a list, and nobody is revived.",
        ),
    ] = False,
    wait: WaitOption = 0,
) -> None:
    """Compare the whole audience with what was sent.

    The audience is read back; what people changed there is shown, and written to a CSV file.
    Nothing is changed in Constant Contact. It costs a request for every 500 contacts of the
    account.
    """
    settings = settings_of(context, config, account)
    with opened_run(settings) as run:
        recording = run.verify(repair=repair, wait=timedelta(minutes=wait))
    show_verified(recording)
    raise typer.Exit(recording.exit_code)
