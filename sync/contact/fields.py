"""What a contact of the bulk JSON import may hold: names, lengths, kinds.

Source: the V3 contract's `JsonImportContact` (https://api.cc.email/v3/swagger.yaml), where not
stated otherwise. Three traps of it are settled here:

- The home address has two families of names: plain (`street`, …, `country`), whose kind is home
  by default, and `home_street`, …, whose country the contract spells `home country`, with a blank,
  while the vendor's own clients write `home_country`. That key is refused here and so is a mixture
  of both families: who wants the home country maps the plain family.
- `phone` is stored with kind `other`, as `other_phone` is: only one of them can be mapped.
- `sms_number` takes a US number only, and text messages need a consent of their own: a number goes
  only together with the `sms_consent_date` of the same row, and then the whole import says
  `sms_permission_to_send: explicit` (the import's description).
- Phone numbers may have 50 characters in the import, but the contact resource (`PhoneNumber`) that
  stores them takes 25. The smaller one holds; a number is never cut, since it would be a wrong one.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """How a field's cells are read."""

    ADDRESS = auto()
    TEXT = auto()
    PHONE = auto()
    SMS = auto()
    DATE = auto()
    NUMBER = auto()
    AMOUNT = auto()
    BOOLEAN = auto()
    MOMENT = auto()
    CHOICES = auto()
    STATE = auto()
    COUNTRY = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the import; `longest` counts characters."""

    name: str
    kind: Kind
    longest: int


EMAIL = "email"
BIRTHDAY = "birthday"  # not the import's: a whole date, split into the two below
BIRTHDAY_MONTH = "birthday_month"
BIRTHDAY_DAY = "birthday_day"

CUSTOM_PREFIX = "cf:"
MAX_CUSTOM_FIELDS = 25
CUSTOM_FIELD_LONGEST = 255
CUSTOM_FIELD_NAME_LONGEST = 50  # the contract's CustomField: name

SMS_NUMBER = "sms_number"
SMS_CONSENT_DATE = "sms_consent_date"

MAX_PHONES = 3  # the import's description: "up to 3 phone numbers"; addresses can't be more here

_PARTS = {"street": 255, "street2": 255, "city": 50, "state": 50, "zip": 50, "country": 50}
PLAIN_ADDRESS = tuple(_PARTS)
HOME_ADDRESS = tuple(f"home_{part}" for part in _PARTS if part != "country")


def _part(prefix: str, part: str) -> Field:
    kinds = {"state": Kind.STATE, "country": Kind.COUNTRY}
    return Field(prefix + part, kinds.get(part, Kind.TEXT), _PARTS[part])


_ORDER = (
    Field(EMAIL, Kind.ADDRESS, 50),  # 80 elsewhere in the API
    Field("first_name", Kind.TEXT, 50),
    Field("last_name", Kind.TEXT, 50),
    Field("job_title", Kind.TEXT, 50),
    Field("company_name", Kind.TEXT, 50),
    Field(BIRTHDAY_MONTH, Kind.NUMBER, 2),
    Field(BIRTHDAY_DAY, Kind.NUMBER, 2),
    Field("anniversary", Kind.DATE, 10),
    *(
        Field(name, Kind.PHONE, 25)
        for name in ("phone", "home_phone", "work_phone", "mobile_phone", "other_phone")
    ),
    *(_part("", part) for part in _PARTS),
    *(_part("home_", name.removeprefix("home_")) for name in HOME_ADDRESS),
    *(_part(prefix, part) for prefix in ("work_", "other_") for part in _PARTS),
    Field(SMS_NUMBER, Kind.SMS, 16),
    Field(SMS_CONSENT_DATE, Kind.DATE, 16),
)

FIELDS = {field.name: field for field in _ORDER}
PHONES = tuple(field.name for field in _ORDER if field.kind is Kind.PHONE)

_HOME_COUNTRY = (
    "the API's own texts disagree on how it is spelled; map street, street2, city, state, zip and "
    "country instead, which are the home address too"
)
REFUSED = {
    "home_country": _HOME_COUNTRY,
    "home country": _HOME_COUNTRY,
}
"""Names that the import knows and that can't be mapped, with the reason."""

CONFLICTS = (
    (("phone",), ("other_phone",), "Constant Contact stores both as the phone of kind other"),
    (PLAIN_ADDRESS, HOME_ADDRESS, "both are the home address"),
    (
        (BIRTHDAY,),
        (BIRTHDAY_MONTH, BIRTHDAY_DAY),
        "a birthday comes from one column or from two, not both",
    ),
)
"""Groups of fields that can't be mapped together, with the reason."""

_POSITIONS = {name: position for position, name in enumerate(FIELDS)}
_POSITIONS[BIRTHDAY] = _POSITIONS[BIRTHDAY_MONTH]


_CUSTOM_KINDS = {
    "date": Kind.DATE,
    "number": Kind.AMOUNT,
    "currency": Kind.AMOUNT,
    "boolean": Kind.BOOLEAN,
    "datetime": Kind.MOMENT,
    "single_select": Kind.CHOICES,
    "multi_select": Kind.CHOICES,
}


def field_of(name: str, custom_type: str = "string") -> Field:
    """The field of this name; a custom one by its type, which is a text's where not known."""
    if name.startswith(CUSTOM_PREFIX):
        kind = _CUSTOM_KINDS.get(custom_type, Kind.TEXT)
        return Field(name, kind, CUSTOM_FIELD_LONGEST)
    return FIELDS[name]


def canonical_position(name: str) -> tuple[int, str]:
    """The sort key of the one order in which fields are always written; custom ones last."""
    return _POSITIONS.get(name, len(_POSITIONS)), name
