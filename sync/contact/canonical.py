"""The one JSON form of a contact, written column by column, and its fingerprint.

The form is canonical: the same values give the same bytes, whichever source and column order they
come from. Keys stand in one fixed order, empty values are left out (an import can't be relied on
to clear a field by an empty string), nothing is escaped that need not be, and there is no blank.
"""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.fields import BIRTHDAY_DAY, BIRTHDAY_MONTH, canonical_position
from sync.contact.text import joined, literal, raw_bytes

FINGERPRINT_BYTES = 16

_NUMBERS = frozenset({BIRTHDAY_MONTH, BIRTHDAY_DAY})


def canonical_bodies(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Each row's JSON object; a null cell's key is left out.

    Args:
        columns: Arrow text columns of one length by the import's field names; birthday_month and
            birthday_day hold the digits of whole numbers.
    """
    names = sorted(columns, key=canonical_position)
    inner = pc.fill_null(joined([_members(name, columns[name]) for name in names], ","), "")
    return pc.binary_join_element_wise(literal("{"), inner, literal("}"), literal(""))


def fingerprints(bodies: pa.Array) -> list[bytes]:
    """BLAKE2b-128 of each body's UTF-8 bytes."""
    return [fingerprint(body) for body in pc.cast(bodies, pa.large_binary()).to_pylist()]


def fingerprint(body: bytes) -> bytes:
    """BLAKE2b-128 of one body."""
    return blake2b(body, digest_size=FINGERPRINT_BYTES).digest()


def _members(name: str, column: pa.Array) -> pa.Array:
    """`"name":value` of each cell, null where the cell is."""
    quote = "" if name in _NUMBERS else '"'
    start = literal(f"{orjson.dumps(name).decode()}:{quote}")
    return pc.binary_join_element_wise(start, escaped(column), literal(quote), literal(""))


def escaped(column: pa.Array) -> pa.Array:
    """The cells as the inside of JSON strings (RFC 8259, section 7)."""
    present = np.flatnonzero(np.bincount(raw_bytes(column), minlength=256)[:93])
    for code in sorted((int(code) for code in present), key=lambda code: code != ord("\\")):
        if code < 0x20 or chr(code) in '"\\':
            text = orjson.dumps(chr(code)).decode()[1:-1]
            column = pc.replace_substring(column, chr(code), text)
    return column
