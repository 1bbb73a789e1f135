"""Small private files that are on the disk when the call returns, names included.

A file's content survives a power loss after fsync of the file, its name only after fsync of the
folder (fsync(2)).
"""

import errno
import hashlib
import os
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def file_name(purpose: str, database: str, account: str) -> str:
    """A name that accounts and state databases which share a folder don't share."""
    digest = hashlib.blake2b(f"{database} {account}".encode(), digest_size=6).hexdigest()
    return f"{purpose}-{account}-{digest}"


def create_file(path: Path, content: bytes) -> None:
    """Make a private file; raises FileExistsError rather than touch one that is there."""
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    _write(path, content, os.O_CREAT | os.O_EXCL)
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Put a private file in the place of another: at every instant there is the old or the new."""
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    _write(fresh, content, os.O_CREAT | os.O_EXCL)
    fresh.replace(path)
    sync_folder(path.parent)


def reserve_file(path: Path, size: int) -> None:
    """Make sure that a private file of this size is there, its blocks given by the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "the file belongs to somebody else", str(path))
        if status.st_size < size:
            os.posix_fallocate(descriptor, 0, size)
            os.fsync(descriptor)
            sync_folder(path.parent)
    finally:
        os.close(descriptor)


def fill_reserved_file(reserved: Path, content: bytes, path: Path) -> None:
    """Write into reserved blocks, which a full disk can't refuse, then give them their name."""
    _write(reserved, content, os.O_CREAT)
    reserved.replace(path)
    sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back after a power loss."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | how, PRIVATE_FILE)
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.ftruncate(descriptor, len(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
