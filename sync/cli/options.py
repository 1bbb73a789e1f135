"""What all commands are called with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sync.errors import ExitCode
from sync.logs import configure_logging
from sync.settings import Settings, load_settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration file. Default: $CONTACT_SYNC_CONFIG, else ./contact-sync.toml, "
        "else /etc/contact-sync/contact-sync.toml.",
    ),
]


# At the end of each command's help.
EXIT_CODES = "\b\nExit codes:\n" + "".join(
    f"{code.value:>3}  {code.meaning}\n" for code in ExitCode
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """How contact-sync was called."""

    config: Path | None
    verbose: bool

    def settings(self, config: Path | None = None) -> Settings:
        """The configuration; `config` is a command's own --config, which goes first."""
        return load_settings(config or self.config)


def settings_of(context: typer.Context, config: Path | None = None) -> Settings:
    """The configuration of a command that a person waits for; the log tells only what is wrong."""
    called = invocation(context)
    configure_logging(verbose=called.verbose, quiet=True)
    return called.settings(config)


def invocation(context: typer.Context) -> Invocation:
    """What the callback noted."""
    found = context.find_object(Invocation)
    return found if found is not None else Invocation(config=None, verbose=False)
