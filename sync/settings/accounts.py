"""The accounts of a configuration: the one of a file, or those of a folder.

A folder holds defaults.toml, which says what its accounts share, and a file NAME.toml for each of
them. Tables are merged to any depth, and what the account's own file says goes first. A file that
is wrong concerns its account alone.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync.errors import ConfigurationError, UsageError
from sync.settings.load import (
    ENVIRONMENT_PREFIX,
    Settings,
    alert_content,
    checked,
    default_path,
    load_settings,
    read_toml,
    rehearsable_content,
)
from sync.settings.problems import Location

DEFAULTS = "defaults.toml"
# Where a folder's accounts have something each, below the place that defaults.toml names.
_OWN_FOLDERS = {"state": "state", "report": "reports"}
# What is the worker's, and so can't be said for one of its accounts.
_OF_ALL = ("status", "worker", "cluster")
# What would make one account of many, if it were said for all of them.
_OF_ONE = ("ACCOUNT__NAME", "STATE__DIRECTORY")
_NAMES_SHOWN = 20

_Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a configuration by their names.

    `broken` are those whose file is wrong. They are `many` when they come from a folder, even if
    it has only one by now.
    """

    place: Path
    settings: Mapping[str, Settings]
    broken: Mapping[str, ConfigurationError] = field(default_factory=dict)
    many: bool = False

    @property
    def any_settings(self) -> Settings:
        """Settings in which those of the worker and its page can be read."""
        return next(iter(self.settings.values()))

    def files(self, account: str) -> tuple[Path, ...]:
        """What the account's configuration is read from."""
        if self.place.is_dir():
            return self.place / DEFAULTS, self.place / f"{account}.toml"
        return (self.place,)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(sorted({*self.settings, *self.broken}))


def load_accounts(path: Path | None = None) -> Accounts:
    """Read every account of a file or a folder; without a path, of the first usual place.

    Raises ConfigurationError when there is no account whose configuration is right.
    """
    place = path or default_path()
    if not place.is_dir():
        settings = load_settings(place)
        return Accounts(place, {settings.account.name: settings})
    shared = _shared(place)
    found: dict[str, Settings] = {}
    broken: dict[str, ConfigurationError] = {}
    for name, file in account_files(place).items():
        try:
            found[name] = _account(file, shared)
        except ConfigurationError as error:
            broken[name] = error
    if broken and not found:
        raise _all_broken(place, broken)
    return Accounts(place, found, broken, many=True)


def load_account(
    path: Path | None = None, account: str | None = None, *, with_application: bool = True
) -> Settings:
    """Read one account: that of a file, or of a folder the one of that name.

    Without an application, for a rehearsal, oauth.client_id need not be given.

    Raises UsageError when there is no such account, or no name and several accounts, and
    ConfigurationError when its configuration is wrong.
    """
    place = path or default_path()
    if place.is_dir():
        shared = _shared(place)
        shared = shared if with_application else rehearsable_content(shared)
        return _account(_file_of(place, account), shared)
    settings = load_settings(place, with_application=with_application)
    if account not in (None, settings.account.name):
        raise UsageError(
            f"There is no account {account} in {place}: it is for the account "
            f"{settings.account.name} alone."
        )
    return settings


def load_alert_settings(path: Path | None = None, account: str | None = None) -> Settings:
    """What is needed to tell people, when the rest of the configuration may be what is wrong.

    In a folder without the name of an account: what defaults.toml says. Raises ConfigurationError
    and UsageError.
    """
    place = path or default_path()
    if not place.is_dir():
        return checked(place, alert_content(read_toml(place)))
    shared = _shared(place)
    if account is None:
        return checked(place / DEFAULTS, alert_content(shared))
    file = _file_of(place, account)
    own = read_toml(file)
    return checked(file, alert_content(_content(file, own, shared)), _place_in(own, shared))


def account_files(folder: Path) -> dict[str, Path]:
    """The file of each account in a folder; raises ConfigurationError when there is none."""
    try:
        files = sorted(folder.glob("[!.]*.toml"))
    except OSError as error:
        raise ConfigurationError(
            f"The configuration folder {folder} can't be read: {error.strerror}."
        ) from None
    found = {file.stem: file for file in files if file.name != DEFAULTS}
    if not found:
        raise ConfigurationError(
            f"The configuration folder {folder} has no account: write a file NAME.toml there for "
            "each."
        )
    return found


