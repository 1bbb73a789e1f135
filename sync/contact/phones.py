"""Phone numbers held against the numbering plans, by phonenumbers (Google's libphonenumber).

phonenumbers takes a tenth of a millisecond a number, so the North American ones, which have one
shape, are settled by a regular expression and the area codes that phonenumbers knows; only the
others are looked at one by one, each different one once.
"""

from functools import lru_cache
from typing import Literal

import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.recipes import by_value
from sync.contact.text import joined, literal

PhoneFormat = Literal["as_written", "national", "international", "e164"]

_FORMATS = {
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    "e164": phonenumbers.PhoneNumberFormat.E164,
}
_NORTH_AMERICA = 1
# +1 508 555 0133, (508) 555-0133, 508.555.0133, 15085550133
_PARTS = (
    r"^(?P<plus>\+?1[ .-]?)?(?:\((?P<a>[2-9]\d{2})\)|(?P<b>[2-9]\d{2}))[ .-]?"
    r"(?P<exchange>[2-9]\d{2})[ .-]?(?P<line>\d{4})$"
)
_SHAPES = {"e164": ("+1", ""), "international": ("+1 ", "-")}


def checked_phones(column: pa.Array, region: str, form: PhoneFormat) -> pa.Array:
    """Each number in the wanted form; null where it is none of any plan.

    Args:
        column: Tidy texts; null stays null.
        region: The country, two letters, of numbers that don't say theirs.
    """
    if _country_code(region) != _NORTH_AMERICA:
        return by_value(column, lambda text: checked_phone(text, region, form))
    parts = pc.extract_regex(column, pattern=_PARTS)
    area = _area(parts)
    plain = pc.fill_null(pc.is_in(area, value_set=_area_codes()), False)
    rest = by_value(pc.if_else(plain, None, column), lambda text: checked_phone(text, region, form))
    written = column if form == "as_written" else _north_american(parts, area, form)
    return pc.if_else(plain, written, rest)


def checked_phone(text: str, region: str, form: PhoneFormat) -> str | None:
    """One number in the wanted form; None when it is none of any plan."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return text if form == "as_written" else phonenumbers.format_number(number, _FORMATS[form])


def us_numbers(column: pa.Array) -> pa.Array:
    """US numbers as ten digits, the form of the import's sms_number; null for all others."""
    return by_value(column, _us_number)


def known_region(region: str) -> bool:
    """Whether there is a numbering plan of this country."""
    return region in phonenumbers.SUPPORTED_REGIONS


def _us_number(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number_for_region(number, "US"):
        return None
    return phonenumbers.national_significant_number(number)


def _north_american(parts: pa.StructArray, area: pa.Array, form: PhoneFormat) -> pa.Array:
    exchange, line = (pc.struct_field(parts, name) for name in ("exchange", "line"))
    if form == "national":
        start = pc.binary_join_element_wise(literal("("), area, literal(") "), literal(""))
        end = pc.binary_join_element_wise(exchange, line, literal("-"))
        return pc.binary_join_element_wise(start, end, literal(""))
    start, sign = _SHAPES[form]
    number = pc.binary_join_element_wise(area, exchange, line, literal(sign))
    return pc.binary_join_element_wise(literal(start), number, literal(""))


def _area(parts: pa.StructArray) -> pa.Array:
    both = joined([pc.struct_field(parts, "a"), pc.struct_field(parts, "b")], "")
    return pc.cast(both, pa.large_string())


@lru_cache(maxsize=1)
def _area_codes() -> pa.Array:
    codes = [
        str(code)
        for code in range(200, 1000)
        if checked_phone(f"+1{code}5550123", "US", "as_written") is not None
    ]
    return pa.array(codes, pa.large_string())


def _country_code(region: str) -> int:
    return phonenumbers.country_code_for_region(region)
