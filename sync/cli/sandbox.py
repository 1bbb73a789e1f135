"""`contact-sync sandbox`."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli.terminal import say
from sync.errors import UsageError

if TYPE_CHECKING:
    from sync.sandbox import Sandbox


def command(
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

    Use it with your own data before going live. It prints what to put into a configuration,
    and runs until Ctrl-C. Nothing leaves the machine.
    """
    try:
        from sync.sandbox import SandboxSettings, serve
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"The sandbox needs the package {missing.name}: pip install 'contact-sync[sandbox]'."
        ) from None
    try:
        serve(
            port=port,
            settings=SandboxSettings(),
            database=database,
            on_ready=show_sandbox,
        )
    except OSError as error:
        raise UsageError(
            f"The sandbox can't listen on port {port}: {error.strerror}; name another with --port."
        ) from None
    except sqlite3.Error as error:
        raise UsageError(f"The sandbox's file {database} can't be used: {error}.") from None
    say("The sandbox has stopped.")


def show_sandbox(sandbox: "Sandbox") -> None:
    """Tell how to reach it."""
    say(f"A local Constant Contact runs at {sandbox.url} (Ctrl-C stops it).", "green")
    say(f"Its people, lists and requests, to look at and to play with: {sandbox.admin_url}/")
    say("Put this into a configuration, in place of what its sections say now:")
    say()
    say(sandbox_configuration(sandbox))


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
