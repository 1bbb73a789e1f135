"""Points in time as sources write them, in the one form in which they are sent."""

import datetime as dt
import re
from functools import lru_cache

import pyarrow as pa

from sync.contact.recipes import by_value

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].+)?", re.ASCII)
_TIMES = ("", "%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")


def as_moments(column: pa.Array, date_formats: tuple[str, ...]) -> pa.Array:
    """Each different cell once, as ISO 8601 to the second; null where it is no point in time.

    Which form Constant Contact wants is not stated; its own times are ISO 8601. A time with a zone
    is written in UTC, one without stays without, and a date alone is its midnight.

    Args:
        column: Tidy texts; null stays null.
        date_formats: strptime's codes; ISO 8601, which databases write, is understood besides.
    """
    formats = _with_times(date_formats)
    return by_value(column, lambda text: _moment(text, formats))


def _moment(text: str, formats: tuple[str, ...]) -> str | None:
    found = _iso(text) if _ISO.fullmatch(text) else None
    for form in formats if found is None else ():
        try:
            found = dt.datetime.strptime(text, form)  # noqa: DTZ007 (a zone may be missing)
        except ValueError:
            continue
        break
    if found is None:
        return None
    if found.tzinfo is None:
        return found.isoformat(timespec="seconds")
    try:
        in_utc = found.astimezone(dt.UTC)
    except OverflowError:  # on the first or the last day that there is
        return None
    return in_utc.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _iso(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _with_times(date_formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats that name a year, those without a time also with one behind."""
    whole = [form for form in date_formats if re.search("%[Yy]", form)]
    return tuple(
        f"{form} {time}".strip()
        for form in whole
        for time in (_TIMES if not re.search("%[HI]", form) else [""])
    )
