"""What the units say, made of where the program and its files lie.

Sources: systemd.unit(5), systemd.service(5), systemd.exec(5) and systemd.timer(5) of version 252,
the oldest that is meant.
"""

import datetime as dt
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sync.settings import CREDENTIALS, Accounts

WORKER = "contact-sync.service"
CLUSTER = "contact-sync@.service"
ALERT = "contact-sync-alert@.service"
ONCE = "contact-sync-once.service"
TIMER = "contact-sync-once.timer"

_STATE_ROOT = Path("/var/lib")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (named, not used)
# What may go on in silence besides a query of the source: comparing very many contacts, say.
_SILENCE = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where contact-sync lies, and what it reads and writes there; all paths are absolute."""

    program: Path
    configuration: Path
    user: str
    state: Path
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    query_timeout: dt.timedelta = dt.timedelta(hours=1)
    time: dt.time = dt.time(3, 30)
    time_zone: str = "UTC"
    jitter: dt.timedelta = dt.timedelta(0)

    @classmethod
    def of(
        cls, accounts: Accounts, *, program: Path, python: Path, configuration: Path, user: str
    ) -> "Installation":
        """That of a configuration; `python` is the interpreter, which may lie elsewhere."""
        settings, every = accounts.any_settings, accounts.settings.values()
        own, reports = settings.state.directory, [each.report.directory for each in every]
        sources = [each.source.path for each in every if each.source.path is not None]
        feedback = [each.feedback.file.parent for each in every if each.feedback.file is not None]
        return cls(
            program=program,
            configuration=configuration,
            user=user,
            # Many accounts have a folder each in these, also those that are not there yet.
            state=(settings.state.shared_directory or own.parent) if accounts.many else own,
            reads=tuple(dict.fromkeys((python, *sources))),
            writes=tuple(
                dict.fromkeys(
                    (*((each.parent if accounts.many else each) for each in reports), *feedback)
                )
            ),
            query_timeout=max(each.source.query_timeout for each in every),
            time=settings.schedule.time,
            time_zone=settings.schedule.time_zone,
            jitter=settings.schedule.jitter,
        )

    @property
    def state_directory(self) -> str | None:
        """The value of StateDirectory=; None when the state lies elsewhere than in /var/lib."""
        within = self.state.is_relative_to(_STATE_ROOT) and self.state != _STATE_ROOT
        return str(self.state.relative_to(_STATE_ROOT)) if within else None

    @property
    def writable(self) -> tuple[Path, ...]:
        """The folders that are written besides the StateDirectory, which systemd opens itself."""
        opened = (self.state,) if self.state_directory is None else ()
        inside = [folder for folder in self.writes if not folder.is_relative_to(self.state)]
        return tuple(dict.fromkeys((*opened, *inside)))

    @property
    def at_home(self) -> bool:
        """Whether anything lies where ProtectHome=yes would hide it."""
        return _any_within(self._all, _HOMES)

    @property
    def in_temporary(self) -> tuple[Path, ...]:
        """What lies where PrivateTmp=yes hides it."""
        return tuple(path for path in self._all if _any_within([path], _TEMPORARY))

    @property
    def _all(self) -> tuple[Path, ...]:
        return (self.program, self.configuration, self.state, *self.reads, *self.writes)


def units(
    installation: Installation, *, timer: bool = False, cluster: bool = False
) -> dict[str, str]:
    """The units by their file's name: the worker, or those of a cluster, or a timer's."""
    names = (ONCE, TIMER, ALERT) if timer else (CLUSTER if cluster else WORKER, ALERT)
    return {name: _render(name, installation) for name in names}


def by_hand(installation: Installation) -> str:
    """A script that runs a command as the service's user, and with its secrets."""
    return _render("by-hand.sh", installation)


def _render(name: str, installation: Installation) -> str:
    template = _texts().get_template(name)
    return template.render(
        at=installation,
        credentials=tuple(CREDENTIALS),
        silence=int((installation.query_timeout + _SILENCE).total_seconds()),
        jitter=int(installation.jitter.total_seconds()),
    )


def _texts() -> Environment:
    # They are units, not HTML, so nothing is escaped as HTML is.
    texts = Environment(
        loader=PackageLoader("sync", "service_units"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts.filters |= {"word": _word, "argument": _argument, "shell": lambda v: shlex.quote(str(v))}
    return texts


def _word(value: object) -> str:
    """One word of a unit's line (systemd.syntax(7), systemd.unit(5), "Specifiers")."""
    text = str(value).replace("%", "%%")
    if re.search(r"[\s\"'\\;]", text):
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return text


def _argument(value: object) -> str:
    """One word of a command line in a unit, in which $ has a meaning of its own."""
    return _word(str(value).replace("$", "$$"))


def _any_within(paths: Iterable[Path], folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)
