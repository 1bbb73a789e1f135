"""Quotation marks in a CSV file: how they are written within a cell, and where they go wrong.

RFC 4180 writes them twice. MySQL, Spark and others put a backslash before them, and some programs
write them as they are. Arrow and the csv module take whatever comes and garble the cell, or read
rows as one: so they are followed through the file's bytes before.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

BACKSLASHED = '\\"'

_QUOTE = b'"'
_BLANK = ord(" ")


class Quotes:
    """Follows the quotation marks through a file's bytes (UTF-8), piece by piece.

    Args:
        backslash: A backslash stands before a quotation mark within a cell.
        mark: What is put behind a quotation mark that closes a cell which goes on.

    Attributes:
        faults: How many cells go on behind their closing quotation mark; blanks don't count.
        open: Whether a cell is not closed yet.
    """

    def __init__(self, delimiter: str, *, backslash: bool, mark: bytes = b"") -> None:
        self.faults = 0
        self.open = False
        self._mark = mark
        self._backslash = backslash
        sign = delimiter.encode()
        bounds = re.escape(sign) + rb"\r\n"
        self._bounds = np.zeros(256, np.bool_)
        self._bounds[[*sign, *b"\r\n"]] = True
        self._well = self._bounds.copy()
        self._well[_QUOTE[0]] = True
        self._blanks_behind = re.compile(rb" *(?:[" + bounds + rb"]|\Z)")
        # MySQL's word for NULL; a backslash that escapes nothing; one that escapes.
        self._backslashes = re.compile(
            rb"(?<=[" + bounds + rb"])\\N(?=[" + bounds + rb"]|\Z)"
            rb'|(\\)(?=[^"\\' + bounds + rb']|\Z)|\\["\\' + bounds + rb"]"
        )
        self._unsure = b'" \\N' if backslash else b'" '  # what follows decides
        self._before = b"\n"
        self._held = b""

    def follow(self, data: bytes, *, final: bool = False) -> bytes:
        """The next bytes, as Arrow reads them rightly; some are held back until `final`.

        Blanks before a quotation mark at a cell's start are left out. With `backslash`, each
        backslash that is left escapes what follows it.
        """
        data = self._held + data
        sure = len(data) if final else len(data.rstrip(self._unsure))
        self._held, data = data[sure:], data[:sure]
        if not data:
            return data
        if self._backslash and b"\\" in data:
            data = self._with_one_meaning(data)
            seen = re.sub(rb"\\.", b"__", data, flags=re.DOTALL)
        else:
            seen = data
        edits = self._edits(seen)
        self._before = seen[-1:] or self._before  # an escaped separator bounds nothing
        return _edited(data, edits) if edits else data

    def _with_one_meaning(self, data: bytes) -> bytes:
        """Without NULL, and with each backslash that stands for itself twice."""
        escaped_to = 0

        def meant(match: re.Match[bytes]) -> bytes:
            nonlocal escaped_to
            if match[1] or (match[0] == b"\\N" and match.start() == escaped_to):
                return b"\\\\" + match[0][1:]
            escaped_to = match.end()
            return b"" if match[0] == b"\\N" else match[0]

        return self._backslashes.sub(meant, self._before + data)[1:]

    def _edits(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """What must be put for the bytes between two places."""
        if _QUOTE not in data:
            return []
        letters = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(letters == _QUOTE[0])
        if self._are_well(letters, quotes):
            self.open ^= bool(len(quotes) % 2)
            return []
        return self._looked_at(data, letters, quotes)

    def _are_well(self, letters: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64]) -> bool:
        """Whether they open and close cells in turn, two within a cell as if one closed it."""
        closing, opening = quotes[1 - self.open :: 2], quotes[int(self.open) :: 2]
        before = letters[opening - 1]
        if len(opening) and not opening[0]:
            before[0] = self._before[0]
        behind = letters[np.minimum(closing + 1, len(letters) - 1)]
        return bool(self._well[before].all() and self._well[behind].all())

    def _looked_at(
        self, data: bytes, letters: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64]
    ) -> list[tuple[int, int, bytes]]:
        """The same run by run, a run being those side by side."""
        firsts = np.flatnonzero(np.diff(quotes, prepend=-2) != 1)
        lengths = np.diff(firsts, append=len(quotes))
        starts, ends, odd = quotes[firsts], quotes[firsts] + lengths, lengths % 2 == 1
        before = letters[starts - 1]
        if not starts[0]:
            before[0] = self._before[0]
        behind = letters[np.minimum(ends, len(letters) - 1)]
        opens = self._bounds[before]
        closes = self._bounds[behind] | (ends == len(letters))
        blanks = np.zeros(len(starts), np.int64)
        for at in np.flatnonzero((before == _BLANK) & ~opens).tolist():
            blanks[at] = self._blanks(data, int(starts[at]))
        for at in np.flatnonzero((behind == _BLANK) & ~closes).tolist():
            closes[at] = self._blanks_behind.match(data, int(ends[at])) is not None
        opens |= blanks > 0
        # Behind an odd run that can't open a cell none is open. One that can opens one, or ends it.
        turns = np.cumsum(odd & opens) + self.open
        turns_before = np.concatenate([[int(self.open)], turns[:-1]])
        base = np.maximum.accumulate(np.where(odd & ~opens, turns, 0))
        base_before = np.concatenate([[0], base[:-1]])
        inside = (turns_before - base_before) % 2 == 1
        self.open = bool((turns[-1] - base[-1]) % 2)
        faults = np.where(inside, odd, ~odd & opens) & ~closes
        self.faults += int(faults.sum())
        edits = [(end, end, self._mark) for end in ends[faults].tolist()]
        removed = ~inside & (blanks > 0)
        for first, count in zip(starts[removed].tolist(), blanks[removed].tolist(), strict=True):
            edits += [(first - count, first, b"")]
        return sorted(edits)

    def _blanks(self, data: bytes, at: int) -> int:
        """How many blanks are between a cell's start and this place; 0 if there is more."""
        first = at
        while first and data[first - 1] == _BLANK:
            first -= 1
        before = data[first - 1] if first else self._before[0]
        return at - first if self._bounds[before] else 0


def are_backslashed(pieces: Iterable[bytes], delimiter: str) -> bool:
    """Whether a file's cells make sense only when a backslash stands before quotation marks."""
    doubled, backslashed = (Quotes(delimiter, backslash=each) for each in (False, True))
    for piece in pieces:
        doubled.follow(piece)
        backslashed.follow(piece)
    for each in (doubled, backslashed):
        each.follow(b"", final=True)
    # A cell that is never closed costs the whole file, a fault only its row.
    return (backslashed.open, backslashed.faults) < (doubled.open, doubled.faults)


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    pieces = []
    done = 0
    for start, end, text in edits:
        pieces += [data[done:start], text]
        done = end
    return b"".join([*pieces, data[done:]])
