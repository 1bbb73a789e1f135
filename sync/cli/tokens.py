"""Keeping and moving the token pair: tokens export and import, rotate-key, adopt, logout."""

from pathlib import Path
from typing import Annotated

import typer

from sync.auth import rotation
from sync.auth.moving import export_pair, import_pair
from sync.auth.vault import open_vault
from sync.cli.options import EXIT_CODES, AccountOption, ConfigOption, settings_of
from sync.cli.terminal import ask_secret, number, output, say
from sync.errors import StateError
from sync.state.store import open_store

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Move the token pair to another machine.",
)


@app.command("export", epilog=EXIT_CODES)
def export_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to make; it must not exist yet.")
    ],
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Move the pair out of this machine into a file.

    It shows the key that opens the file. From then on this machine can't use the pair any more.
    Carry the file and the key to the other machine by different ways, and run `tokens import`
    there.
    """

    def show(key: str) -> None:
        say(f"The pair is in {file}. Its transfer key, shown once:")
        say(key)
        if output.quiet:
            raise StateError("The pair stays here, since nobody could read its transfer key.")

    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        export_pair(settings, store, file, show)
    say("It is no longer here. On the other machine: contact-sync tokens import FILE; it asks for")
    say("the key.")


@app.command("import", epilog=EXIT_CODES)
def import_command(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file that `tokens export` made.")
    ],
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Take in a pair that another machine exported.

    It asks for the transfer key that the export showed.
    """
    settings = settings_of(context, config, account)
    key = ask_secret("Transfer key")
    with open_store(settings) as store:
        import_pair(settings, store, file, key)
    say(f"The pair is here, and {file} is removed. Next: contact-sync check", "green")


def rotate_key(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Encrypt the stored tokens with a new key.

    A key file gets a new first line. A key from the environment or a systemd credential is
    changed by hand: put the new key on a line before the old one, run this, then take out the old.
    """
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        rotated = rotation.rotate_key(settings, store)
    say(f"{number(len(rotated.accounts), 'token pair')} encrypted anew.", "green")
    say(
        f"The new key is the first line of {settings.vault_key_file}; former ones stay below it, "
        "for other states that may share the file."
        if rotated.key_made
        else "The old key may be taken out of the environment or the credential now."
    )


def adopt(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Say that this machine has the original state.

    A copied machine or a restored backup renews no token by itself, since that would take the
    authorization from the original. Use this when the original is gone for good.
    """
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        open_vault(settings, store).adopt()
    say("This machine keeps the token pair from now on. Next: contact-sync check", "green")


def logout(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Forget the token pair.

    Only a new authorize brings one back. The access itself is withdrawn on Constant Contact's
    own page of connected applications.
    """
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        forgotten = open_vault(settings, store).forget()
    if not forgotten:
        say("There was no token pair.")
        return
    say(
        "The token pair is forgotten here. The access itself lasts until you remove the "
        "application from the connected ones in your Constant Contact account."
    )
