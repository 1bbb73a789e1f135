"""Which files are read, and whether each is whole and of today."""

import glob
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sync.errors import SourceError
from sync.settings.options import Source
from sync.source.text_stream import unreadable

_PATIENCE = 20  # settle times after which a file is believed to be written to for ever
_LOOK_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it was when it was found."""

    path: Path
    size: int
    changed_ns: int

    def refuse_changed(self) -> None:
        """Raise SourceError when the file is another than the one that was found."""
        if _look(self.path) != self:
            raise SourceError(
                f"{self.path} changed while it was being read, so it was still being written; "
                "nothing was sent. Set source.settle, or a source.marker, so that a run waits."
            )


def find_files(
    options: Source,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[FoundFile, ...]:
    """The files of the configured path, sorted by name, each of them settled.

    Raises:
        SourceError: there is none, one is too old or does not settle, or the export is not done.
    """
    if options.path is None:
        raise SourceError("source.path names no file.")
    found = [_settled(_look(path), options.settle, clock, sleep) for path in _paths(options.path)]
    if options.files == "newest":
        found = [max(found, key=lambda file: (file.changed_ns, file.path))]
    for file in found:
        _refuse_unmarked(file, options.marker)
        if options.max_age is not None:
            _refuse_old(file, options.max_age, clock())
    return tuple(found)


def _paths(path: Path) -> list[Path]:
    # A name with brackets in it is a name, when there is such a file.
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    files = [each for each in found if each.is_file()]
    if not files:
        raise SourceError(f"No file is named like {path}; source.path must name the contacts.")
    return files


def _look(path: Path) -> FoundFile:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise SourceError(f"{path} is a pipe or a device, and no file; nothing was sent.")
    return FoundFile(path, status.st_size, status.st_mtime_ns)


def _settled(
    file: FoundFile,
    settle: timedelta,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> FoundFile:
    """The file once it has not changed for `settle`."""
    seconds = settle.total_seconds()
    if not seconds or clock() - file.changed_ns / 1e9 >= seconds:
        return file
    started = clock()
    same_since = started
    while clock() - same_since < seconds:
        if clock() - started > seconds * _PATIENCE:
            raise SourceError(
                f"{file.path} is still being written after {seconds * _PATIENCE:g} seconds; "
                "nothing was sent."
            )
        sleep(min(_LOOK_AGAIN, seconds))
        now = _look(file.path)
        if now != file:
            file, same_since = now, clock()
    return file


def _refuse_unmarked(file: FoundFile, marker: Path | None) -> None:
    if marker is None:
        return
    try:
        changed_ns = marker.stat().st_mtime_ns
    except OSError:
        raise SourceError(
            f"The marker {marker} is not there, so the export of {file.path.name} is not done; "
            "nothing was sent."
        ) from None
    if changed_ns < file.changed_ns:
        raise SourceError(
            f"The marker {marker} is older than {file.path}, so a new export is under way; "
            "nothing was sent."
        )


def _refuse_old(file: FoundFile, max_age: timedelta, now: float) -> None:
    age = timedelta(seconds=now - file.changed_ns / 1e9)
    if age > max_age:
        raise SourceError(
            f"{file.path} was last written {_spoken(age)} ago, and at most {_spoken(max_age)} are "
            "allowed (source.max_age): the newest export did not come. Nothing was sent."
        )


def _spoken(time: timedelta) -> str:
    hours = time.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 72 else f"{hours / 24:.0f} days"
