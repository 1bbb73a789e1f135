"""A file as UTF-8 bytes, for Arrow's parser."""

import codecs
import io
from pathlib import Path

from sync.source.packed import open_bytes
from sync.source.quoting import Quotes
from sync.source.text_stream import DOS_END, TextStream, unreadable

_LONGEST_CHARACTER = 4
_BLOCK = 1 << 18


class Utf8Stream(io.RawIOBase):
    """The file's text without marks, NUL and DOS's end mark, and then an end of the caller's.

    Args:
        checked: The file is known to be UTF-8, so that its bytes need no look.
        quotes: Follows the quotation marks, if they matter.

    Raises:
        SourceError: it can't be read; from `read`: the bytes are not text in this encoding.
    """

    def __init__(
        self, path: Path, encoding: str, *, checked: bool, end: str, quotes: Quotes | None = None
    ) -> None:
        self.name = str(path)
        self._path = path
        self._file = open_bytes(path)
        self._text = None if checked else TextStream(self._file, encoding, path)
        self._end = end.encode()
        self._quotes = quotes
        self._ready = b""
        self._at_start = True
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = _BLOCK, /) -> bytes:
        """So many bytes, fewer only at the end: Arrow wants a line's end in each block of them."""
        while len(self._ready) < size and not self._ended:
            data = self._clean(size)
            self._ready += self._followed(data)
            self._ended = not data
            if self._ended:
                self._ready += self._end
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def close(self) -> None:
        self._file.close()
        super().close()

    def _followed(self, data: bytes) -> bytes:
        if self._at_start:
            self._at_start = not data
            data = data.removeprefix(codecs.BOM_UTF8)
        return data if self._quotes is None else self._quotes.follow(data, final=not data)

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
