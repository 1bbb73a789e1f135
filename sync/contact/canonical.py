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
from sync.contact.text import joined, wrapped
from sync.text_bytes import raw_bytes

FINGERPRINT_BYTES = 16
_AT_ONCE = 1_000
_EMPTY = blake2b(digest_size=FINGERPRINT_BYTES)

_NUMBERS = frozenset({BIRTHDAY_MONTH, BIRTHDAY_DAY})


def canonical_bodies(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Each row's JSON object; a null cell's key is left out.

    Args:
        columns: Arrow text columns of one length by the import's field names; birthday_month and
            birthday_day hold the digits of whole numbers.
    """
    names = sorted(columns, key=canonical_position)
    if not names or columns[names[0]].null_count:
        return wrapped(pc.fill_null(_inner(columns), ""), "{", "}")
    # The address is first and always there: to put the brace before it saves a copy of the bodies.
    first, *others = names
    members = [_members(first, columns[first], "{"), *(_members(n, columns[n]) for n in others)]
    return wrapped(joined(members, ","), "", "}")


def canonical_starts(columns: Mapping[str, pa.Array]) -> pa.Array:
    """The same, but for the end: what an object of more members goes on from; null if all are."""
    return wrapped(_inner(columns), "{", ",")


def fingerprints(bodies: pa.Array) -> pa.FixedSizeBinaryArray:
    """BLAKE2b-128 of each body's UTF-8 bytes."""
    encoded = pc.cast(bodies, pa.large_binary())
    digests = []
    for start in range(0, len(encoded), _AT_ONCE):  # since Python's objects are memory
        for body in encoded.slice(start, _AT_ONCE).to_pylist():
            # As `fingerprint` does it: to copy one takes half of what it takes to make one.
            digest = _EMPTY.copy()
            digest.update(body)
            digests.append(digest.digest())
    binary = pa.binary(FINGERPRINT_BYTES)
    return pa.FixedSizeBinaryArray.from_buffers(
        binary, len(bodies), [None, pa.py_buffer(b"".join(digests))]
    )


def fingerprint(body: bytes) -> bytes:
    """BLAKE2b-128 of one body."""
    return blake2b(body, digest_size=FINGERPRINT_BYTES).digest()


def _inner(columns: Mapping[str, pa.Array]) -> pa.Array:
    names = sorted(columns, key=canonical_position)
    return joined([_members(name, columns[name]) for name in names], ",")


def _members(name: str, column: pa.Array, before: str = "") -> pa.Array:
    """`"name":value` of each cell, null where the cell is."""
    quote = "" if name in _NUMBERS else '"'
    return wrapped(escaped(column), f"{before}{orjson.dumps(name).decode()}:{quote}", quote)


def escaped(column: pa.Array) -> pa.Array:
    """The cells as the inside of JSON strings (RFC 8259, section 7)."""
    data = raw_bytes(column)
    special = [ord("\\"), ord('"')]  # the backslash first, since the others bring more of them
    if len(data) and data.min() < 0x20:
        special += np.unique(data[data < 0x20]).tolist()
    for code in special:
        if (data == code).any():
            text = orjson.dumps(chr(code)).decode()[1:-1]
            column = pc.replace_substring(column, chr(code), text)
    return column
