"""A file's bytes, unpacked when it is a gzip or ZIP file."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from sync.errors import SourceError
from sync.source.text_stream import unreadable

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
# What the zipfile module raises over archives that it can't read, among them new kinds of packing.
BAD_ZIP = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WORKBOOK_PART = "xl/workbook.xml"
_ENCRYPTED = 0x1
_BLOCK = 1 << 18


def magic(path: Path) -> bytes:
    """The first bytes, which tell what kind of file it is.

    Raises:
        SourceError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise unreadable(path, error) from error


def is_workbook(path: Path) -> bool:
    """Whether a ZIP file is an Excel workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _WORKBOOK_PART in archive.namelist()
    except BAD_ZIP:
        return False


def packing(path: Path) -> str:
    """For people: how the file is packed, empty when it is not."""
    start = magic(path)
    if start.startswith(GZIP):
        return "gzip"
    return f"{_only_member(path).filename} in ZIP" if start.startswith(ZIP) else ""


def open_bytes(path: Path) -> BinaryIO:
    """The file's content as bytes.

    Raises:
        SourceError: it can't be read, or is an archive of other than one file; later, from reading:
            it is damaged or was cut off.
    """
    try:
        start = magic(path)
        if start.startswith(GZIP):
            return _guarded(gzip.open(path, "rb"), path)
        if start.startswith(ZIP):
            return _guarded(_member(path), path)
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def searchable(file: IO[bytes], longest: int) -> Iterator[bytes]:
    """The content in blocks, so that whatever has at most so many bytes is whole in one of them."""
    end = b""
    while block := file.read(_BLOCK):
        looked = end + block
        yield looked
        end = looked[-(longest - 1) :]


def _only_member(path: Path) -> zipfile.ZipInfo:
    try:
        with zipfile.ZipFile(path) as archive:
            files = [
                info
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
    except BAD_ZIP:
        raise _damaged(path) from None
    if any(info.filename == "mimetype" for info in files):
        raise SourceError(
            f"{path} is an OpenDocument spreadsheet; save it as an Excel workbook or as CSV."
        )
    if len(files) != 1:
        raise SourceError(
            f"{path} holds {len(files)} files; a ZIP file must hold the contacts' CSV alone."
        )
    if files[0].flag_bits & _ENCRYPTED:
        raise SourceError(f"{path} is encrypted; export it without a password.")
    return files[0]


def _member(path: Path) -> BinaryIO:
    info = _only_member(path)
    try:
        return cast(BinaryIO, zipfile.ZipFile(path).open(info))
    except BAD_ZIP:
        raise _damaged(path) from None


class _Guarded(io.RawIOBase):
    """Passes bytes on, and turns what unpacking raises into our sentence."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except BAD_ZIP:
            raise _damaged(self._path) from None

    def close(self) -> None:
        self._file.close()
        super().close()


def _guarded(file: object, path: Path) -> BinaryIO:
    return cast(BinaryIO, _Guarded(cast(BinaryIO, file), path))


def _damaged(path: Path) -> SourceError:
    return SourceError(f"{path} can't be unpacked: it is damaged or was cut off.")
