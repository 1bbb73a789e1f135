"""What the service accepts in a contact: names, lengths, formats and counts.

Lengths and counts are those of the vendor's contract (JsonImportContact, ContactPostRequest,
ContactPutRequest); the date formats are in the text of POST /activities/contacts_json_import; the
range of an anniversary was documented for the second version of the API.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

CORE_LENGTHS = {"first_name": 50, "last_name": 50, "job_title": 50, "company_name": 50}
EMAIL_MAX = 80
PHONE_MAX = 25
STREET_MAX = 255
ADDRESS_PART_MAX = 50
FIELD_VALUE_MAX = 255
NOTE_MAX = 2000
PHONES_PER_CONTACT = 3
ADDRESSES_PER_CONTACT = 3
LISTS_PER_CONTACT = 50
TAGS_PER_CONTACT = 50
NOTES_PER_CONTACT = 150
OPT_OUT_REASON_MAX = 255

PHONE_KINDS = ("home", "work", "mobile", "other")
ADDRESS_KINDS = ("home", "work", "other")
ADDRESS_PARTS = {
    "street": STREET_MAX,
    "city": ADDRESS_PART_MAX,
    "state": ADDRESS_PART_MAX,
    "postal_code": ADDRESS_PART_MAX,
    "country": ADDRESS_PART_MAX,
}
SOURCES = ("Contact", "Account")
PERMISSIONS = (
    "explicit",
    "implicit",
    "not_set",
    "pending_confirmation",
    "temp_hold",
    "unsubscribed",
)
STATUSES = (
    "all",
    "active",
    "deleted",
    "not_set",
    "pending_confirmation",
    "temp_hold",
    "unsubscribed",
)
"""What GET /contacts can filter by; explicit and implicit are none of them."""
ENGAGEMENT_LEVELS = ("high", "medium", "low")
"""The contract names only `high`."""

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = re.compile(rf"{_LOCAL}@(?:{_LABEL}\.)+[A-Za-z]{{2,63}}", re.ASCII)
SMS_NUMBER = re.compile(r"\d{10}|\d{3}-\d{3}-\d{4}", re.ASCII)
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

_YEAR_FIRST = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_email(text: str) -> bool:
    """Whether the service would take this for an e-mail address."""
    return EMAIL.fullmatch(text) is not None and len(text.partition("@")[0]) <= 64


def is_uuid(text: object) -> bool:
    return isinstance(text, str) and UUID.fullmatch(text) is not None


def read_date(text: str) -> str | None:
    """A date in one of the accepted formats as YYYY-MM-DD; None if it is none."""
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = int(match[1]), int(match[3]), int(match[4])
    elif match := _YEAR_LAST.fullmatch(text):
        year, month, day = int(match[4]), int(match[1]), int(match[3])
    else:
        return None
    try:
        return datetime(year, month, day, tzinfo=UTC).date().isoformat()
    except ValueError:
        return None


def read_anniversary(text: str, this_year: int) -> str | None:
    """An anniversary as YYYY-MM-DD: after 1900, and at most ten years ahead."""
    found = read_date(text)
    if found is None or not 1900 <= int(found[:4]) <= this_year + 10:
        return None
    return found


def is_birthday(month: object, day: object) -> bool:
    """Whether month and day are integers that make a day of some year."""
    if not isinstance(month, int) or not isinstance(day, int):
        return False
    if isinstance(month, bool) or isinstance(day, bool):
        return False
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]
