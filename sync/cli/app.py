"""The commands, and the one place that turns an error into a sentence and an exit code."""

import sys
from datetime import timedelta
from typing import Annotated

import structlog
import typer
from typer.exceptions import TyperException

from sync.auth.vault import open_vault
from sync.cli import authorize, check, demo, init, map, sandbox, status, tokens  # noqa: A004
from sync.cli.options import EXIT_CODES, ConfigOption, Invocation, invocation, settings_of
from sync.cli.progress import watched
from sync.cli.summary import show_stopped, show_summary
from sync.cli.terminal import complain, survive_encodings
from sync.errors import ContactSyncError, ExitCode, GuardStopped, UsageError
from sync.logs import configure_logging
from sync.run import Run
from sync.service import serve, stop_on_signals
from sync.state.runs import Runs
from sync.state.store import open_store
from sync.stop import Stop

# What Typer makes of Ctrl-C.
_INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("init", epilog=EXIT_CODES)(init.command)
app.command("authorize", epilog=EXIT_CODES)(authorize.command)
app.command("map", epilog=EXIT_CODES)(map.command)
app.command("check", epilog=EXIT_CODES)(check.command)
app.command("status", epilog=EXIT_CODES)(status.command)
app.command("sandbox", epilog=EXIT_CODES)(sandbox.command)
app.command("demo", epilog=EXIT_CODES)(demo.command)
app.add_typer(tokens.app, name="tokens", epilog=EXIT_CODES)
app.command("rotate-key", epilog=EXIT_CODES)(tokens.rotate_key_command)
app.command("adopt", epilog=EXIT_CODES)(tokens.adopt_command)
app.command("logout", epilog=EXIT_CODES)(tokens.logout_command)


@app.callback(invoke_without_command=True, epilog=EXIT_CODES)
def run(
    context: typer.Context,
    config: ConfigOption = None,
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
) -> None:
    """Bring a company's contacts into its Constant Contact account, every day.

    Without a command this is the worker: it runs until it is stopped, and syncs daily at the time
    that the configuration names. --run-now syncs once instead.

    Start with: contact-sync init, then authorize, then check, then --dry-run, then --run-now.
    """
    context.obj = Invocation(config=config, verbose=verbose)
    if context.invoked_subcommand is not None:
        if run_now or dry_run or wait:
            raise UsageError(
                f"--run-now, --dry-run and --wait don't go with the command "
                f"{context.invoked_subcommand}: leave one of them out."
            )
        return
    if run_now and dry_run:
        raise UsageError("--run-now and --dry-run exclude each other: leave one of them out.")
    if run_now or dry_run:
        raise typer.Exit(_run_once(context, dry_run=dry_run, wait=timedelta(minutes=wait)))
    _work(context)


def _run_once(context: typer.Context, *, dry_run: bool, wait: timedelta) -> int:
    settings = settings_of(context)
    stop = Stop()
    stop_on_signals(stop)
    with open_store(settings) as store:
        vault = open_vault(settings, store)
        with watched() as progress:
            run = Run(settings, store, vault, stop=stop, progress=progress)
            try:
                recording = run.dry_run(wait=wait) if dry_run else run.sync(wait=wait)
            except GuardStopped:
                show_stopped(Runs(store, settings.account.name).last(1)[0])
                raise
    show_summary(recording)
    return recording.exit_code


def _work(context: typer.Context) -> None:
    called = invocation(context)
    configure_logging(verbose=called.verbose)
    settings = called.settings()
    with open_store(settings) as store:
        serve(settings, store, open_vault(settings, store))


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
        complain(_wrong_usage(error.format_message()))
        return int(ExitCode.USAGE)
    except typer.Abort:
        return _stopped()
    except BrokenPipeError:
        # Whoever read the output has gone; nothing more can be told.
        return int(ExitCode.DONE)
    except Exception as fault:  # noqa: BLE001 (the last line of defence: a sentence, no traceback)
        return _tell_fault(fault, verbose="--verbose" in arguments)
    if result == _INTERRUPTED:
        return _stopped()
    return result if isinstance(result, int) else int(ExitCode.DONE)


def _stopped() -> int:
    complain("Stopped.")
    return int(ExitCode.BUSY)


def _wrong_usage(message: str) -> str:
    period = "" if message.endswith((".", "?")) else "."
    place = " It goes before the command." if "option: --verbose" in message else ""
    return f"{message}{period}{place} See contact-sync --help."


def _tell_fault(fault: Exception, *, verbose: bool) -> int:
    complain(
        f"This is a fault in contact-sync ({type(fault).__name__}); what was recorded is safe. "
        "Run it again with --verbose before the command, and report what it prints."
    )
    if verbose:
        structlog.get_logger().exception("fault")
    return int(ExitCode.BUG)
