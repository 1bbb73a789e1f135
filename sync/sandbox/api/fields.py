"""/contact_custom_fields: see, create, change and delete custom fields of nine types."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint

from sync.sandbox.api import parameters
from sync.sandbox.api.gate import Answer, Caller, api_blueprint, endpoint, read_object
from sync.sandbox.api.paging import links, page_of, restore_query
from sync.sandbox.api.problems import conflict, invalid, not_found
from sync.sandbox.audience.fields import (
    TYPES,
    CustomField,
    Fields,
    choice_id,
    choice_number,
    name_of,
)
from sync.sandbox.clock import iso
from sync.sandbox.world import World

LABEL_MAX = 50
CHOICE_LABEL_MAX = 255
CHOICES_MAX = 100
CHOICES_MAX_SHOWN_AT_ONCE = 20
"""The most choices of a field shown as radio buttons or checkboxes."""
READ, WRITE = "contacts:read", "contacts:write"
DISPLAY_TYPES = ("dropdown", "checkbox", "radio")


def fields_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("fields")
    fields = Fields(world.database)

    @endpoint(pages, world, "/contact_custom_fields", "GET", privilege=READ)
    def collection(caller: Caller) -> Answer:
        restore_query()
        limit = parameters.limit(100)
        page, next_page = page_of(
            fields.all(caller.account.number), limit, "/v3/contact_custom_fields"
        )
        shown = [_show(field, world.settings.choice_id_form) for field in page]
        return {"custom_fields": shown, "_links": links(next_page)}, 200

    @endpoint(pages, world, "/contact_custom_fields/<field_id>", "GET", privilege=READ)
    def single(caller: Caller, field_id: str) -> Answer:
        return _show(_find(fields, caller, field_id), world.settings.choice_id_form), 200

    @endpoint(pages, world, "/contact_custom_fields", "POST", privilege=WRITE)
    def create(caller: Caller) -> Answer:
        account, body, now = caller.account.number, read_object(), world.clock.now_ms()
        label = _label(body.get("label"))
        type_ = body.get("type")
        if type_ not in TYPES:
            raise invalid(f"type must be one of {', '.join(TYPES)}")
        known = fields.all(account)
        if any(f.label == label or f.name == name_of(label) for f in known):
            raise conflict(f"A custom field labelled {label} already exists.")
        if len(known) >= world.settings.fields_per_account:
            raise invalid(f"The account has {len(known)} custom fields already.")
        metadata = _metadata(type_, body.get("metadata") or {})
        choices = _choices(type_, metadata, body.get("choices"), [], iso(now))
        version = body.get("version")
        if type_ == "date":
            version = 1 if version is None else version
        if version not in (None, 1, 2):
            raise invalid("version must be 1 or 2")
        made = fields.add(
            account, label, type_, now, metadata=metadata, choices=choices, version=version
        )
        return _show(made, world.settings.choice_id_form), 201

    @endpoint(pages, world, "/contact_custom_fields/<field_id>", "PUT", privilege=WRITE)
    def change(caller: Caller, field_id: str) -> Answer:
        found, body, now = _find(fields, caller, field_id), read_object(), world.clock.now_ms()
        label = _label(body.get("label"))
        if any(f.label == label and f.seq != found.seq for f in fields.all(found.account)):
            raise invalid(f"A custom field labelled {label} already exists.")
        # "Any properties omitted in the PUT request are overwritten with a null value."
        choices = _choices(found.type, found.metadata, body.get("choices"), found.choices, iso(now))
        fields.change(found, label, choices, now)
        return _show(_find(fields, caller, field_id), world.settings.choice_id_form), 200

    @endpoint(
        pages, world, "/contact_custom_fields/<field_id>", "DELETE", privilege=WRITE, looks=True
    )
    def delete(caller: Caller, field_id: str) -> Answer:
        fields.delete(_find(fields, caller, field_id, malformed=404))
        return None, 204

    return pages


def _find(fields: Fields, caller: Caller, field_id: str, *, malformed: int = 400) -> CustomField:
    known = parameters.path_id("custom_field_id", field_id, malformed=malformed)
    found = fields.get(caller.account.number, known)
    if found is None:
        raise not_found()
    return found


def _label(label: Any) -> str:
    if not isinstance(label, str) or not label.strip() or len(label) > LABEL_MAX:
        raise invalid(f"label must have 1 to {LABEL_MAX} characters")
    return label


def _metadata(type_: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise invalid("metadata must be an object")
    metadata = {key: value for key, value in given.items() if value is not None}
    display = metadata.get("display_type")
    if type_ in ("single_select", "multi_select") and display not in (None, *DISPLAY_TYPES):
        raise invalid(f"display_type must be one of {', '.join(DISPLAY_TYPES)}")
    places = metadata.get("decimal_places")
    if places is not None and not metadata.get("integer") and places not in (1, 2, 3, 4):
        raise invalid("decimal_places must be 1 to 4")
    currency = metadata.get("currency_code")
    if type_ == "currency" and not re.fullmatch("[A-Z]{3}", str(currency or "")):
        raise invalid("currency_code must have three letters")
    for name in ("allow_negative", "integer"):
        if not isinstance(metadata.get(name, False), bool):
            raise invalid(f"{name} must be true or false")
    return metadata


def _choices(
    type_: str, metadata: dict[str, Any], given: Any, before: list[dict[str, Any]], now: str
) -> list[dict[str, Any]]:
    """The choices of a select; those that a change leaves out are kept as deleted."""
    if type_ not in ("single_select", "multi_select"):
        if given:
            raise invalid("choices are for single_select and multi_select only")
        return []
    few = metadata.get("display_type") in ("radio", "checkbox")
    most = CHOICES_MAX_SHOWN_AT_ONCE if few else CHOICES_MAX
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise invalid(f"choices must have 1 to {most} elements")
    known = {choice["choice_id"]: choice for choice in before}
    following = max(known, default=0) + 1
    kept: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(given):
        label = choice.get("choice_label") if isinstance(choice, dict) else None
        if not isinstance(label, str) or not 1 <= len(label) <= CHOICE_LABEL_MAX:
            raise invalid(f"choice_label must have 1 to {CHOICE_LABEL_MAX} characters")
        number = choice_number(choice.get("choice_id"))
        if number is None or number not in known:
            number, following = following, following + 1
        created = known.get(number, {}).get("created_at", now)
        kept[number] = {
            "choice_id": number,
            "choice_label": label,
            "display_order": choice.get("display_order", place + 1),
            "created_at": created,
            "updated_at": now,
        }
    gone = [c | {"deleted_at": now[:10]} for n, c in known.items() if n not in kept]
    return [*kept.values(), *gone]


def _show(field: CustomField, choice_id_form: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "custom_field_id": field.custom_field_id,
        "label": field.label,
        "name": field.name,
        "type": field.type,
        "created_at": iso(field.created_at),
        "updated_at": iso(field.updated_at),
    }
    if field.metadata:
        shown["metadata"] = field.metadata
    if field.version is not None:
        shown["version"] = field.version
    if field.choices:
        shown["choices"] = [
            {
                "custom_field_id": field.custom_field_id,
                **choice,
                "choice_id": choice["choice_id"]
                if choice_id_form == "integer"
                else choice_id(choice["choice_id"], choice_id_form),
            }
            for choice in field.choices
        ]
    return shown
