"""`contact-sync state`: a backup of the state, and bringing one back."""

from pathlib import Path
from typing import Annotated

import typer

from sync.auth.vault import open_vault
from sync.cli.options import EXIT_CODES, AccountOption, ConfigOption, settings_of
from sync.cli.terminal import say
from sync.clock import utc_now
from sync.state.backup import back_up, restore
from sync.state.store import open_store

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Back the state up, and bring a backup back.",
)


@app.command("backup", epilog=EXIT_CODES)
def backup_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to make; it must not exist yet.")
    ],
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Copy the state into a file, while a worker or a run goes on.

    The copy is of one instant. The token pair in it is encrypted; the key is not in it. For a
    state in PostgreSQL or MariaDB it says which of their own programs to run.
    """
    settings = settings_of(context, config, account)
    size = back_up(settings, file)
    say(f"The state is in {file} ({size:,} bytes).", "green")
    say(
        f"The key that opens the token pair is not in it ({settings.vault_key_file}): keep it in "
        "another place. Only the newest backup holds a pair that can still be used."
    )


@app.command("restore", epilog=EXIT_CODES)
def restore_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file that `state backup` made.")
    ],
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Put a backup in the place of the state.

    What was there is kept beside it. A token pair that is newer than the backup's stays, since
    the backup's was spent when it came. Not while a run is under way.
    """
    settings = settings_of(context, config, account)
    done = restore(settings, file, utc_now())
    account = settings.account.name
    with open_store(settings) as store:
        pair = open_vault(settings, store).status()
    last = done.last
    until = f" after run {last.id} of {last.started_at:%Y-%m-%d %H:%M} UTC" if last else ""
    say(f"The state is again as it was{until}.", "green")
    if done.kept:
        say(f"What was there is kept in {done.kept}.")
    if account in done.newer_pairs:
        say("The token pair that was there is newer than the backup's, and stays.")
    if account in done.left_pairs:
        say(
            "The token pair that was there is of another Constant Contact account than the "
            "backup, so it was left in the kept file."
        )
    if pair.problem:
        say(pair.problem, "yellow")
    elif not pair.exists:
        say("There is no token pair: run contact-sync authorize.", "yellow")
    elif account not in done.newer_pairs:
        say(
            "The token pair is the backup's. If it was renewed since, it is spent: then the next "
            "renewal says so, and a person must run contact-sync authorize."
        )
    say("Next: contact-sync check, then contact-sync --dry-run")
