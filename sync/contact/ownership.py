"""Who owns a field once it is there: the source, or by configuration Constant Contact."""

from collections.abc import Iterable

import orjson

from sync.contact.merging import group_of


def owned_by_constant_contact(names: Iterable[str], owned: Iterable[str]) -> frozenset[str]:
    """Those of the fields that are sent with a new contact only, and then left alone.

    Args:
        names: Fields of the import.
        owned: What the configuration names. A part stands for what it is a part of: an address,
            a birthday, a number for text messages and its consent.
    """
    groups = {group_of(name) for name in owned}
    return frozenset(name for name in names if group_of(name) in groups)


def divided(body: str, owned: Iterable[str]) -> tuple[str, str | None]:
    """The body without the fields that Constant Contact owns, and the start of one with them."""
    fields: dict[str, object] = orjson.loads(body)
    left_alone = owned_by_constant_contact(fields, owned)
    if not left_alone:
        return body, None
    ours = {name: value for name, value in fields.items() if name not in left_alone}
    theirs = {name: value for name, value in fields.items() if name in left_alone}
    return orjson.dumps(ours).decode(), f"{orjson.dumps(theirs).decode()[:-1]},"
