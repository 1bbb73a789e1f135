"""The rescue file: where a new pair goes when the database can't take it.

It is encrypted like the database's tokens, private, and durable. The next start adopts it before
anything else, and removes it once the database has the pair. Its blocks are reserved before a
refresh token is spent, so that a disk that fills up meanwhile can't refuse it.
"""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import structlog

from sync.auth.cipher import TokenCipher
from sync.auth.durable import file_name, fill_reserved_file, remove_file, reserve_file
from sync.errors import ConfigurationError, StateError
from sync.state.store import Store
from sync.state.tokens import StoredPair, replace_pair

# Larger than any pair: two JWTs of a few kilobytes at most, encrypted twice.
_SIZE = 64 * 1024
_INSTANTS = ("issued_at", "expires_at", "refresh_begun_at", "lost_at")
_log = structlog.get_logger()


class Rescue:
    """The rescue file of one account of one state database.

    It lies in the state directory; when even that can't be written, in the temporary folder. A
    pair that no place takes stays in this process's memory and is adopted like a file.
    """

    _memory: ClassVar[dict[str, StoredPair]] = {}

    def __init__(self, folder: Path, store: Store, account: str, cipher: TokenCipher) -> None:
        self._store = store
        self._cipher = cipher
        self._name = name = file_name("rescued-pair", store.address, account)
        self._places = [folder / name, Path(tempfile.gettempdir(), name)]

    def prepare(self) -> None:
        """Reserve the file's room; raises StateError when no place has any."""
        reasons = []
        for place in self._places:
            try:
                reserve_file(_reserve(place), _SIZE)
            except OSError as error:
                reasons.append(f"{place.parent}: {error.strerror}")
            else:
                return
        raise StateError(
            "Nothing was renewed, since a new token pair could not be kept safe: no room for the "
            f"rescue file ({'; '.join(reasons)}). See to the disk, then run again."
        )

    def write(self, row: StoredPair) -> Path:
        """Keep a pair that the database didn't take; raises StateError when no place takes it."""
        content = self._cipher.encrypt(_to_text(row)).encode()
        reasons = []
        for place in self._places:
            try:
                fill_reserved_file(_reserve(place), content, place)
            except OSError as error:
                reasons.append(f"{place.parent}: {error.strerror}")
            else:
                self._memory.pop(self._name, None)
                return place
        self._memory[self._name] = row
        raise StateError(f"The rescue file can't be written ({'; '.join(reasons)}).")

    def waits(self) -> bool:
        """Whether there is a rescued pair to adopt."""
        return self._name in self._memory or any(map(_is_ours, self._places))

    def adopt(self) -> None:
        """Bring rescued pairs into the database, then remove their files; raises StateError.

        One that is not newer than the row is of no use any more, and one that can't be read
        stays for a person to look at.
        """
        if (row := self._memory.get(self._name)) is not None:
            replace_pair(self._store, row)
            del self._memory[self._name]
        for place, row in self._found():
            if replace_pair(self._store, row):
                _log.warning("rescued token pair adopted", file=str(place))
            self._remove(place)

    def discard(self) -> None:
        """Remove every rescued pair: the database has it, or the account is logged out."""
        self._memory.pop(self._name, None)
        for place in self._places:
            if _is_ours(place):
                self._remove(place)

    def _found(self) -> Iterator[tuple[Path, StoredPair]]:
        for place in self._places:
            if not _is_ours(place):
                continue
            try:
                yield place, _from_text(self._cipher.decrypt(place.read_text(encoding="ascii")))
            except (OSError, ValueError, TypeError, ConfigurationError) as error:
                _log.warning(
                    "rescue file can't be read", file=str(place), reason=type(error).__name__
                )

    def _remove(self, place: Path) -> None:
        try:
            remove_file(place)
        except OSError as error:
            # Adopting it again later does nothing, so it may stay.
            _log.warning("rescue file can't be removed", file=str(place), reason=error.strerror)


def _reserve(place: Path) -> Path:
    return place.with_name(f"{place.name}.reserve")


def _is_ours(place: Path) -> bool:
    """The temporary folder is everybody's: only a plain file of our own counts."""
    try:
        status = place.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()


def _to_text(row: StoredPair) -> str:
    return json.dumps(asdict(row), default=datetime.isoformat)


def _from_text(text: str) -> StoredPair:
    values = json.loads(text)
    for name in _INSTANTS:
        if values[name] is not None:
            values[name] = datetime.fromisoformat(values[name])
    return StoredPair(**values)
