"""Pages of small collections: a cursor that holds a place, and a link to the next page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from flask import request

from sync.sandbox.api.problems import invalid

T = TypeVar("T")


def restore_query() -> None:
    """Put the parameters that a cursor holds back into the request."""
    cursor = request.args.get("cursor")
    if cursor is None:
        return
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise invalid("cursor does not have a valid value") from None
    held = dict(parse_qsl(text))
    if not held.get("_place", "").isdecimal():
        raise invalid("cursor does not have a valid value")
    request.args = type(request.args)(held)


def page_of(items: Sequence[T], limit: int, path: str) -> tuple[Sequence[T], str | None]:
    """The asked-for page and the address of the next one. Call `restore_query` first."""
    place = int(request.args.get("_place", "0"))
    page = items[place : place + limit]
    if place + limit >= len(items):
        return page, None
    held = request.args.to_dict() | {"_place": str(place + limit)}
    cursor = base64.urlsafe_b64encode(urlencode(held).encode()).rstrip(b"=").decode()
    return page, f"{path}?cursor={cursor}"


def links(next_address: str | None, *, nested: bool = False) -> dict[str, Any]:
    """`_links`: empty on the last page. Tags' schema nests the next link once more."""
    if next_address is None:
        return {}
    link: dict[str, Any] = {"href": next_address}
    return {"next": {"next": link} if nested else link}
