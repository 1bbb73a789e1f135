"""What a CSV file is, found in its first bytes: encoding, delimiter, header."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sync.errors import ConfigurationError, SourceEmpty, SourceError
from sync.settings.options import Source
from sync.source.encoding import encoding_by_mark, guess_encoding, is_utf8
from sync.source.packed import open_bytes, searchable
from sync.source.quoting import BACKSLASHED, Quotes, are_backslashed
from sync.source.text_stream import TextStream, text_encoding, unreadable
from sync.source.utf8_stream import Utf8Stream

DELIMITERS = (",", ";", "\t", "|")

# A text as a formula, with which exports keep spreadsheets from taking it for a number.
LITERAL = r'^="([^"]*)"$'
_LITERAL_START = '="'

_HEAD = 1 << 18
_MARKED = 1 << 12  # so many bytes tell UTF-16 without a mark
_TAR_AT = 257  # where the POSIX ustar header says what it is
_ROWS_LOOKED_AT = 200

# Byte order marks and zero-width spaces that editors leave in headers.
_CLUTTER = re.compile("[\ufeff\u200b]")
_BREAKS = re.compile("\\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\\s*")

# What Excel writes and reads before the header: "sep=;".
_HINT = re.compile('^"?sep=([\t !#-~])"?[\r\n]', re.IGNORECASE)

# The first bytes of files that people take for CSV.
_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or one with a password",
    b"%PDF": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ\0": "packed with xz",
    b"7z\xbc\xaf\x27\x1c": "packed with 7-Zip",
    b"<!": "a document in HTML or XML",
    b"<?": "a document in HTML or XML",
    b"<html": "a document in HTML",
    b"<HTML": "a document in HTML",
    b"<table": "a document in HTML",
    b'{"': "a JSON document",
    b"[{": "a JSON document",
}


@dataclass(frozen=True, slots=True)
class Opening:
    """How the file must be read.

    Attributes:
        encoding: The codec's name.
        checked: Whether all bytes of the file have been found to be UTF-8.
        backslash: Whether a backslash stands before quotation marks within a cell.
        literals: Whether cells may be texts as formulas, `="02451"`.
        header_row: Its number, counting blank lines before it.
        trailing: Whether all rows, as far as was looked, end with a delimiter that the header
            doesn't have; the header has an unnamed column for it then.
    """

    encoding: str
    checked: bool
    delimiter: str
    backslash: bool
    literals: bool
    header: tuple[str, ...]
    header_row: int
    trailing: bool


def look_at(path: Path, options: Source) -> Opening:
    """Find out how the file must be read.

    Raises:
        SourceError: it is no CSV file with a header.
        SourceEmpty: there is no row under the header.
        ConfigurationError: the configured encoding or delimiter can't be one.
    """
    configured = text_encoding(options.encoding) if options.encoding else None
    delimiter = _configured_delimiter(options.delimiter)
    head = _first_bytes(path)
    known = configured or encoding_by_mark(head[:_MARKED])
    _refuse_binary(path, head, known or "")
    checked = known in (None, "utf-8-sig") and is_utf8(path)
    encoding = known or ("utf-8-sig" if checked else text_encoding(guess_encoding(path)))
    has_mark = encoding == "utf-8-sig" and head.startswith(codecs.BOM_UTF8)
    text, complete = _first_text(path, head, encoding)
    delimiter = delimiter or _sniff(text)
    held = _held(path, (BACKSLASHED, _LITERAL_START), encoding)
    backslash = options.quotes == "backslash" or (
        options.quotes is None
        and BACKSLASHED in held
        and are_backslashed(_pieces(path, encoding, checked=checked), delimiter)
    )
    found = _first_records(text, delimiter, backslash=backslash)
    if found.header is None or not (complete or found.whole):
        raise SourceError(f"{path} has no header line in its first {_HEAD:,} bytes.")
    if complete and not found.followed:
        raise no_rows(path)
    trailing = found.trailing and found.header[-1].strip() != ""
    return Opening(
        encoding=encoding if has_mark or encoding != "utf-8-sig" else "utf-8",
        checked=checked,
        delimiter=delimiter,
        backslash=backslash,
        literals=_LITERAL_START in held,
        header=clean_header(
            re.sub(LITERAL, r"\1", cell) for cell in [*found.header, *[""] * trailing]
        ),
        header_row=found.header_row,
        trailing=trailing,
    )


def clean_header(cells: Iterable[str]) -> tuple[str, ...]:
    """Column names without blanks around them, on one line, and without invisible clutter."""
    return tuple(_BREAKS.sub(" ", _CLUTTER.sub("", cell).strip()) for cell in cells)


def no_rows(path: Path) -> SourceEmpty:
    """The sentence for a header with nothing under it."""
    return SourceEmpty(
        f"The guard stopped the run before anything was sent: {path} has a header but no rows "
        "under it. See to what writes it."
    )


def _configured_delimiter(delimiter: str | None) -> str | None:
    if delimiter is not None and (not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise ConfigurationError(f"source.delimiter: {delimiter!r} can't separate cells.")
    return delimiter


def _first_bytes(path: Path) -> bytes:
    try:
        with open_bytes(path) as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head.strip(b" \t\r\n\0" + codecs.BOM_UTF8):
        raise SourceError(f"{path} is empty.")
    return head


def _refuse_binary(path: Path, head: bytes, encoding: str) -> None:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            raise SourceError(f"{path} is {kind}, not a CSV file; export the contacts as CSV.")
    if head[_TAR_AT:].startswith(b"ustar"):
        raise SourceError(f"{path} is a tar archive; pack the contacts' CSV alone, or not at all.")
    if encoding.startswith(("utf-16", "utf-32")):
        return
    # A stray control character happens in exports and is cleaned away; many are no text.
    controls = len(head) - len(head.translate(None, bytes([*range(9), *range(14, 32)])))
    if controls > max(2, len(head) // 100):
        raise SourceError(f"{path} is a binary file, not a CSV file.")


def _first_text(path: Path, head: bytes, encoding: str) -> tuple[str, bool]:
    """The text of the first bytes, and whether it is the whole file."""
    complete = len(head) < _HEAD
    stream = TextStream(io.BytesIO(head), encoding, path)
    text = stream.read(len(head))
    if complete:
        stream.read()
    return text, complete


def _held(path: Path, texts: Iterable[str], encoding: str) -> set[str]:
    """Which of these texts' bytes are in the file; a wrong byte is left to the reading."""
    wide = encoding.removesuffix("-le").removesuffix("-be")
    orders = [f"{wide}-le", f"{wide}-be"] if wide in ("utf-16", "utf-32") else ["ascii"]
    wanted = {text.encode(order): text for text in texts for order in orders}
    longest = max(map(len, wanted))
    found: set[str] = set()
    with open_bytes(path) as file:
        for looked in searchable(file, longest):
            # A single byte is searched for ten times as fast, and mostly not there.
            found |= {
                text for code, text in wanted.items() if code[:1] in looked and code in looked
            }
    return found


