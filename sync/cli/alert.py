"""`contact-sync alert test`, and `alert failed-unit` for systemd."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer

from sync.alerts import Alerting, Topic, Trouble
from sync.cli.options import EXIT_CODES, AccountOption, ConfigOption, alert_settings_of, settings_of
from sync.cli.terminal import say
from sync.errors import ConfigurationError, ContactSyncError, ExitCode, ServiceUnavailable
from sync.settings import Settings
from sync.state.store import Store, open_store

_NO_CHANNEL = "No channel is configured: set email_to, webhook_url or command in [alerts]."

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Try how people are told that they are needed.",
)


@app.callback()
def _alert() -> None:
    """Try how people are told that they are needed."""


@app.command("test", epilog=EXIT_CODES)
def send_test(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Send a test by every channel that the configuration names."""
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        sent = Alerting(settings, store).test()
    if not sent:
        raise ConfigurationError(_NO_CHANNEL)
    for channel, failure in sent.items():
        say(f"{channel}: {failure or 'sent'}", "red" if failure else None)
    if any(sent.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)


@app.command("failed-unit", short_help="Tell that a unit has failed.", epilog=EXIT_CODES)
def tell_failed_unit(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit that has failed.")],
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Tell people that a unit of systemd has failed, as OnFailure= of that unit does.

    Works without the state, and with a configuration that is wrong outside of [alerts]. What the
    unit's own sync has just told is not told again.
    """
    settings = alert_settings_of(context, config, account)
    with _store_or_none(settings) as store:
        alerting = Alerting(settings, store)
        code = exit_code(os.environ)
        if code is not None and alerting.has_just_told(Topic.SYNC, code.name):
            say("This is told already.")
            return
        trouble = Trouble(Topic.SYNC, f"FAILED {unit}", failed_text(unit, os.environ))
        if alerting.tell(Topic.SYNC, trouble) is None:
            raise ServiceUnavailable("The alert was not taken by any channel; see the lines above.")
    say(trouble.text)


@contextmanager
def _store_or_none(settings: Settings) -> Iterator[Store | None]:
    """The state, if it can be opened: what is wrong may be just that."""
    with ExitStack() as stack:
        store = None
        with suppress(ContactSyncError):
            store = stack.enter_context(open_store(settings))
        yield store


def exit_code(environment: Mapping[str, str]) -> ExitCode | None:
    """How the unit's program ended, in the variables that systemd.exec(5) tells of OnFailure=."""
    status = environment.get("MONITOR_EXIT_STATUS", "")
    if environment.get("MONITOR_EXIT_CODE") != "exited" or not status.isdecimal():
        return None
    return ExitCode(int(status)) if int(status) in set(ExitCode) else None


def failed_text(unit: str, environment: Mapping[str, str]) -> str:
    """What a person is told."""
    result = environment.get("MONITOR_SERVICE_RESULT", "")
    status = environment.get("MONITOR_EXIT_STATUS", "")
    code = exit_code(environment)
    how = {
        "watchdog": "it showed no sign of life for too long and was ended",
        "timeout": "it took too long to start or to stop",
        "oom-kill": "the machine had no memory left for it",
        "start-limit-hit": "it failed each time it was started",
    }.get(result, f"result {result}" if result else "how is not known")
    if code is not None:
        how = f"exit code {code.value}: {code.meaning}"
    elif status:
        how = f"{how}; it ended with {status}"
    return (
        f"The unit {unit} has failed ({how}), and systemd leaves it at that. "
        f"See journalctl -u {unit} -n 50, mend what it tells, then run systemctl restart {unit}."
    )
