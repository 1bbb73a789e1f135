"""The account's named things: its lists, tags and custom fields, and the account itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from sync.api.session import ApiSession, Params
from sync.errors import ContractBroken


class AccountSummary(BaseModel):
    """Whose account it is (the contract's `/account/summary`)."""

    encoded_account_id: str
    organization_name: str = ""


def account_summary(session: ApiSession) -> AccountSummary:
    """The authorized account; needs the scope account_read."""
    try:
        return AccountSummary.model_validate(session.get("/account/summary"))
    except ValidationError:
        raise ContractBroken(
            "Constant Contact described the account without encoded_account_id."
        ) from None


def privileges(session: ApiSession) -> frozenset[str]:
    """The privileges of the user who authorized the application."""
    answer = session.get("/account/user/privileges")
    if not isinstance(answer, list):
        raise ContractBroken("Constant Contact answered without a list of privileges.")
    return frozenset(str(_member(item, "privilege_name")) for item in answer)


def lists(session: ApiSession) -> dict[str, str]:
    """The ids of the active lists by name."""
    # Whether deleted lists are among them by default is not stated, so both are made sure.
    items = _items(session, "/contact_lists", "lists", {"status": "active", "limit": 500})
    return {
        str(_member(item, "name")): str(_member(item, "list_id"))
        for item in items
        if not item.get("deleted_at")
    }


def create_list(session: ApiSession, name: str) -> str:
    """Make a list; returns its id."""
    answer = session.post("/contact_lists", orjson.dumps({"name": name}))
    return str(_member(answer, "list_id"))


def tags(session: ApiSession) -> dict[str, str]:
    """The ids of the tags by name."""
    items = _items(session, "/contact_tags", "tags", {"limit": 500})
    return {str(_member(item, "name")): str(_member(item, "tag_id")) for item in items}


def create_tag(session: ApiSession, name: str) -> str:
    """Make a tag; returns its id."""
    answer = session.post("/contact_tags", orjson.dumps({"name": name}))
    return str(_member(answer, "tag_id"))


@dataclass(frozen=True, slots=True)
class FieldDetails:
    """A custom field: its type, and its choices' labels if it has any."""

    type: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomFields:
    """The account's custom fields; the import calls a field `cf:` and its name.

    `labels` are those of all choices, deleted ones too, by the field's id and the choice's.
    """

    names_by_id: dict[str, str]
    by_name: dict[str, FieldDetails]
    labels: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class NewField:
    """A custom field to be made (the contract's CustomFieldRequest)."""

    label: str
    type: str
    metadata: Mapping[str, str | int | bool] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


def custom_fields(session: ApiSession) -> dict[str, str]:
    """The names of the custom fields by id."""
    return typed_custom_fields(session).names_by_id


def typed_custom_fields(session: ApiSession) -> CustomFields:
    """The custom fields with their types and choices."""
    items = list(_items(session, "/contact_custom_fields", "custom_fields", {"limit": 100}))
    names = [str(_member(item, "name")) for item in items]
    ids = [str(_member(item, "custom_field_id")) for item in items]
    details = [FieldDetails(str(item.get("type", "")), _choices(item)) for item in items]
    return CustomFields(
        dict(zip(ids, names, strict=True)),
        dict(zip(names, details, strict=True)),
        {field_id: _labels(item) for field_id, item in zip(ids, items, strict=True)},
    )


def create_custom_field(session: ApiSession, new: NewField) -> str:
    """Make a field; returns the name that Constant Contact made of the label."""
    body: dict[str, object] = {"label": new.label, "type": new.type}
    if new.metadata:
        body["metadata"] = dict(new.metadata)
    if new.choices:
        body["choices"] = [
            {"choice_label": choice, "display_order": place}
            for place, choice in enumerate(new.choices, 1)
        ]
    return str(_member(session.post("/contact_custom_fields", orjson.dumps(body)), "name"))


def _choices(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        str(choice.get("choice_label", ""))
        for choice in _choices_of(item)
        if not choice.get("deleted_at")
    )


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(choice.get("choice_id", "")): str(choice.get("choice_label", ""))
        for choice in _choices_of(item)
    }


def _choices_of(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    choices = item.get("choices")
    found = choices if isinstance(choices, list) else []
    return [choice for choice in found if isinstance(choice, dict)]


def _items(session: ApiSession, path: str, key: str, params: Params) -> Iterator[dict[str, Any]]:
    for answer in session.pages(path, params):
        items = _member(answer, key)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ContractBroken(f"Constant Contact answered {key} that are no list.")
        yield from items


def _member(answer: object, key: str) -> Any:
    if not isinstance(answer, dict) or key not in answer:
        raise ContractBroken(f"Constant Contact answered without {key}.")
    return answer[key]
