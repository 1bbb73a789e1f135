"""What a sync needs of its machine: private secrets, room, the right time, ways to tell people.

Each function looks at one thing and returns findings; a ContactSyncError that it raises is one,
too. Nothing is sent and nothing is changed.
"""

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import requests
from sqlalchemy.engine import make_url

from sync.clock import span
from sync.errors import ConfigurationError, ExitCode, ServiceUnavailable, StateError
from sync.schedule import local_time, next_due
from sync.settings import Settings, read_secret_file

# 30,000 rows of six columns, sent twice, left 10 bytes of state for each byte of CSV.
_STATE_FOR_A_BYTE = 12
_LEAST_ROOM = 200_000_000
_PATIENCE = timedelta(seconds=5)
_CLOCK_WARNING, _CLOCK_PROBLEM = timedelta(minutes=1), timedelta(hours=1)
_UNITS = ("contact-sync.service", "contact-sync-once.timer")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do about it.

    A warning has the exit code DONE: all works, but may not for long, or not as it is meant.
    """

    what: str
    sentence: str
    exit_code: ExitCode = ExitCode.DONE
    warning: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing is to be done about it."""
        return self.exit_code is ExitCode.DONE and not self.warning


def secrets(settings: Settings, configuration: Sequence[Path]) -> Iterator[Finding]:
    """Whether files with secrets are read by this user alone; raises ConfigurationError.

    `configuration` are the files that the settings come from.
    """
    files = [
        settings.oauth.client_secret_file,
        settings.source.password_file,
        settings.feedback.password_file,
        settings.alerts.smtp_password_file,
        *([settings.vault_key_file] if settings.vault_key_file.exists() else []),
    ]
    named = [file for file in files if file is not None]
    for file in named:
        read_secret_file(file)
    for file in configuration:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077 and _holds_secret(settings, file):
            raise ConfigurationError(
                f"The configuration {file} holds a secret and can be read by others (mode "
                f"{mode:04o}): run chmod 600 {file}, or move the secret to a file of its own."
            )
    folder = settings.state.directory
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "secrets",
            f"others may look into the state directory {folder} (mode {mode:04o}): run chmod 700 "
            f"{folder}.",
            warning=True,
        )
        return
    count = f"{len(named)} file{'' if len(named) == 1 else 's'}" if named else "none in a file"
    yield Finding("secrets", f"{count}, the state directory for this user alone")


def room(settings: Settings) -> Iterator[Finding]:
    """Whether the disks have room for a run; raises StateError."""
    needed = _needed_room(settings)
    places = {settings.report.directory: _LEAST_ROOM}
    if make_url(settings.state_url).get_backend_name() == "sqlite":
        places[settings.state.directory] = needed
    told: dict[int, str] = {}
    for folder, bytes_needed in places.items():
        there = next(each for each in (folder, *folder.parents) if each.exists())
        _writable(there)
        free = shutil.disk_usage(there).free
        if free < bytes_needed:
            raise StateError(
                f"The disk of {folder} has {_megabytes(free)} free, and a run may need "
                f"{_megabytes(bytes_needed)}: make room, or name another folder."
            )
        told.setdefault(there.stat().st_dev, f"{_megabytes(free)} free for {folder}")
    yield Finding("disk", f"{', '.join(told.values())}; a run may need {_megabytes(needed)}")


def feedback_file(settings: Settings) -> Iterator[Finding]:
    """Whether the file can be written, if there is to be one; raises StateError."""
    file = settings.feedback.file
    if file is not None:
        _writable(file.parent)
        yield Finding("feedback", f"{file} can be written")


def schedule(settings: Settings, now: datetime) -> Iterator[Finding]:
    """When the next sync begins, and whether its time zone is the one that people here use."""
    options = settings.schedule
    due = next_due(options, settings.account.name, now)
    shown = local_time(options, due)
    told = f"next at {shown:%Y-%m-%d %H:%M %Z} ({options.time_zone})"
    here = now.astimezone()
    if shown.utcoffset() != due.astimezone().utcoffset():
        yield Finding(
            "schedule",
            f"{told}, which is {due.astimezone():%H:%M} on this machine's clocks "
            f"({here.tzname()}): if that is not meant, set schedule.time_zone.",
            warning=True,
        )
        return
    yield Finding("schedule", told)


def clock(difference: timedelta) -> Iterator[Finding]:
    """Whether the clock goes right by the service's; `difference` is what it is ahead or behind."""
    off = abs(difference)
    said = f"{span(off)} {'ahead of' if difference > timedelta(0) else 'behind'} the service's"
    mend = "set it, and let it be kept by timedatectl set-ntp true."
    if off >= _CLOCK_PROBLEM:
        raise ConfigurationError(f"This machine's clock is {said}: {mend}")
    if off >= _CLOCK_WARNING:
        yield Finding("clock", f"{said}: {mend}", warning=True)
        return
    yield Finding("clock", "right, by the service's")


