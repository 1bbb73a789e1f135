"""Which encoding a text file has: by its mark, by being valid UTF-8, or by charset-normalizer."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import charset_normalizer

from sync.errors import SourceError
from sync.source.packed import open_bytes

_BLOCK = 1 << 20
_SAMPLE_BYTES = 1 << 16
_LONGEST_CHARACTER = 4
# What offices use; the order decides between encodings that read the sample alike.
_LATIN = ("cp1252", "cp1250")
_OTHERS = [
    "cp1251",
    "cp1253",
    "cp932",
    "gb18030",
    "euc_kr",
    "big5",
    "cp1255",
    "cp1256",
    "koi8_r",
    "mac_roman",
    "cp850",
    "cp437",
]
_RUNS = re.compile(rb"[\x80-\xff]+")
# A file with one broken byte among so many good UTF-8 characters is damaged UTF-8.
_DAMAGED = 10
# By chance two bytes of Latin text are a UTF-8 character far less often than once in so many.
_MIXED = 5
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_utf8(path: Path) -> bool:
    """Whether all of the file's bytes are UTF-8; raises SourceError when it can't be read."""
    rest = b""
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            block = rest + block
            end = _last_character(block)
            if not _valid(block[:end]):
                return False
            rest = block[end:]
    return _valid(rest)


def guess_encoding(path: Path) -> str:
    """The codec's name; `utf-8` for what is nearly that, whose fault the reader then names.

    Raises:
        SourceError: it can't be read, or no encoding fits.
    """
    with open_bytes(path) as file:
        evidence = _evidence(file)
    if not evidence.sample or evidence.good > _DAMAGED * evidence.bad:
        return "utf-8"
    if _looks_latin(evidence.sample) and evidence.good * _MIXED > evidence.bad:
        raise SourceError(
            f"{path} is UTF-8 in some rows and in another encoding in others, so that names would "
            "be spoilt: export it in one encoding, or name one in source.encoding."
        )
    return _guess(evidence.sample, path)


def encoding_by_mark(head: bytes) -> str | None:
    """What a byte order mark says; UTF-16 of mostly Latin text is also known without one."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 and not even:
        return "utf-16-le"
    if even > len(head) // 4 and not odd:
        return "utf-16-be"
    return None


def _last_character(block: bytes) -> int:
    """Where the last character of UTF-8 begins, of which the rest may follow (RFC 3629)."""
    for place in range(len(block) - 1, max(len(block) - _LONGEST_CHARACTER, 0) - 1, -1):
        if block[place] & 0b1100_0000 != 0b1000_0000:
            return place
    return len(block)


def _valid(text: bytes) -> bool:
    """Arrow tells it in a quarter of the time that Python's decoder takes."""
    # Loaded here: it takes a while, and a command that reads no file shall not wait for it.
    import pyarrow as pa

    try:
        pa.scalar(text, pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Lines that are not ASCII; how many characters in them are UTF-8, how many bytes are not."""

    sample: bytes
    good: int
    bad: int


def _evidence(file: BinaryIO) -> _Evidence:
    sample = bytearray()
    good = bad = 0
    line = b""
    for line in _lines(file):
        if line.isascii():
            continue
        text = line.decode("utf-8", "surrogateescape")
        escaped = sum("\udc80" <= letter <= "\udcff" for letter in text)
        good += sum(letter > "\x7f" for letter in text) - escaped
        if not escaped:
            continue
        bad += escaped
        sample += line[:1000] + b"\n"
        if len(sample) > _SAMPLE_BYTES:
            break
    # A file that only lacks the end of its last character was cut off.
    if len(sample) == len(line) + 1 and _cut_off(line):
        return _Evidence(b"", good, bad)
    return _Evidence(bytes(sample), good, bad)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    yield rest


def _cut_off(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.end == len(line) and error.reason == "unexpected end of data"
    return False


def _guess(sample: bytes, path: Path) -> str:
    if _looks_latin(sample):
        # Names and streets show which of the two gives letters.
        return max(_LATIN, key=lambda name: _letters(sample.decode(name, "replace")))
    found = charset_normalizer.from_bytes(sample, cp_isolation=_OTHERS, threshold=0.6)
    best = found.best()
    if best is None:
        raise SourceError(
            f"{path} is not UTF-8 text, and its encoding can't be found: name it in the "
            'configuration, such as source.encoding = "cp1252".'
        )
    alike = {best.encoding, *best.could_be_from_charset}
    return next((name for name in _OTHERS if name in alike), best.encoding)


def _looks_latin(sample: bytes) -> bool:
    """In the Latin script letters beyond ASCII stand alone or in pairs, most of them above 0xA0.

    charset-normalizer needs whole sentences to tell the Latin script from the others, and a list of
    contacts may have one ö in it. The other scripts have them in runs, the East Asian encodings
    many of them below 0xA0.
    """
    runs = _RUNS.findall(sample)
    length = sum(map(len, runs))
    low = sum(0x80 < byte < 0xA0 for run in runs for byte in run)  # 0x80 is the euro sign
    return length < 2.5 * len(runs) and low < 0.4 * length


def _letters(text: str) -> float:
    """Which share of the characters beyond ASCII are letters; most are, in names and streets."""
    beyond = [letter for letter in text if letter > "\x7f"]
    return sum(letter.isalpha() for letter in beyond) / max(1, len(beyond))