def _pieces(path: Path, encoding: str, *, checked: bool) -> Iterator[bytes]:
    with closing(Utf8Stream(path, encoding, checked=checked, end="")) as stream:
        while piece := stream.read():
            yield piece


@dataclass(frozen=True, slots=True)
class _FirstRecords:
    """The header; whether it was read to its end, and whether there is any content after it.

    `trailing` says that each row has one cell more than the header, and an empty one.
    """

    header: list[str] | None = None
    header_row: int = 0
    whole: bool = False
    followed: bool = False
    trailing: bool = False


def _sniff(text: str) -> str:
    """What the file says; else what cuts the header into most cells, the earlier of equals."""
    if hint := _HINT.match(text):
        return hint[1]
    return max(DELIMITERS, key=lambda delimiter: len(_first_records(text, delimiter).header or ()))


def _is_hint(cells: list[str]) -> bool:
    """Whether this is the line that says what separates the cells, cut by it or not."""
    first, *others = cells
    return re.fullmatch("sep=.?", first, re.IGNORECASE) is not None and not any(others)


def _first_records(text: str, delimiter: str, *, backslash: bool = False) -> _FirstRecords:
    """The first record with any content is the header."""
    quotes = Quotes(delimiter, backslash=backslash)
    text = quotes.follow(text.encode(), final=True).decode()
    escape = "\\" if backslash else None
    header: list[str] | None = None
    header_row = 0
    whole = False
    trailing: list[bool] = []
    try:
        for cells in csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, escapechar=escape
        ):
            written = any(cell.strip() for cell in cells)
            if header is None:
                header_row += 1
                header = cells if written and not (header_row == 1 and _is_hint(cells)) else None
                continue
            whole = True
            if written:
                trailing.append(len(cells) == len(header) + 1 and not cells[-1].strip())
                if not trailing[-1] or len(trailing) == _ROWS_LOOKED_AT:
                    break
    except csv.Error:  # a cell of more than 131,072 characters
        return _FirstRecords()
    return _FirstRecords(
        header,
        header_row,
        whole,
        followed=bool(trailing),
        trailing=bool(trailing) and all(trailing),
    )
