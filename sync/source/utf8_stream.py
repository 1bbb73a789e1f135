"""A file as UTF-8 bytes, for Arrow's parser."""

import io
from pathlib import Path

from sync.source.packed import open_bytes
from sync.source.text_stream import DOS_END, TextStream, unreadable

_LONGEST_CHARACTER = 4


class Utf8Stream(io.RawIOBase):
    """The file's text without NUL and DOS's end mark, and then an end of the caller's.

    Args:
        checked: The file is known to be UTF-8, so that its bytes need no look.

    Raises:
        SourceError: it can't be read; from `read`: the bytes are not text in this encoding.
    """

    def __init__(self, path: Path, encoding: str, *, checked: bool, end: str) -> None:
        self.name = str(path)
        self._path = path
        self._file = open_bytes(path)
        self._text = None if checked else TextStream(self._file, encoding, path)
        self._end = end.encode()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none only at the end."""
        if data := self._clean(size):
            return data
        end, self._end = self._end, b""
        return end

    def close(self) -> None:
        self._file.close()
        super().close()

    def _clean(self, size: int) -> bytes:
        if self._text is not None:
            return self._text.read(size // _LONGEST_CHARACTER).encode()
        while True:
            try:
                data = self._file.read(size)
            except OSError as error:
                raise unreadable(self._path, error) from error
            clean = data.replace(b"\0", b"").replace(DOS_END, b"")
            if clean or not data:
                return clean
