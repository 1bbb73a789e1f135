"""`contact-sync install-service`."""

import difflib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sync.cli.options import ConfigOption, accounts_of, configuration_file
from sync.cli.terminal import say
from sync.errors import ConfigurationError, UsageError
from sync.service_units import ALERT, CLUSTER, ONCE, TIMER, WORKER, Installation, by_hand, units
from sync.settings import Settings

_UNITS = Path("/etc/systemd/system")
_BY_HAND = Path("/usr/local/sbin/contact-sync")
_UNIT_MODE = 0o644
_SCRIPT_MODE = 0o755


def command(
    context: typer.Context,
    config: ConfigOption = None,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="The system user that it runs as.")
    ] = "contact-sync",
    timer: Annotated[
        bool,
        typer.Option("--timer", help="Instead of the worker: a timer that starts one sync a day."),
    ] = False,
    print_only: Annotated[
        bool, typer.Option("--print", help="Show what would be written, and write nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files that are there and say otherwise.")
    ] = False,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="PATH", help="Where the units are written.")
    ] = _UNITS,
    script: Annotated[
        Path,
        typer.Option(
            "--script",
            metavar="PATH",
            help="Where the script is written that runs a command as the service does.",
        ),
    ] = _BY_HAND,
) -> None:
    """Write systemd's units for this installation.

    They are for all accounts of this configuration. Nothing is started; what to run next is shown.
    """
    accounts = accounts_of(context, config)
    settings = accounts.any_settings
    installation = Installation.of(
        accounts,
        program=_program(),
        python=Path(sys.executable).resolve(),
        configuration=configuration_file(context, config),
        user=user,
    )
    _refuse_what_cannot_work(settings, installation, timer=timer)
    made = units(installation, timer=timer, cluster=settings.cluster.enabled)
    texts = {
        **{folder / name: text for name, text in made.items()},
        script: by_hand(installation),
    }
    if print_only:
        for path, text in texts.items():
            say(f"# ----- {path}\n{text}")
        return
    if not replace:
        _refuse_changed(texts)
    for path, text in texts.items():
        _write(path, text, _SCRIPT_MODE if path == script else _UNIT_MODE)
        say(f"{path} is written.")
    lacks_key = settings.cluster.enabled and settings.vault.key_file is None
    _tell_next(installation, script, list(texts), made, many=accounts.many, lacks_key=lacks_key)


def _program() -> Path:
    """The command that pip has made in this virtual environment."""
    beside = Path(sys.executable).with_name("contact-sync")
    found = str(beside) if beside.exists() else shutil.which("contact-sync")
    if found is None:
        raise ConfigurationError(
            f"There is no program {beside}: install contact-sync into this environment with "
            "pip install -e ."
        )
    return Path(os.path.abspath(found))  # noqa: PTH100 (a link to the program is kept)


def _refuse_what_cannot_work(
    settings: Settings, installation: Installation, *, timer: bool
) -> None:
    problems = [
        f"{path} lies in a temporary folder, which the service does not see: move it"
        for path in installation.in_temporary
    ]
    if timer and settings.schedule.cron is not None:
        problems.append(
            "a timer knows no cron expression: set schedule.time instead of schedule.cron, or "
            "leave out --timer"
        )
    if timer and settings.cluster.enabled:
        problems.append("a cluster has workers, no timer: leave out --timer")
    if problems:
        raise ConfigurationError("This can't run as a service:", tuple(problems))


def _refuse_changed(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        there = path.read_text(encoding="utf-8") if path.exists() else text
        if there != text:
            changes = "".join(
                difflib.unified_diff(
                    there.splitlines(keepends=True),
                    text.splitlines(keepends=True),
                    f"{path} as it is",
                    f"{path} as it would be",
                )
            )
            raise UsageError(
                f"{changes}{path} is there and says otherwise, so nothing was written: move what "
                "is yours into a drop-in (systemctl edit), then use --replace."
            )


def _write(path: Path, text: str, mode: int) -> None:
    # Beside it and then over it, so that nobody reads half of it.
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} can't be written: {error.strerror}; run install-service as root."
        ) from None


def _started(made: Mapping[str, str]) -> tuple[str, str]:
    """Of the units that were made the one to start, and the one that may fail."""
    if TIMER in made:
        return TIMER, ONCE
    if CLUSTER in made:
        return CLUSTER.replace("@", "@1"), CLUSTER
    return WORKER, WORKER


def _tell_next(
    installation: Installation,
    script: Path,
    written: list[Path],
    made: Mapping[str, str],
    *,
    many: bool,
    lacks_key: bool,
) -> None:
    started, failing = _started(made)
    whose = "--account NAME " if many else ""
    notes = ", ".join(["each account"] * many + ["on one host"] * (CLUSTER in made))
    say()
    say(f"{started} syncs every day as the user {installation.user}; when {failing} fails,")
    say(f"{ALERT} tells people. {script} runs any command as the service does.")
    say("Next, as root:")
    say(f"  id {installation.user} || useradd --system --shell /usr/sbin/nologin \\")
    say(f"      --home-dir {installation.state} {installation.user}")
    if installation.state_directory is None:
        say(f"  install -d -m 0700 -o {installation.user} {installation.state}")
    say("  install -d -m 0700 /etc/credstore")
    say(
        "  install -m 0600 /dev/stdin /etc/credstore/contact-sync.client_secret  # paste it, Ctrl-D"
    )
    if lacks_key:
        say("  openssl rand -base64 32 | tr '+/' '-_' |")
        say("      install -m 0600 /dev/stdin /etc/credstore/contact-sync.vault_key")
        say("      # on one host; copy it to the others")
    say("  systemctl daemon-reload")
    say(f"  {script} authorize {whose}--paste{f'  # {notes}' if notes else ''}")
    say(f"  {script} check")
    say(f"  systemctl enable --now {started}")
    say("To undo it:")
    say(f"  systemctl disable --now {started}")
    say(f"  rm {' '.join(map(str, written))}")
    say("  systemctl daemon-reload")
