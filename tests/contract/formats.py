"""The formats that the contract uses: uuid, date and date-time."""

from __future__ import annotations

import re
from datetime import date, datetime

from jsonschema import FormatChecker  # type: ignore[import-untyped]

FORMATS = FormatChecker(formats=())

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@FORMATS.checks("uuid")  # type: ignore[untyped-decorator]
def is_uuid(value: object) -> bool:
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
def is_date_time(value: object) -> bool:
    """ISO-8601 with a zone; a space in place of + is a query that was not encoded."""
    if not isinstance(value, str):
        return True
    return "T" in value and datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("date", raises=ValueError)  # type: ignore[untyped-decorator]
def is_date(value: object) -> bool:
    if isinstance(value, str):
        date.fromisoformat(value)
        return len(value) == 10
    return True
