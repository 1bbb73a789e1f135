"""One contact of an import: what it would change, or why it is refused.

A refusal is correctable when the product's pages would let a person mend it: a malformed address,
birthday or anniversary, or neither name nor address (the contract's ActivityImport). Everything
else is an error. The service says nothing of how it treats a value of the wrong type or length;
here the contact is refused, as a client should never send one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sync.sandbox.audience.fields import CustomField
from sync.sandbox.audience.rules import (
    ADDRESS_PART_MAX,
    CORE_LENGTHS,
    FIELD_VALUE_MAX,
    PHONES_PER_CONTACT,
    SMS_NUMBER,
    STREET_MAX,
    is_birthday,
    is_email,
    read_anniversary,
    read_date,
)
from sync.sandbox.settings import SandboxSettings

PHONE_KEYS = {
    "phone": "other",
    "other_phone": "other",
    "home_phone": "home",
    "work_phone": "work",
    "mobile_phone": "mobile",
}
_PARTS = ("street", "street2", "city", "state", "zip", "country")
ADDRESS_KEYS: dict[str, tuple[str, str]] = {
    # The plain keys are of kind home. The contract spells one key with a space, `home country`;
    # the vendor's PHP client sends home_country. Which one is taken is a setting.
    **{part: ("home", part) for part in _PARTS},
    **{f"{kind}_{part}": (kind, part) for kind in ("home", "work", "other") for part in _PARTS},
    "home country": ("home", "country"),
}
HOME_COUNTRY = {"space": ("home_country",), "underscore": ("home country",), "both": ()}
"""The keys that each choice of the setting `home_country_key` does not know."""
KNOWN_KEYS = frozenset(
    {
        "email",
        "birthday_month",
        "birthday_day",
        "anniversary",
        "sms_number",
        "sms_consent_date",
        *CORE_LENGTHS,
        *PHONE_KEYS,
        *ADDRESS_KEYS,
    }
)


def known_keys(settings: SandboxSettings) -> frozenset[str]:
    """The properties that an import may have, apart from custom fields."""
    return KNOWN_KEYS.difference(HOME_COUNTRY[settings.home_country_key])


@dataclass(slots=True)
class RowError(Exception):
    """Why one contact is refused."""

    text: str
    correctable: bool = False


@dataclass(slots=True)
class Change:
    """What an import row asks for; a value of None clears."""

    email: str | None = None
    sms: str | None = None
    sms_consent_date: str | None = None
    core: dict[str, Any] = field(default_factory=dict)
    phones: dict[str, str | None] = field(default_factory=dict)
    addresses: dict[str, dict[str, str | None]] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowRules:
    """What the rows of one import are checked against."""

    settings: SandboxSettings
    fields: dict[str, CustomField]
    this_year: int
    sms_permission: str | None


def read_row(row: Any, rules: RowRules) -> Change:
    """Check one contact; raise RowError if it is refused."""
    if not isinstance(row, dict):
        raise RowError("Contact is not an object")
    change = Change()
    custom = 0
    for key, value in row.items():
        if key.startswith("cf:"):
            custom += 1
            _read_custom(change, key[3:], value, rules)
        elif key in ("birthday_month", "birthday_day"):
            continue
        elif (text := _text(key, value, rules.settings)) is not _KEEP:
            _read_known(change, key, text, rules)
    if custom > rules.settings.custom_fields_per_contact:
        raise RowError("Contact has too many custom fields")
    _read_birthday(change, row)
    _join_streets(change)
    _need_identity(change, rules)
    if len([number for number in change.phones.values() if number]) > PHONES_PER_CONTACT:
        raise RowError("Contact has more than 3 phone numbers")
    return change


class _Keep:
    """A blank value that leaves what is there."""


_KEEP = _Keep()


def _text(key: str, value: Any, settings: SandboxSettings) -> str | _Keep | None:
    if value is None:
        return None if settings.null_in_import == "clear" else _KEEP
    if not isinstance(value, str):
        raise RowError(f"{key} must be text")
    if value.strip() == "":
        return None if settings.empty_string_in_import == "clear" else _KEEP
    return value


def _read_known(change: Change, key: str, text: Any, rules: RowRules) -> None:
    if key in CORE_LENGTHS:
        change.core[key] = _within(key, text, CORE_LENGTHS[key])
    elif key == "email":
        change.email = None if text is None else _read_email(text, rules.settings)
    elif key in PHONE_KEYS:
        number = _within(key, text, rules.settings.import_phone_max)
        change.phones[PHONE_KEYS[key]] = number
    elif key in ADDRESS_KEYS and key not in HOME_COUNTRY[rules.settings.home_country_key]:
        kind, part = ADDRESS_KEYS[key]
        longest = STREET_MAX if part.startswith("street") else ADDRESS_PART_MAX
        part = "postal_code" if part == "zip" else part
        change.addresses.setdefault(kind, {})[part] = _within(key, text, longest)
    elif key == "anniversary":
        found = None if text is None else read_anniversary(text, rules.this_year)
        if text is not None and found is None:
            raise RowError("Invalid anniversary", correctable=True)
        change.core["anniversary"] = found
    elif key == "sms_number":
        if text is not None and not SMS_NUMBER.fullmatch(text):
            raise RowError("Invalid SMS number")
        change.sms = None if text is None else text.replace("-", "")
    elif key == "sms_consent_date":
        change.sms_consent_date = None if text is None else read_date(text)
        if text is not None and change.sms_consent_date is None:
            raise RowError("Invalid SMS consent date")
    # Anything else is a property that the contract does not know; whether that is refused was
    # decided when the request came in.


def _read_email(text: str, settings: SandboxSettings) -> str:
    email = text.strip()
    if not is_email(email):
        raise RowError("Invalid email address format", correctable=True)
    if len(email) > settings.import_email_max:
        raise RowError("Email address is too long")
    return email.lower() if settings.stored_email_case == "lower" else email


def _read_custom(change: Change, name: str, value: Any, rules: RowRules) -> None:
    known = rules.fields.get(name)
    if known is None:
        # Nobody documents what an unknown name does; one report tells of values silently dropped.
        if rules.settings.unknown_custom_field == "drop":
            return
        raise RowError(f"Unknown custom field {name}")
    text = _text(f"cf:{name}", value, rules.settings)
    if isinstance(text, _Keep):
        return
    if text is None:
        change.fields[str(known.seq)] = None
        return
    _within(f"cf:{name}", text, FIELD_VALUE_MAX)
    settings = rules.settings
    stored = known.read(
        text, strict=settings.typed_values != "lenient", choices=settings.select_in_import
    )
    if stored is not None:
        change.fields[str(known.seq)] = stored
    elif settings.typed_values != "drop":
        raise RowError(f"Invalid value for custom field {name}")


def _within(key: str, text: Any, longest: int) -> Any:
    if text is not None and len(text) > longest:
        raise RowError(f"{key} is longer than {longest} characters")
    return text


def _read_birthday(change: Change, row: dict[str, Any]) -> None:
    month, day = row.get("birthday_month"), row.get("birthday_day")
    if month is None and day is None:
        return
    if not is_birthday(month, day):
        raise RowError("Invalid birthday", correctable=True)
    change.core["birthday_month"], change.core["birthday_day"] = month, day


def _join_streets(change: Change) -> None:
    """The second line is appended to the street (the contract's text on street2)."""
    for address in change.addresses.values():
        second = address.pop("street2", None)
        if second:
            joined = " ".join(filter(None, (address.get("street"), second)))
            address["street"] = _within("street", joined, STREET_MAX)


def _need_identity(change: Change, rules: RowRules) -> None:
    if change.email is None and change.sms is None:
        named = any(change.core.get(name) for name in ("first_name", "last_name"))
        if named:
            raise RowError("Contact has no email address")
        raise RowError("Contact has no name and no email address", correctable=True)
    explicit = rules.sms_permission == "explicit"
    if change.sms and explicit and change.sms_consent_date is None:
        raise RowError("sms_consent_date is required for explicit SMS permission")
