"""How far an incremental read has come: the greatest value of a column, as text between runs."""

import datetime as dt
import json
from collections.abc import Iterable

_TIME = "time"
_AHEAD = dt.timedelta(days=1)  # time zones, and clocks that differ


class Newest:
    """The greatest value seen; values of another type than the first are passed over.

    So are times that lie more than a day ahead of `now`: one typing error of a year would else hide
    all changes until then.
    """

    def __init__(self, now: dt.datetime) -> None:
        self._value: object = None
        self._latest = (now + _AHEAD).replace(tzinfo=None)

    def add(self, values: Iterable[object]) -> None:
        """Look at some values; None and what can't be compared don't count."""
        for value in values:
            if value is None or isinstance(value, bool):
                continue
            if self._value is not None and not (
                isinstance(value, type(self._value)) and value > self._value  # type: ignore[operator]
            ):
                continue
            time = _as_time(value)
            if time is None or time <= self._latest:
                self._value = value

    def as_text(self) -> str | None:
        """The value with its type, to be kept; None when none was seen."""
        match self._value:
            case None:
                return None
            case dt.datetime():
                return json.dumps([_TIME, self._value.isoformat()])
            case dt.date():
                return json.dumps(["date", self._value.isoformat()])
            case int() | float() | str():
                return json.dumps([type(self._value).__name__, self._value])
            case other:
                return json.dumps(["str", str(other)])


def since_value(text: str | None, overlap: dt.timedelta) -> object:
    """The value from which on rows are read again: earlier by the overlap where it is a time.

    A text that holds an ISO time, as SQLite has them, keeps its form.
    """
    if text is None:
        return None
    kind, value = json.loads(text)
    match kind:
        case "time":
            return dt.datetime.fromisoformat(value) - overlap
        case "date":
            return dt.date.fromisoformat(value) - max(overlap, dt.timedelta(days=1))
        case "str":
            return _earlier(value, overlap)
        case _:
            return value


def _earlier(text: str, overlap: dt.timedelta) -> str:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    if len(text) == len("2026-01-01"):
        return (time - max(overlap, dt.timedelta(days=1))).date().isoformat()
    return (time - overlap).isoformat(sep=text[10])


def _as_time(value: object) -> dt.datetime | None:
    """A time without its zone; None for what is no time."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else None
