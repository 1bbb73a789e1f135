"""A contact as the API shows it (the contract's ContactResource)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sync.sandbox.audience.fields import CustomField, choice_id
from sync.sandbox.audience.list_sets import ListSets
from sync.sandbox.audience.person import Person
from sync.sandbox.clock import iso

SUB_RESOURCES = (
    "custom_fields",
    "list_memberships",
    "phone_numbers",
    "street_addresses",
    "taggings",
    "notes",
)
_CORE = (
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday_month",
    "birthday_day",
    "anniversary",
)
_NAMESPACE = uuid.UUID("7b1d0f5e-52a6-4e0c-9d86-51b3c0a5d1f0")


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders contacts of one account with the sub-resources that were asked for."""

    fields: dict[int, CustomField]
    list_ids: dict[int, str]
    sets: ListSets
    include: frozenset[str]
    choice_id_form: str

    def show(self, person: Person, tags: list[str]) -> dict[str, Any]:
        doc = person.doc
        shown: dict[str, Any] = {"contact_id": person.contact_id}
        if person.email is not None:
            shown["email_address"] = _email(person)
        for name in _CORE:
            if (value := doc.get(name)) is not None:
                shown[name] = value
        shown["create_source"] = person.create_source
        shown["update_source"] = person.update_source
        shown["created_at"] = iso(person.created_at)
        shown["updated_at"] = iso(person.updated_at)
        if person.deleted_at is not None:
            shown["deleted_at"] = iso(person.deleted_at)[:10]
        if self.include:
            self._add_sub_resources(shown, person, tags)
        if person.sms is not None:
            shown["sms_channel"] = _sms(person)
        return shown

    def _add_sub_resources(self, shown: dict[str, Any], person: Person, tags: list[str]) -> None:
        doc, include = person.doc, self.include
        if "custom_fields" in include:
            shown["custom_fields"] = self._custom_fields(doc.get("fields", {}))
        if "phone_numbers" in include:
            shown["phone_numbers"] = [
                {
                    "phone_number_id": _part_id(person, "phone", kind),
                    "phone_number": number,
                    "kind": kind,
                    "created_at": iso(person.created_at),
                    "updated_at": iso(person.updated_at),
                    "create_source": person.create_source,
                    "update_source": person.update_source,
                }
                for kind, number in doc.get("phones", {}).items()
            ]
        if "street_addresses" in include:
            shown["street_addresses"] = [
                {
                    "street_address_id": _part_id(person, "address", kind),
                    "kind": kind,
                    **parts,
                    "created_at": iso(person.created_at),
                    "updated_at": iso(person.updated_at),
                }
                for kind, parts in doc.get("addresses", {}).items()
            ]
        if "list_memberships" in include:
            members = self.sets.members(person.list_set)
            shown["list_memberships"] = [self.list_ids[seq] for seq in members]
        if "taggings" in include:
            shown["taggings"] = tags
        if "notes" in include:
            shown["notes"] = doc.get("notes", [])

    def _custom_fields(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        shown: list[dict[str, Any]] = []
        for seq, value in values.items():
            field = self.fields.get(int(seq))
            if field is None:
                continue
            item: dict[str, Any] = {"custom_field_id": field.custom_field_id}
            if isinstance(value, list):
                # A select shows its choices by id; `value` is optional (the vendor's PHP client).
                item["choice_ids"] = [choice_id(choice, self.choice_id_form) for choice in value]
            else:
                item["value"] = value
            shown.append(item)
        return shown


def _email(person: Person) -> dict[str, Any]:
    email: dict[str, Any] = {
        "address": person.email,
        "permission_to_send": person.permission,
        "created_at": iso(person.created_at),
        "updated_at": iso(person.updated_at),
    }
    if person.opt_in_source is not None:
        email["opt_in_source"] = person.opt_in_source
    if person.opt_in_at is not None:
        email["opt_in_date"] = iso(person.opt_in_at)
    if person.opt_out_at is not None:
        email["opt_out_source"] = person.opt_out_source
        email["opt_out_date"] = iso(person.opt_out_at)
        if person.opt_out_reason:
            email["opt_out_reason"] = person.opt_out_reason
    email["confirm_status"] = person.confirm_status
    return email


def _sms(person: Person) -> dict[str, Any]:
    details = person.doc.get("sms", {})
    consent: dict[str, Any] = {
        "sms_consent_permission": details.get("permission", "not_set"),
        "consent_type": "promotional_sms",
        "created_at": iso(person.created_at),
        "updated_at": iso(person.updated_at),
    }
    if details.get("permission") == "explicit":
        consent["opt_in_date"] = iso(details.get("at", person.created_at))
    return {
        "sms_channel_id": _part_id(person, "sms", ""),
        "sms_address": person.sms,
        "dial_code": "1",
        "country_code": "US",
        "create_source": person.create_source,
        "update_source": person.update_source,
        "sms_channel_consents": [consent],
    }


def _part_id(person: Person, what: str, kind: str) -> str:
    """The lasting id of a phone number or an address, computed from whose it is."""
    return str(uuid.uuid5(_NAMESPACE, f"{person.seq} {what} {kind}"))
