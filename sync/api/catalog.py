"""The account's named things: its lists and custom fields, and the account itself."""

from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import BaseModel

from sync.api.session import ApiSession
from sync.errors import ContractBroken


class AccountSummary(BaseModel):
    """Whose account it is (the contract's `/account/summary`)."""

    encoded_account_id: str
    organization_name: str = ""


def account_summary(session: ApiSession) -> AccountSummary:
    """The authorized account; needs the scope account_read."""
    return AccountSummary.model_validate(session.get("/account/summary"))


def privileges(session: ApiSession) -> frozenset[str]:
    """The privileges of the user who authorized the application."""
    answer = session.get("/account/user/privileges")
    items = answer if isinstance(answer, list) else []
    return frozenset(str(item.get("privilege_name")) for item in items)


def lists(session: ApiSession) -> dict[str, str]:
    """The ids of the active lists by name."""
    items = _items(session, "/contact_lists", "lists", page=500)
    return {str(item["name"]): str(item["list_id"]) for item in items}


def create_list(session: ApiSession, name: str) -> str:
    """Make a list; returns its id."""
    answer = session.post("/contact_lists", orjson.dumps({"name": name}))
    return str(_member(answer, "list_id"))


def custom_fields(session: ApiSession) -> dict[str, str]:
    """The names of the custom fields by id; the import calls a field `cf:` and its name."""
    items = _items(session, "/contact_custom_fields", "custom_fields", page=100)
    return {str(item["custom_field_id"]): str(item["name"]) for item in items}


def create_custom_field(session: ApiSession, label: str) -> str:
    """Make a text field; returns the name that Constant Contact made of the label."""
    body = orjson.dumps({"label": label, "type": "string"})
    return str(_member(session.post("/contact_custom_fields", body), "name"))


def _items(session: ApiSession, path: str, key: str, *, page: int) -> Iterator[dict[str, Any]]:
    for answer in session.pages(path, {"limit": page}):
        yield from _member(answer, key) or []


def _member(answer: object, key: str) -> Any:
    if not isinstance(answer, dict) or key not in answer:
        raise ContractBroken(f"Constant Contact answered without {key}.")
    return answer[key]
