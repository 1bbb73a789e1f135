"""A contact as Constant Contact keeps it, beside the form in which it was imported.

Sources: the V3 contract's `ContactResource` for what comes back, `JsonImportContact` for where the
import puts it: `phone` becomes the phone of kind other, the plain address the one of kind home, and
a second street line is appended to the first. How it is appended, and whether dates, numbers and
phones come back as they were written, is not stated: the comparison holds whichever way it is.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import orjson

from sync.contact.fields import (
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    CUSTOM_PREFIX,
    EMAIL,
    PHONES,
    SMS_CONSENT_DATE,
    SMS_NUMBER,
    canonical_position,
)

Value = str | int

_PLAIN = ("first_name", "last_name", "job_title", "company_name", "anniversary")
_PHONE_OF_KIND = {
    "other": "phone",
    "home": "home_phone",
    "work": "work_phone",
    "mobile": "mobile_phone",
}
_PREFIX_OF_KIND = {"home": "", "work": "work_", "other": "other_"}
_ADDRESS_PARTS = {
    "street": "street",
    "city": "city",
    "state": "state",
    "postal_code": "zip",
    "country": "country",
}

# The contract's date forms: month first with slashes or dashes, or year first.
_DATE = re.compile(
    r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})(?:T.*)?"
    r"|(?P<us_month>\d{1,2})[-/](?P<us_day>\d{1,2})[-/](?P<us_year>\d{4})"
)


def import_fields(
    resource: Mapping[str, object], custom_field_names: Mapping[str, str]
) -> dict[str, Value]:
    """The contact under the import's field names, in canonical order; empty values left out.

    Args:
        resource: A contact of GET /contacts, with all that `include` offers.
        custom_field_names: The custom fields' names by custom_field_id.
    """
    found: dict[str, Value] = {}
    for name, value in _fields(resource, custom_field_names):
        found.setdefault(name, value)
    return dict(sorted(found.items(), key=lambda item: canonical_position(item[0])))


def differences(
    body: str, resource: Mapping[str, object], custom_field_names: Mapping[str, str]
) -> tuple[str, ...]:
    """The names of the body's fields that have another value, or none, over there.

    Fields that the body doesn't have are not looked at: an import leaves them alone.
    """
    there: dict[str, list[Value]] = {}
    for name, value in _fields(resource, custom_field_names):
        there.setdefault(name, []).append(value)
    # Nothing says that a contact is always shown with its number, nor where the day of consent is.
    sms = {SMS_CONSENT_DATE} if SMS_NUMBER in there else {SMS_CONSENT_DATE, SMS_NUMBER}
    unreadable = sms.union(_choices(resource, custom_field_names))
    here: dict[str, Value] = orjson.loads(body)
    return tuple(
        name
        for name, value in here.items()
        if name not in unreadable
        and not any(
            _same(name, _wanted(name, value, here), found) for found in there.get(_place(name), ())
        )
    )


def _fields(
    resource: Mapping[str, object], custom_field_names: Mapping[str, str]
) -> Iterator[tuple[str, Value]]:
    address = _text(_mapping(resource.get("email_address")).get("address"))
    if address:
        yield EMAIL, address.lower()
    for name in _PLAIN:
        if text := _text(resource.get(name)):
            yield name, text
    for name in (BIRTHDAY_MONTH, BIRTHDAY_DAY):
        number = resource.get(name)
        if isinstance(number, int) and number:
            yield name, number
    for phone in _mappings(resource.get("phone_numbers")):
        field = _PHONE_OF_KIND.get(_text(phone.get("kind")), "phone")
        if text := _text(phone.get("phone_number")):
            yield field, text
    for place in _mappings(resource.get("street_addresses")):
        prefix = _PREFIX_OF_KIND.get(_text(place.get("kind")))
        for part, field in _ADDRESS_PARTS.items():
            text = _text(place.get(part))
            if prefix is not None and text:
                yield prefix + field, text
    if text := _text(_mapping(resource.get("sms_channel")).get("sms_address")):
        yield SMS_NUMBER, re.sub(r"\D", "", text)[-10:]
    for custom in _mappings(resource.get("custom_fields")):
        label = custom_field_names.get(_text(custom.get("custom_field_id")))
        if label and (text := _text(custom.get("value"))):
            yield CUSTOM_PREFIX + label, text


def _choices(
    resource: Mapping[str, object], custom_field_names: Mapping[str, str]
) -> Iterator[str]:
    """Custom fields that come back as ids of choices, which say nothing about the text sent."""
    for custom in _mappings(resource.get("custom_fields")):
        label = custom_field_names.get(_text(custom.get("custom_field_id")))
        if label and custom.get("choice_ids") and not _text(custom.get("value")):
            yield CUSTOM_PREFIX + label


def _place(name: str) -> str:
    """Under which of `_fields`'s names an imported field comes back."""
    if name == "other_phone":
        return "phone"
    if name.startswith("home_") and name not in PHONES:
        name = name.removeprefix("home_")
    return name.removesuffix("2") if _is_street(name) else name


def _wanted(name: str, value: Value, here: Mapping[str, Value]) -> Value:
    """What must stand there for this value: the two lines of a street are one."""
    if not _is_street(name):
        return value
    first = name.removesuffix("2")
    return f"{here.get(first, '')} {here.get(f'{first}2', '')}"


def _is_street(name: str) -> bool:
    return name.rpartition("_")[2] in {"street", "street2"} and not name.startswith(CUSTOM_PREFIX)


def _same(name: str, wanted: Value, found: Value) -> bool:
    if isinstance(wanted, int) or isinstance(found, int):
        return wanted == found
    if _plain(wanted) == _plain(found):
        return True
    if name == EMAIL:
        return _plain(wanted).casefold() == _plain(found).casefold()
    if name in PHONES:
        digits = re.sub(r"\D", "", wanted)
        return bool(digits) and digits == re.sub(r"\D", "", found)
    if _is_street(name):
        return _letters(wanted) == _letters(found)
    if name == "anniversary" or name.startswith(CUSTOM_PREFIX):
        date = _date(wanted)
        number = _number(wanted)
        return (date is not None and date == _date(found)) or (
            number is not None and number == _number(found)
        )
    return False


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _letters(text: str) -> str:
    """Without blanks and commas, of which nothing says how the street's lines are joined."""
    return re.sub(r"[\s,]+", "", _plain(text))


def _date(text: str) -> tuple[int, int, int] | None:
    match = _DATE.fullmatch(text.strip())
    if not match:
        return None
    year, month, day = (match[part] or match[f"us_{part}"] for part in ("year", "month", "day"))
    return int(year), int(month), int(day)


def _number(text: str) -> Decimal | None:
    """A number without leading zeros, with which a text such as 007 is no number."""
    if not re.fullmatch(r"-?(?:0|[1-9]\d{0,29})(?:\.\d{1,30})?", text, re.ASCII):
        return None
    return Decimal(text)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from (item for item in value if isinstance(item, Mapping))
