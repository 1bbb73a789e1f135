"""Whether bytes are UTF-8, as Python's own decoder says, wherever the blocks end."""

import random
from pathlib import Path

import pytest

from sync.source import encoding

_GOOD = [text.encode() for text in ("a,b\r\n", "é", "ń", "€", "𝄞", "\U0010ffff", "\x00")]
# A character's start or end alone, one that is longer than it need be, half a pair, one too high.
_BAD = [
    b"\xc3",
    b"\x80",
    b"\xf0\x9f",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
def test_bytes_are_utf8_when_python_can_decode_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(encoding, "_BLOCK", block)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    file = tmp_path / "text.csv"
    answers = []
    for _ in range(300):
        pieces = chance.choice((_GOOD, _GOOD + _BAD))
        data = b"".join(chance.choices(pieces, k=chance.randrange(8)))
        file.write_bytes(data)
        assert encoding.is_utf8(file) == _decodes(data), data
        answers.append(_decodes(data))
    assert len(set(answers)) == 2


def _decodes(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
