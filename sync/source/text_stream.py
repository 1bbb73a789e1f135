"""The source's bytes as text, with an exact word about the first byte that doesn't fit."""

import codecs
import io
from pathlib import Path
from typing import BinaryIO

from sync.errors import ConfigurationError, SourceError

DOS_END = b"\x1a"

_BLOCK = 1 << 18


class TextStream(io.TextIOBase):
    """A readable text file.

    Line ends are left as they are, since inside quotes they belong to the cell. NUL characters are
    left out, which no cell needs, and so is the end mark of DOS files (0x1A), which would be a row
    of its own.
    """

    def __init__(self, file: BinaryIO, encoding: str, path: Path) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._encoding = encoding
        self._path = path
        self._bytes_before = 0
        self._lines_before = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        """The next piece of text; empty only at the end of the file.

        Raises:
            SourceError: the bytes are not text in this encoding, or can't be read.
        """
        wanted = _BLOCK if size is None or size < 0 else size
        while True:
            try:
                data = self._file.read(wanted)
            except OSError as error:
                raise unreadable(self._path, error) from error
            text = self._decode(data)
            if text or not data:
                return text

    def close(self) -> None:
        self._file.close()
        super().close()

    def _decode(self, data: bytes) -> str:
        waiting = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            bad: bytes = error.object[error.start : error.start + 1]
            byte = self._bytes_before - waiting + error.start + 1
            line = self._lines_before + error.object.count(b"\n", 0, error.start) + 1
            raise SourceError(
                f"{self._path} is not {_spoken(self._encoding)} text: "
                f"byte {byte:,}, in line {line:,}, is 0x{bad.hex().upper()}. "
                + _advice(self._encoding)
            ) from error
        self._bytes_before += len(data)
        self._lines_before += data.count(b"\n")
        return text.replace("\0", "").replace(DOS_END.decode(), "")


def text_encoding(name: str) -> str:
    """The codec for a configured encoding; UTF-8 may have a byte order mark.

    Raises:
        ConfigurationError: no text encoding has this name.
    """
    try:
        "".encode(name)
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise ConfigurationError(
            f"source.encoding: “{name}” is not a text encoding; write one such as utf-8, cp1252 "
            "(Windows, Western Europe and America) or utf-16."
        ) from None
    return "utf-8-sig" if found == "utf-8" else found


def unreadable(path: Path, error: OSError) -> SourceError:
    """One sentence for what the operating system says about a path."""
    match error:
        case FileNotFoundError():
            return SourceError(f"There is no file {path}; source.path must name the contacts' CSV.")
        case IsADirectoryError():
            return SourceError(f"{path} is a folder; source.path must name a CSV file.")
        case PermissionError():
            return SourceError(f"{path} may not be read by this user; change its permissions.")
        case _:
            return SourceError(f"{path} can't be read: {error.strerror or error}.")


def _spoken(encoding: str) -> str:
    return "UTF-8" if encoding == "utf-8-sig" else encoding


def _advice(encoding: str) -> str:
    if encoding == "utf-8-sig":
        return (
            "The file is damaged, or is in another encoding: source.encoding must then be left "
            'out of the configuration, so that it is found, or be another than "utf-8".'
        )
    return "Leave source.encoding out of the configuration, so that it is found, or mend it."
