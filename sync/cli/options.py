"""What all commands are called with."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.errors import ExitCode

if TYPE_CHECKING:
    from sync.settings import Accounts, Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        help="The configuration: a file, or a folder with a file for each account. Default: "
        "$CONTACT_SYNC_CONFIG, else ./contact-sync.toml, else "
        "/etc/contact-sync/contact-sync.toml.",
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option(
        "--account", "-a", metavar="NAME", help="Which account of a configuration folder."
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
    account: str | None
    verbose: bool

    def settings(self, config: Path | None = None, account: str | None = None) -> "Settings":
        """The one account's configuration; a command's own options go first."""
        from sync.settings import load_account

        return load_account(config or self.config, account or self.account)

    def accounts(self, config: Path | None = None, account: str | None = None) -> "Accounts":
        """The configuration of all accounts, or of the one that was named."""
        from sync.settings import Accounts, default_path, load_accounts

        place = config or self.config or default_path()
        if (account or self.account) is None:
            return load_accounts(place)
        settings = self.settings(place, account)
        return Accounts(place, {settings.account.name: settings})


def settings_of(
    context: typer.Context, config: Path | None = None, account: str | None = None
) -> "Settings":
    """The configuration of a command that a person waits for; the log tells only what is wrong."""
    return _quietly(context).settings(config, account)


def accounts_of(
    context: typer.Context, config: Path | None = None, account: str | None = None
) -> "Accounts":
    """The same of all accounts, for a command that can work on all of them."""
    return _quietly(context).accounts(config, account)


def alert_settings_of(
    context: typer.Context, config: Path | None = None, account: str | None = None
) -> "Settings":
    """What is needed to tell people, also when the rest of the configuration is wrong."""
    from sync.settings import load_alert_settings

    called = _quietly(context)
    return load_alert_settings(config or called.config, account or called.account)


def configuration_file(context: typer.Context, config: Path | None = None) -> Path:
    """The absolute path of the configuration that `settings_of` reads."""
    from sync.settings import default_path

    return (config or invocation(context).config or default_path()).resolve()


def _quietly(context: typer.Context) -> Invocation:
    from sync.logs import configure_logging

    called = invocation(context)
    configure_logging(verbose=called.verbose, quiet=True)
    return called


def invocation(context: typer.Context) -> Invocation:
    """What the callback noted."""
    found = context.find_object(Invocation)
    return found if found is not None else Invocation(config=None, account=None, verbose=False)
