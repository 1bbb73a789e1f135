"""Reading the JSON bodies of POST and PUT /contacts and of the sign-up form."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.fields import CustomField, Fields
from sync.sandbox.audience.rules import (
    ADDRESS_KINDS,
    ADDRESS_PARTS,
    ADDRESSES_PER_CONTACT,
    CORE_LENGTHS,
    EMAIL_MAX,
    LISTS_PER_CONTACT,
    NOTE_MAX,
    NOTES_PER_CONTACT,
    OPT_OUT_REASON_MAX,
    PERMISSIONS,
    PHONE_KINDS,
    PHONE_MAX,
    PHONES_PER_CONTACT,
    TAGS_PER_CONTACT,
    is_birthday,
    is_email,
    read_anniversary,
)
from sync.sandbox.clock import iso
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings


class RefusedError(Exception):
    """The body is not valid; the message says why."""


@dataclass(slots=True)
class Edit:
    """What a body asks for. Core fields are all there, None for those that it omits."""

    email: str | None = None
    permission: str | None = None
    opt_out_reason: str | None = None
    sms: str | None = None
    sms_permission: str = "not_set"
    core: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    """fields, phones, addresses, notes: only those that the body includes."""
    lists: list[int] | None = None
    tags: list[int] | None = None


@dataclass(slots=True)
class BodyReader:
    """Reads bodies for one account."""

    database: Database
    account: int
    now: int
    settings: SandboxSettings

    def contact(self, body: dict[str, Any]) -> Edit:
        """The body of POST and PUT /contacts."""
        edit = Edit()
        if (email := body.get("email_address")) is not None:
            self._email(edit, email)
        if (sms := body.get("sms_channel")) is not None:
            self._sms(edit, sms)
        self._core(edit, body)
        if (phones := body.get("phone_numbers")) is not None:
            edit.parts["phones"] = _phones(phones)
        if (addresses := body.get("street_addresses")) is not None:
            edit.parts["addresses"] = _addresses(addresses)
        if (notes := body.get("notes")) is not None:
            edit.parts["notes"] = self._notes(notes)
        if (values := body.get("custom_fields")) is not None:
            edit.parts["fields"] = self._fields(values, self.settings.custom_fields_per_contact)
        if (lists := body.get("list_memberships")) is not None:
            edit.lists = self._lists(lists)
        if (tags := body.get("taggings")) is not None:
            edit.tags = self._tags(tags)
        return edit

    def sign_up(self, body: dict[str, Any]) -> Edit:
        """The body of POST /contacts/sign_up_form: flatter, and its address is a plain string."""
        edit = Edit()
        email = body.get("email_address")
        if email is not None:
            edit.email = _address(email, self.settings.sign_up_email_max)
        if (sms := body.get("sms_channel")) is not None:
            self._sign_up_sms(edit, sms)
        if edit.email is None and edit.sms is None:
            raise RefusedError("email_address or sms_channel is required")
        self._core(edit, body)
        edit.lists = self._lists(body.get("list_memberships"))
        if not edit.lists:
            raise RefusedError("list_memberships must have 1 to 50 values")
        if (number := body.get("phone_number")) is not None:
            edit.parts["phones"] = {"other": _text("phone_number", number, PHONE_MAX)}
        if (address := body.get("street_address")) is not None:
            edit.parts["addresses"] = _addresses([address])
        if (values := body.get("custom_fields")) is not None:
            edit.parts["fields"] = self._fields(values, self.settings.sign_up_fields_max)
        return edit

    def _email(self, edit: Edit, email: Any) -> None:
        if not isinstance(email, dict):
            raise RefusedError("email_address must be an object")
        edit.email = _address(email.get("address"), EMAIL_MAX)
        permission = email.get("permission_to_send")
        if permission is not None and permission not in PERMISSIONS:
            raise RefusedError("permission_to_send does not have a valid value")
        edit.permission = permission
        reason = email.get("opt_out_reason")
        edit.opt_out_reason = _text("opt_out_reason", reason, OPT_OUT_REASON_MAX)

    def _sms(self, edit: Edit, sms: Any) -> None:
        if not isinstance(sms, dict) or not isinstance(sms.get("full_sms_address"), str):
            raise RefusedError("sms_channel must have a full_sms_address")
        number = sms["full_sms_address"].removeprefix("+").removeprefix("1")
        self._consented(edit, number, sms.get("sms_channel_consents"))

    def _sign_up_sms(self, edit: Edit, sms: Any) -> None:
        needed = ("sms_address", "dial_code", "country_code", "sms_channel_consents")
        if not isinstance(sms, dict) or any(sms.get(name) is None for name in needed):
            raise RefusedError(f"sms_channel must have {', '.join(needed)}")
        self._consented(edit, str(sms["sms_address"]), sms["sms_channel_consents"])

    def _consented(self, edit: Edit, number: str, consents: Any) -> None:
        if not number.isdecimal() or len(number) != 10:
            raise RefusedError("the SMS number is not a US number")
        if not isinstance(consents, list) or not consents or not isinstance(consents[0], dict):
            raise RefusedError("sms_channel_consents must have a value")
        edit.sms = number
        edit.sms_permission = str(consents[0].get("sms_consent_permission", "not_set"))

    def _core(self, edit: Edit, body: dict[str, Any]) -> None:
        for name, longest in CORE_LENGTHS.items():
            edit.core[name] = _text(name, body.get(name), longest)
        month, day = body.get("birthday_month"), body.get("birthday_day")
        if (month is not None or day is not None) and not is_birthday(month, day):
            raise RefusedError("birthday_month and birthday_day are no valid birthday")
        edit.core["birthday_month"], edit.core["birthday_day"] = month, day
        anniversary = body.get("anniversary") or None
        if anniversary is not None:
            year = datetime.fromtimestamp(self.now / 1000, UTC).year
            found = read_anniversary(str(anniversary), year)
            if found is None:
                raise RefusedError("anniversary is not a valid date")
            anniversary = found
        edit.core["anniversary"] = anniversary

    def _notes(self, notes: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for note in _array("notes", notes, NOTES_PER_CONTACT):
            content = _text("content", note.get("content"), NOTE_MAX)
            if content:
                found.append(
                    {
                        "note_id": str(note.get("note_id") or uuid.uuid4()),
                        "created_at": str(note.get("created_at") or iso(self.now)),
                        "content": content,
                    }
                )
        return found

    def _fields(self, values: Any, most: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        fields = Fields(self.database)
        for item in _array("custom_fields", values, most):
            known = fields.get(self.account, str(item.get("custom_field_id", "")))
            if known is None:
                raise RefusedError(f"custom field {item.get('custom_field_id')} does not exist")
            stored = _field_value(known, item)
            if stored not in (None, "", []):
                found[str(known.seq)] = stored
        return found

    def _lists(self, ids: Any) -> list[int]:
        if not isinstance(ids, list) or len(ids) > LISTS_PER_CONTACT:
            raise RefusedError(f"list_memberships must have at most {LISTS_PER_CONTACT} values")
        known, unknown = Lists(self.database).numbers(self.account, map(str, ids))
        if unknown:
            raise RefusedError(f"list_memberships: list {unknown[0]} does not exist")
        return known

    def _tags(self, ids: Any) -> list[int]:
        if not isinstance(ids, list) or len(ids) > TAGS_PER_CONTACT:
            raise RefusedError(f"taggings must have at most {TAGS_PER_CONTACT} values")
        found = [Tags(self.database).get(self.account, str(tag_id)) for tag_id in ids]
        if None in found:
            raise RefusedError("taggings: a tag does not exist")
        return [tag.seq for tag in found if tag is not None]


def _field_value(known: CustomField, item: dict[str, Any]) -> Any:
    choices = item.get("choice_ids")
    if choices:
        chosen = known.choose_ids([str(choice) for choice in choices])
        if chosen is None:
            raise RefusedError(f"choice_ids of {known.name} are not valid")
        return chosen
    value = item.get("value")
    if value in (None, ""):
        return None
    stored = known.read(value, strict=True) if isinstance(value, str) else None
    if stored is None:
        raise RefusedError(f"value of custom field {known.name} is not valid")
    return stored


def _address(email: Any, longest: int) -> str:
    if not isinstance(email, str) or not is_email(email.strip()):
        raise RefusedError("email_address: the address is in an invalid format")
    if len(email.strip()) > longest:
        raise RefusedError(f"email_address must have at most {longest} characters")
    return email.strip()


def _text(name: str, value: Any, longest: int) -> str | None:
    """Text within its length; blank is nothing."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RefusedError(f"{name} must be text")
    if len(value) > longest:
        raise RefusedError(f"{name} must have at most {longest} characters")
    return value if value.strip() else None


def _array(name: str, value: Any, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RefusedError(f"{name} must be an array of objects")
    if len(value) > most:
        raise RefusedError(f"{name} must have at most {most} elements")
    return value


def _phones(phones: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for phone in _array("phone_numbers", phones, PHONES_PER_CONTACT):
        kind, number = phone.get("kind") or "other", phone.get("phone_number")
        if kind not in PHONE_KINDS or kind in found:
            raise RefusedError(f"kind must be one of {', '.join(PHONE_KINDS)}, each once")
        if text := _text("phone_number", number, PHONE_MAX):
            found[kind] = text
    return found


def _addresses(addresses: Any) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for address in _array("street_addresses", addresses, ADDRESSES_PER_CONTACT):
        kind = address.get("kind")
        if kind not in ADDRESS_KINDS or kind in found:
            raise RefusedError(f"kind must be one of {', '.join(ADDRESS_KINDS)}, each once")
        read = {name: _text(name, address.get(name), most) for name, most in ADDRESS_PARTS.items()}
        found[kind] = {name: text for name, text in read.items() if text is not None}
    return found
