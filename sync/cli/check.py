"""`contact-sync check`."""

import typer

from sync.auth.vault import open_vault
from sync.check import Check
from sync.cli.options import ConfigOption, settings_of
from sync.cli.terminal import output
from sync.errors import ExitCode
from sync.state.store import open_store


def command(context: typer.Context, config: ConfigOption = None) -> None:
    """Look at everything that can be wrong.

    The configuration, the state, the source and its columns, the token's age and scopes, the API,
    the user's privileges, the account, its lists and custom fields: each a line. Nothing is sent;
    an expired access token is renewed. Exits with the first problem's code, or 0.
    """
    settings = settings_of(context, config)
    worst = ExitCode.DONE
    with open_store(settings) as store:
        for finding in Check(settings, store, open_vault(settings, store)).findings():
            mark, style = ("✓", "green") if finding.well else ("✗", "red")
            output.print(mark, style=style, end=" ")
            output.print(f"{finding.what}: {finding.sentence}", markup=False)
            if worst is ExitCode.DONE:
                worst = finding.exit_code
    raise typer.Exit(int(worst))
