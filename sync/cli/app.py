"""The commands, and the one place that turns an error into a sentence and an exit code."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from sync.cli.options import EXIT_CODES, AccountOption, ConfigOption, Invocation
from sync.cli.terminal import complain, nobody_reads, say, survive_encodings
from sync.errors import ContactSyncError, ExitCode, UsageError

# What Typer makes of Ctrl-C.
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a group of some, which is loaded when it is called."""

    module: str
    summary: str
    function: str = "command"

    def load(self) -> Any:
        """What Typer makes of it."""
        found = getattr(import_module(f"sync.cli.{self.module}"), self.function)
        if isinstance(found, typer.Typer):
            found.info.epilog = EXIT_CODES
            return typer.main.get_group(found)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(epilog=EXIT_CODES)(found)
        return typer.main.get_command(alone)


# In the order in which a newcomer needs them. The summaries are said here, so that --help loads
# none of them.
COMMANDS = {
    "init": Command("init", "Write an annotated configuration."),
    "authorize": Command("authorize", "Let a person press Allow, once."),
    "map": Command("map", "Show what each source column goes to."),
    "check": Command("check", "Look at everything that can be wrong."),
    "status": Command("status", "Show the last runs, the token, and the next run."),
    "verify": Command("verify", "Compare the whole audience with what was sent."),
    "plan": Command("plan", "Look at a plan that was stopped, and approve it.", "app"),
    "alert": Command("alert", "Try how people are told that they are needed.", "app"),
    "state": Command("state", "Back the state up, and bring a backup back.", "app"),
    "install-service": Command("install_service", "Write systemd's units for this installation."),
    "tokens": Command("tokens", "Move the token pair to another machine.", "app"),
    "rotate-key": Command("tokens", "Encrypt the stored tokens with a new key.", "rotate_key"),
    "adopt": Command("tokens", "Say that this machine has the original state.", "adopt"),
    "logout": Command("tokens", "Forget the token pair.", "logout"),
    "sandbox": Command("sandbox", "Run a local Constant Contact to rehearse with."),
    "demo": Command("demo", "See the whole road, on this machine alone."),
}


class OnDemand(TyperGroup):
    """Loads a command when it is called: all of them take seconds."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put the called command in the place of its summary."""
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = COMMANDS[args[0]].load()
        return super().resolve_command(ctx, args)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"contact-sync {version('contact-sync')}")
        raise typer.Exit


app = typer.Typer(
    cls=OnDemand,
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.summary)(lambda: None)


@app.callback(invoke_without_command=True, epilog=EXIT_CODES)
def run(
    context: typer.Context,
    config: ConfigOption = None,
    account: AccountOption = None,
    run_now: Annotated[bool, typer.Option("--run-now", help="Sync once, now, and exit.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what a sync would do, and exit. Nothing is sent, no token is refreshed.",
        ),
    ] = False,
    wait: Annotated[
        int,
        typer.Option(
            "--wait",
            metavar="MINUTES",
            min=0,
            help="With --run-now or --dry-run: when another run is under way, wait for its end, "
            "at most so long.",
        ),
    ] = 0,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log every request to standard error.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version, and exit.", is_eager=True, callback=_tell_version
        ),
    ] = False,
) -> None:
    """Bring a company's contacts into its Constant Contact account, every day.

    Without a command this is the worker: it runs until it is stopped, and syncs daily at the time
    that the configuration names. --run-now syncs once instead.

    Start with: contact-sync init, then authorize, then check, then --dry-run, then --run-now.
    """
    context.obj = Invocation(config=config, account=account, verbose=verbose)
    if context.invoked_subcommand is not None:
        if run_now or dry_run or wait:
            raise UsageError(
                f"--run-now, --dry-run and --wait don't go with the command "
                f"{context.invoked_subcommand}: leave one of them out."
            )
        return
    if run_now and dry_run:
        raise UsageError("--run-now and --dry-run exclude each other: leave one of them out.")
    # Loaded here: they take a while, and a single sync needs no scheduler.
    if run_now or dry_run:
        from sync.cli.run import once

        raise typer.Exit(once(context, dry_run=dry_run, wait=timedelta(minutes=wait)))
    from sync.cli.work import work

    work(context)


def main() -> None:
    """Run the command line; the process ends with one of `ExitCode`."""
    survive_encodings()
    sys.exit(_run_app(sys.argv[1:]))


def _run_app(arguments: list[str]) -> int:
    try:
        result = app(arguments, prog_name="contact-sync", standalone_mode=False)
    except ContactSyncError as error:
        complain(str(error))
        return int(error.exit_code)
    except TyperException as error:
        complain(_wrong_usage(error))
        return int(ExitCode.USAGE)
    except typer.Abort:
        return _stopped()
    except (BrokenPipeError, SystemExit) as ended:
        # Whoever read the output has gone; nothing more can be told. Typer exits with 1 for it.
        if not isinstance(ended.__context__ or ended, BrokenPipeError):
            raise
        nobody_reads()
        return int(ExitCode.DONE)
    except Exception as fault:  # noqa: BLE001 (the last line of defence: a sentence, no traceback)
        return _tell_fault(fault, verbose="--verbose" in arguments)
    if result == _INTERRUPTED:
        return _stopped()
    return result if isinstance(result, int) else int(ExitCode.DONE)


def _stopped() -> int:
    complain("Stopped.")
    return int(ExitCode.BUSY)


def _wrong_usage(error: TyperException) -> str:
    message = error.format_message()
    group = getattr(getattr(error, "ctx", None), "command", None)
    if message == "Missing command." and isinstance(group, TyperGroup):
        message = f"Missing command: {' or '.join(group.commands)}."
    period = "" if message.endswith((".", "?")) else "."
    place = " It goes before the command." if "option: --verbose" in message else ""
    return f"{message}{period}{place} See contact-sync --help."


def _tell_fault(fault: Exception, *, verbose: bool) -> int:
    complain(
        f"This is a fault in contact-sync ({type(fault).__name__}); what was recorded is safe. "
        "Run it again with --verbose before the command, and report what it prints."
    )
    if verbose:
        import structlog

        structlog.get_logger().exception("fault")
    return int(ExitCode.BUG)