def alerts(settings: Settings) -> Iterator[Finding]:
    """Whether people can be told that they are needed: whether each way answers, sending nothing.

    Raises ConfigurationError or ServiceUnavailable.
    """
    options = settings.alerts
    ways = []
    if options.email_to:
        if options.smtp_user is not None and settings.smtp_password is None:
            raise ConfigurationError(
                "alerts.smtp_user is set and its password is not: name a file of mode 0600 in "
                "alerts.smtp_password_file."
            )
        _answers("alerts.smtp_host", options.smtp_host or "", options.smtp_port)
        ways.append(f"e-mail by {options.smtp_host}")
    for name, url in (("webhook_url", options.webhook_url), ("ping_url", options.ping_url)):
        if url is not None:
            address = urlsplit(url.get_secret_value())
            if address.scheme not in _PORTS or not address.hostname:
                raise ConfigurationError(
                    f"alerts.{name} is no address of the web: it begins with https:// and a host."
                )
            # Where a proxy stands in between, only it can tell.
            if not requests.utils.get_environ_proxies(url.get_secret_value()):
                port = address.port or _PORTS[address.scheme]
                _answers(f"alerts.{name}", address.hostname, port)
            ways.append(f"{name.removesuffix('_url')} to {address.hostname}")
    if options.command:
        if shutil.which(options.command[0]) is None:
            raise ConfigurationError(
                f"The program {options.command[0]} of alerts.command is not there, or can't be "
                "run: name it by its whole path."
            )
        ways.append(f"the program {options.command[0]}")
    if not ways:
        yield Finding(
            "alerts",
            "nobody is told when a person is needed: set email_to, webhook_url, ping_url or "
            "command in [alerts].",
            warning=True,
        )
        return
    yield Finding("alerts", f"{', '.join(ways)}; contact-sync alert test sends one")


def status_page(settings: Settings) -> Iterator[Finding]:
    """Whether the page can be served, if it is wanted; raises ConfigurationError."""
    options = settings.status
    if not options.enabled:
        return
    for package in ("flask", "prometheus_client", "waitress"):
        if find_spec(package) is None:
            raise ConfigurationError(
                f"The status page needs {package}: pip install 'contact-sync[status]', or set "
                "status.enabled = false."
            )
    where = f"{options.host}:{options.port}"
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        socket.create_server((options.host, options.port), family=family).close()
    except OSError as error:
        if not _is_our_page(f"http://{where}/metrics"):
            raise ConfigurationError(
                f"The status page can't listen on {where}: {error.strerror}; name another host or "
                "port in [status]."
            ) from None
        yield Finding("status page", f"the worker serves it on {where}")
        return
    yield Finding("status page", f"{where} is free for it")


def service() -> Iterator[Finding]:
    """Whether systemd keeps a worker or a timer; nothing where there is no systemd."""
    units = [unit for name in _UNITS if (unit := _unit(name)) is not None]
    if not units:
        return
    installed = [unit for unit in units if unit["LoadState"] == "loaded"]
    if not installed:
        yield Finding(
            "service",
            "none is installed, so nothing runs by itself: run contact-sync install-service.",
            warning=True,
        )
    for unit in installed:
        name = unit["Id"]
        if unit["ActiveState"] == "failed":
            sentence = (
                f"{name} has failed: see journalctl -u {name}, then systemctl restart {name}."
            )
        elif unit["ActiveState"] not in ("active", "activating", "reloading"):
            sentence = f"{name} is not running: run systemctl enable --now {name}."
        elif unit["UnitFileState"] != "enabled":
            sentence = f"{name} runs, and won't after a restart: run systemctl enable {name}."
        else:
            yield Finding("service", f"{name} is enabled and active")
            continue
        yield Finding("service", sentence, warning=True)


def _holds_secret(settings: Settings, configuration: Path) -> bool:
    given = (
        settings.oauth.client_secret,
        settings.vault.key,
        settings.source.password,
        settings.feedback.password,
        settings.alerts.smtp_password,
        settings.alerts.webhook_url,
        settings.alerts.ping_url,
    )
    text = configuration.read_text(encoding="utf-8", errors="replace")
    return any(secret.get_secret_value() in text for secret in given if secret is not None)


def _needed_room(settings: Settings) -> int:
    """For the state of the source's contacts, less what it has already."""
    if settings.source.path is None:
        return _LEAST_ROOM
    path = settings.source.path
    files = [path] if path.exists() else path.parent.glob(path.name)
    read = sum(file.stat().st_size for file in files)
    there = sum(file.stat().st_size for file in settings.state.directory.glob("state.db"))
    return max(_LEAST_ROOM, _STATE_FOR_A_BYTE * read - there)


def _writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateError(
            f"This user can't write in {folder}: make the folder, or give this user the right to."
        )


def _megabytes(count: int) -> str:
    return f"{count / 1_000_000:,.0f} MB"


def _answers(option: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=_PATIENCE.total_seconds()).close()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ServiceUnavailable(
            f"{host}:{port} of {option} does not answer ({reason}): see to the name, the port and "
            "the firewall."
        ) from None


def _is_our_page(address: str) -> bool:
    try:
        answer = requests.get(
            address,
            timeout=_PATIENCE.total_seconds(),
            allow_redirects=False,
            proxies={"http": ""},
        )
    except requests.RequestException:
        return False
    return "contact_sync_healthy" in answer.text


def _unit(name: str) -> dict[str, str] | None:
    properties = ("Id", "LoadState", "ActiveState", "UnitFileState")
    try:
        asked = subprocess.run(
            ["systemctl", "show", name, f"--property={','.join(properties)}"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE.total_seconds(),
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    told = dict(line.partition("=")[::2] for line in asked.stdout.splitlines())
    return told if all(each in told for each in properties) else None
