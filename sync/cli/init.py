"""`contact-sync init`."""

from pathlib import Path
from typing import Annotated

import typer

from sync.cli.terminal import say
from sync.errors import ConfigurationError, UsageError
from sync.settings.example import example

_MODE = 0o600


def command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="Where to write it; an existing file is not touched."),
    ] = Path("contact-sync.toml"),
) -> None:
    """Write an annotated configuration.

    It has every option, its meaning and its default.
    """
    try:
        path.touch(mode=_MODE, exist_ok=False)
        path.write_text(example(), encoding="utf-8")
    except FileExistsError:
        raise UsageError(
            f"{path} exists already and was not touched: name another file, or move it away."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}.") from None
    say(f"{path} is written. Next:")
    say("  1. Set oauth.client_id, source.path and lists.names in it.")
    say("  2. Put the application's secret into a file of mode 0600; name it in")
    say("     oauth.client_secret_file.")
    say("  3. Say in [consent] who agreed to be written to; contact-sync map shows the mapping.")
    say(f"  4. contact-sync sandbox --rehearse {path} syncs your source into a local Constant")
    say("     Contact, and shows what the account would hold.")
    say("  5. contact-sync authorize, then contact-sync check, then contact-sync --dry-run")
