"""A contact as Constant Contact keeps it, beside the form in which it was imported.

Sources: the V3 contract's `ContactResource` for what comes back, `JsonImportContact` for where the
import puts it: `phone` becomes the phone of kind other, the plain address the one of kind home, and
a second street line is appended to the first. How it is appended, and whether dates, numbers and
phones come back as they were written, is not stated: the comparison holds whichever way it is.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
)

Value = str | int
# The labels of choices by the custom field's id and the choice's.
Labels = Mapping[str, Mapping[str, str]]
_NO_LABELS: Labels = {}

PLAIN = ("first_name", "last_name", "job_title", "company_name", "anniversary")
PHONE_OF_KIND = {
    "other": "phone",
    "home": "home_phone",
    "work": "work_phone",
    "mobile": "mobile_phone",
}
PREFIX_OF_KIND = {"home": "", "work": "work_", "other": "other_"}
ADDRESS_PARTS = {
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


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that has another value over there than it was sent with, or none (None)."""

    field: str
    ours: Value
    theirs: Value | None


def differences(
    body: str,
    resource: Mapping[str, object],
    custom_field_names: Mapping[str, str],
    labels: Labels = _NO_LABELS,
) -> tuple[Difference, ...]:
    """The body's fields that have another value, or none, over there.

    Fields that the body doesn't have are not looked at: an import leaves them alone. Choices whose
    labels are not given aren't either.
    """
    there: dict[str, list[Value]] = {}
    for name, value in fields_of(resource, custom_field_names):
        there.setdefault(name, []).append(value)
    # Nothing says that a contact is always shown with its number, nor where the day of consent is.
    sms = {SMS_CONSENT_DATE} if SMS_NUMBER in there else {SMS_CONSENT_DATE, SMS_NUMBER}
    chosen = dict(_chosen(resource, custom_field_names, labels))
    unreadable = sms | {name for name, some in chosen.items() if not all(some.values())}
    there |= {name: [", ".join(some.values())] for name, some in chosen.items()}
    here: dict[str, Value] = orjson.loads(body)
    different = []
    for name, value in here.items():
        found = there.get(place_of(name), [])
        wanted = _wanted(name, value, here)
        if name in unreadable or (name in chosen and _same_choice(value, chosen[name])):
            continue
        if not any(same(name, wanted, each) for each in found):
            different.append(Difference(name, value, found[0] if found else None))
    return tuple(different)


def body_as_seen(body: str, seen: Sequence[Difference]) -> str:
    """The body with the values that stand there instead."""
    here: dict[str, Value] = orjson.loads(body)
    for each in seen:
        first_line = each.field.removesuffix("2") if is_street(each.field) else each.field
        # Over there the first line holds both.
        if each.theirs is None or (first_line != each.field and first_line in here):
            del here[each.field]
        else:
            here[each.field] = each.theirs
    return orjson.dumps(here).decode()


def fields_of(
    resource: Mapping[str, object], custom_field_names: Mapping[str, str]
) -> Iterator[tuple[str, Value]]:
    """The contact's values under the import's field names; a name may come more than once.

    Args:
        resource: A contact of GET /contacts, with all that `include` offers.
        custom_field_names: The custom fields' names by custom_field_id.
    """
    address = text_of(mapping_of(resource.get("email_address")).get("address"))
    if address:
        yield EMAIL, address.lower()
    for name in PLAIN:
        if text := text_of(resource.get(name)):
            yield name, text
    for name in (BIRTHDAY_MONTH, BIRTHDAY_DAY):
        number = resource.get(name)
        if isinstance(number, int) and number:
            yield name, number
    for phone in mappings_of(resource.get("phone_numbers")):
        field = PHONE_OF_KIND.get(text_of(phone.get("kind")), "phone")
        if text := text_of(phone.get("phone_number")):
            yield field, text
    for place in mappings_of(resource.get("street_addresses")):
        prefix = PREFIX_OF_KIND.get(text_of(place.get("kind")))
        for part, field in ADDRESS_PARTS.items():
            text = text_of(place.get(part))
            if prefix is not None and text:
                yield prefix + field, text
    if text := text_of(mapping_of(resource.get("sms_channel")).get("sms_address")):
        yield SMS_NUMBER, re.sub(r"\D", "", text)[-10:]
    for custom in mappings_of(resource.get("custom_fields")):
        label = custom_field_names.get(text_of(custom.get("custom_field_id")))
        if label and (text := text_of(custom.get("value"))):
            yield CUSTOM_PREFIX + label, text


def _chosen(
    resource: Mapping[str, object], custom_field_names: Mapping[str, str], labels: Labels
) -> Iterator[tuple[str, dict[str, str]]]:
    """Custom fields that come back as ids of choices: the ids with their labels, empty if unknown.

    The contract has whole numbers for the ids, and texts in its examples.
    """
    for custom in mappings_of(resource.get("custom_fields")):
        field_id = text_of(custom.get("custom_field_id"))
        name, ids = custom_field_names.get(field_id), custom.get("choice_ids")
        if name and isinstance(ids, list) and ids and not text_of(custom.get("value")):
            known = labels.get(field_id, {})
            yield CUSTOM_PREFIX + name, {str(each): known.get(str(each), "") for each in ids}


def _same_choice(wanted: Value, chosen: Mapping[str, str]) -> bool:
    """Several choices stand in one text, by their labels or their ids, in any order."""
    parts = {part.strip().casefold() for part in re.split("[,;]", str(wanted))}
    labels = {part.strip().casefold() for part in re.split("[,;]", ", ".join(chosen.values()))}
    return parts in (labels, {each.casefold() for each in chosen})


def place_of(name: str) -> str:
    """Under which of `fields_of`'s names an imported field comes back."""
    if name == "other_phone":
        return "phone"
    if name.startswith("home_") and name not in PHONES:
        name = name.removeprefix("home_")
    return name.removesuffix("2") if is_street(name) else name


def _wanted(name: str, value: Value, here: Mapping[str, Value]) -> Value:
    """What must stand there for this value: the two lines of a street are one."""
    if not is_street(name):
        return value
    first = name.removesuffix("2")
    return f"{here.get(first, '')} {here.get(f'{first}2', '')}"


def is_street(name: str) -> bool:
    return name.rpartition("_")[2] in {"street", "street2"} and not name.startswith(CUSTOM_PREFIX)


def same(name: str, wanted: Value, found: Value) -> bool:
    if isinstance(wanted, int) or isinstance(found, int):
        return wanted == found
    if _plain(wanted) == _plain(found):
        return True
    if name == EMAIL:
        return _plain(wanted).casefold() == _plain(found).casefold()
    if name in PHONES:
        digits = re.sub(r"\D", "", wanted)
        return bool(digits) and digits == re.sub(r"\D", "", found)
    if is_street(name):
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


def text_of(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def mapping_of(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def mappings_of(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from (item for item in value if isinstance(item, Mapping))