def _shared(folder: Path) -> _Content:
    for variable in os.environ:
        if variable.upper() in {f"{ENVIRONMENT_PREFIX}{name}" for name in _OF_ONE}:
            raise ConfigurationError(
                f"The environment variable {variable} would hold for all accounts of the folder "
                f"{folder}: take it out, and say it in the account's own file."
            )
    file = folder / DEFAULTS
    if not file.exists():
        raise ConfigurationError(
            f"The folder {folder} has no {DEFAULTS}, and so is no configuration folder: write "
            "what its accounts share into that file, or leave it empty."
        )
    return read_toml(file)


def _account(file: Path, shared: _Content) -> Settings:
    own = read_toml(file)
    return checked(file, _content(file, own, shared), _place_in(own, shared))


def _content(file: Path, own: _Content, shared: _Content) -> _Content:
    """What a file and defaults.toml say together."""
    name = file.stem
    account = own.get("account", {})
    problems = [
        f"[{section}] is about the worker of all accounts: it belongs into {DEFAULTS}"
        for section in _OF_ALL
        if section in own
    ]
    if isinstance(account, dict) and account.get("name", name) != name:
        problems.append(f"account.name is {name} here, by the name of the file: leave it out")
    if problems:
        raise ConfigurationError(f"The configuration {file} is wrong:", tuple(problems))
    content = merged(shared, own)
    content["account"] = {"name": name}
    for section, usual in _OWN_FOLDERS.items():
        _give_folder(content, section, name, own, _directory(shared, section) or usual)
    if isinstance(content["state"], dict):
        content["state"].setdefault("shared_directory", _directory(shared, "state") or "state")
    return content


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> _Content:
    """Both, where tables are merged and any other value of `own` goes first."""
    content: _Content = dict(shared)
    for name, value in own.items():
        there = content.get(name)
        both = isinstance(there, dict) and isinstance(value, dict)
        content[name] = merged(there, value) if both else value  # type: ignore[arg-type]
    return content


def _give_folder(content: _Content, section: str, name: str, own: _Content, parent: str) -> None:
    """Let the account have a folder of its own where its file doesn't name one."""
    there = content.setdefault(section, {})
    if isinstance(there, dict) and _directory(own, section) is None:
        content[section] = {**there, "directory": str(Path(parent, name))}


def _directory(content: _Content, section: str) -> str | None:
    options = content.get(section, {})
    directory = options.get("directory") if isinstance(options, dict) else None
    return directory if isinstance(directory, str) else None


def _place_in(own: _Content, shared: _Content) -> Callable[[Location], str]:
    """Tells which of the values are in defaults.toml."""

    def place(path: Location) -> str:
        return f" (in {DEFAULTS})" if _holds(shared, path) and not _holds(own, path) else ""

    return place


def _holds(content: object, path: Location) -> bool:
    for part in path:
        if not isinstance(content, dict) or part not in content:
            return isinstance(part, int)
        content = content[part]
    return bool(path)


def _file_of(folder: Path, account: str | None) -> Path:
    files = account_files(folder)
    if account is None and len(files) == 1:
        return next(iter(files.values()))
    if account in files:
        return files[account]
    names = ", ".join(list(files)[:_NAMES_SHOWN]) + ("…" if len(files) > _NAMES_SHOWN else "")
    if account is None:
        raise UsageError(
            f"The configuration {folder} has {len(files)} accounts: name one with --account NAME "
            f"({names})."
        )
    near = difflib.get_close_matches(account, files, n=1)
    meant = f" Did you mean {near[0]}?" if near else f" There are: {names}."
    raise UsageError(f"There is no account {account} in {folder}.{meant}")


def _all_broken(folder: Path, broken: Mapping[str, ConfigurationError]) -> ConfigurationError:
    first = next(iter(broken.values()))
    if len(broken) == 1:
        return first
    return ConfigurationError(
        f"No account of {folder} has a configuration that is right. The first of {len(broken)}: "
        f"{first}"
    )
