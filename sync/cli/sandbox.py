"""`contact-sync sandbox`: a local Constant Contact, empty or with a rehearsal in it."""

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.options import invocation
from sync.cli.terminal import say
from sync.errors import UsageError
from sync.logs import configure_logging
from sync.settings import load_account
from sync.stop import Stop, stop_on_signals

if TYPE_CHECKING:
    from sync.sandbox import Sandbox, SandboxSettings


def command(
    context: typer.Context,
    rehearse: Annotated[
        Path | None,
        typer.Option(
            metavar="CONFIG",
            help="Sync once from this configuration's source, with its mapping and lists, into "
            "the sandbox, and show what Constant Contact would hold. Needs no application, no "
            "key and no authorization, and touches no real state or report.",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one."
        ),
    ] = 0,
    database: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Keep the sandbox in this file. Default: in memory."),
    ] = None,
) -> None:
    """Run a local Constant Contact to rehearse with.

    Use it with your own data before going live: with --rehearse all is done at once; without,
    it prints what to put into a configuration. It runs until Ctrl-C, and sends nothing anywhere.
    """
    if rehearse is not None:
        if database is not None:
            raise UsageError("A rehearsal keeps nothing: leave --database or --rehearse out.")
        raise typer.Exit(_rehearse(context, rehearse, port))
    stop = Stop()
    stop_on_signals(stop)
    with open_sandbox(port=port, database=database) as sandbox:
        _show(sandbox)
        stop.wait()
    say("The sandbox has stopped.")


def need_sandbox() -> None:
    """Raise UsageError unless the packages are there that only the sandbox needs."""
    try:
        import sync.sandbox  # noqa: F401 (whether it can be)
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"The sandbox needs the package {missing.name}: pip install 'contact-sync[sandbox]'."
        ) from None


def open_sandbox(
    *, port: int = 0, database: Path | None = None, settings: "SandboxSettings | None" = None
) -> "Sandbox":
    """A sandbox, to be entered; raises UsageError when it can't be had as it was asked for.

    This process and those that it starts reach it past any proxy.
    """
    need_sandbox()
    from sync.sandbox import Sandbox

    _reach_past_proxies()
    try:
        return Sandbox(port=port, settings=settings, database=database)
    except OSError as error:
        raise UsageError(
            f"The sandbox can't listen on port {port}: {error.strerror}; name another with --port."
        ) from None
    except (sqlite3.Error, ValueError) as error:
        raise UsageError(
            f"The sandbox's file {database} can't be used: {error}; name another with --database."
        ) from None


def _reach_past_proxies() -> None:
    # requests looks at the lower name first.
    told = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    names = ",".join(filter(None, (told, "127.0.0.1", "localhost")))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = names


def sandbox_configuration(sandbox: "Sandbox") -> str:
    """The sections that point a configuration at the sandbox."""
    return (
        "[oauth]\n"
        f'client_id = "{sandbox.client_id}"\n'
        f'client_secret = "{sandbox.client_secret}"\n'
        f'authorize_url = "{sandbox.authorize_url}"\n'
        f'token_url = "{sandbox.token_url}"\n'
        "\n"
        "[api]\n"
        f'base_url = "{sandbox.api_url}"\n'
    )


def _rehearse(context: typer.Context, config: Path, port: int) -> int:
    need_sandbox()
    from sync.cli.rehearsal import rehearse

    called = invocation(context)
    configure_logging(verbose=called.verbose, quiet=True)
    settings = load_account(config, called.account, with_application=False)
    return rehearse(settings, port=port)


def _show(sandbox: "Sandbox") -> None:
    """Tell how to reach it."""
    say(f"A local Constant Contact runs at {sandbox.url} (Ctrl-C stops it).", "green")
    say(f"Its people, lists and requests, to look at and to play with: {sandbox.admin_url}/")
    say("Put this into a configuration, in place of what its sections say now:")
    say()
    say(sandbox_configuration(sandbox))
