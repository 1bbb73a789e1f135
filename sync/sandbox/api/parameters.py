"""Reading query parameters and ids, with the refusals of the real service."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from flask import request

from sync.sandbox.api.problems import invalid, not_found
from sync.sandbox.audience.rules import is_uuid
from sync.sandbox.clock import from_iso


def limit(largest: int, default: int = 50) -> int:
    text = request.args.get("limit")
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        raise invalid("limit does not have a valid value")
    return int(text)


def one_of(name: str, allowed: Collection[str]) -> str | None:
    value = request.args.get(name)
    if value is not None and value not in allowed:
        raise invalid(f"{name} does not have a valid value")
    return value


def many_of(name: str, allowed: Collection[str]) -> tuple[str, ...]:
    """Values separated by commas."""
    text = request.args.get(name)
    if not text:
        return ()
    values = tuple(part.strip() for part in text.split(","))
    if any(value not in allowed for value in values):
        raise invalid(f"{name} does not have a valid value")
    return values


def flag(name: str) -> bool:
    return one_of(name, ("true", "false")) == "true"


def instant(name: str) -> int | None:
    """An ISO-8601 date or date-time, in milliseconds."""
    text = request.args.get(name)
    if text is None:
        return None
    try:
        return from_iso(text)
    except ValueError:
        raise invalid(f"{name} does not have a valid value") from None


def ids(name: str, most: int) -> tuple[str, ...] | None:
    text = request.args.get(name)
    if text is None:
        return None
    return check_ids(name, text.split(","), most)


def check_ids(name: str, values: object, most: int, *, least: int = 1) -> tuple[str, ...]:
    """A list of UUIDs, from a query or a body."""
    if not isinstance(values, Iterable) or isinstance(values, str | dict):
        raise invalid(f"{name} must be an array")
    found = [value.strip() if isinstance(value, str) else value for value in values]
    if not least <= len(found) <= most:
        raise invalid(f"{name} must have {least} to {most} values")
    if not all(is_uuid(value) for value in found):
        raise invalid(f"{name} has a value in an invalid format")
    return tuple(str(value).lower() for value in found)


def path_id(name: str, value: str, *, malformed: int = 400) -> str:
    """An id in the path. The guide's example of a malformed one is 400, not 404.

    `malformed` is 404 where the contract declares no 400.
    """
    if not is_uuid(value):
        if malformed == 404:
            raise not_found()
        raise invalid(f"{name} is in an invalid format.")
    return value.lower()
