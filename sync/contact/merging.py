"""One contact of several rows of one address."""

import re
from collections.abc import Sequence

import orjson

from sync.contact.fields import (
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    MAX_PHONES,
    PHONES,
    SMS_CONSENT_DATE,
    SMS_NUMBER,
    canonical_position,
)

_ADDRESS_PART = re.compile(r"(home_|work_|other_|)(?:street2?|city|state|zip|country)")
_PAIRS = {
    BIRTHDAY_MONTH: "birthday",
    BIRTHDAY_DAY: "birthday",
    SMS_NUMBER: "sms",
    SMS_CONSENT_DATE: "sms",
}


def merged_body(bodies: Sequence[str]) -> str:
    """The canonical JSON of what all say: later rows go first, earlier ones fill what is missing.

    What belongs together stays together: an address, a birthday, a number for text messages and its
    consent come from one row whole. A contact holds three phones; the later rows' stay.
    """
    found: dict[str, str | int] = {}
    for body in reversed(bodies):
        contact: dict[str, str | int] = orjson.loads(body)
        taken = {group_of(name) for name in found}
        found |= {name: value for name, value in contact.items() if group_of(name) not in taken}
    phones = [name for name in found if name in PHONES]
    for surplus in phones[MAX_PHONES:]:
        del found[surplus]
    names = sorted(found, key=canonical_position)
    return orjson.dumps({name: found[name] for name in names}).decode()


def group_of(name: str) -> str:
    """The name of what a field is a part of."""
    if match := _ADDRESS_PART.fullmatch(name):
        return f"{match[1] or 'home_'}address"
    return _PAIRS.get(name, name)
