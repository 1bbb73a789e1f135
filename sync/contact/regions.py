"""Countries and states in one form: recognised by names and codes, anything else left as it is.

The countries' names are those of Unicode's CLDR, which Babel carries, the states' those of ISO
3166-2 for the United States and Canada.
"""

import unicodedata
from functools import lru_cache
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from babel import Locale

from sync.contact.recipes import by_value

Form = Literal["as_written", "name", "code"]

_WITH_STATES = pa.array(["US", "CA"], pa.large_string())
_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl")
# CLDR's codes that stand for no country: unions, the unknown, and stand-ins for tests.
_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
_OTHER_NAMES = {
    "US": "USA, U.S., U.S.A., America, United States of America, "
    "États-Unis d'Amérique, Vereinigte Staaten von Amerika, USA (US)",
    "GB": "UK, U.K., Great Britain, Britain, England, Scotland, Wales, Northern Ireland",
    "CZ": "Czechia",
    "NL": "Holland, The Netherlands",
    "KR": "South Korea, Korea",
    "TR": "Türkiye",
}
_LONG_CODES = (
    "US:USA GB:GBR CA:CAN DE:DEU FR:FRA ES:ESP IT:ITA NL:NLD BE:BEL CH:CHE AT:AUT IE:IRL AU:AUS "
    "NZ:NZL MX:MEX BR:BRA IN:IND CN:CHN JP:JPN PT:PRT PL:POL SE:SWE NO:NOR DK:DNK FI:FIN ZA:ZAF"
)
_STATES = (
    "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, "
    "DE Delaware, DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, "
    "IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky, LA Louisiana, ME Maine, "
    "MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri, "
    "MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, "
    "NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, "
    "PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, "
    "UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming, "
    "AS American Samoa, GU Guam, MP Northern Mariana Islands, PR Puerto Rico, VI Virgin Islands, "
    "AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, "
    "NL Newfoundland and Labrador, NS Nova Scotia, NT Northwest Territories, NU Nunavut, "
    "ON Ontario, PE Prince Edward Island, QC Quebec, SK Saskatchewan, YT Yukon"
)


def with_countries(column: pa.Array, form: Form) -> pa.Array:
    """The countries that are recognised as name or code; tidy texts, null stays null."""
    return _renamed(column, _countries(form)) if form != "as_written" else column


def with_states(column: pa.Array, form: Form, countries: pa.Array | None) -> pa.Array:
    """The same for the states of the US and the provinces of Canada.

    Other countries have states of the same codes (WA is also Western Australia): those whose row
    names another country stay as they are.
    """
    if form == "as_written":
        return column
    renamed = _renamed(column, _states(form))
    if countries is None:
        return renamed
    here = pc.is_in(_renamed(countries, _countries("code")), value_set=_WITH_STATES)
    return pc.if_else(pc.or_(here, pc.is_null(countries)), renamed, column)


def _renamed(column: pa.Array, names: dict[str, str]) -> pa.Array:
    return by_value(column, lambda text: names.get(_plain(text), text))


@lru_cache(maxsize=2)
def _countries(form: Form) -> dict[str, str]:
    found: dict[str, str] = {}
    names = {language: Locale(language).territories for language in _LANGUAGES}
    for code, english in names["en"].items():
        if len(code) == 2 and code not in _NO_COUNTRIES:
            wanted = english if form == "name" else code
            for text in (code, *filter(None, (names[each].get(code) for each in _LANGUAGES))):
                found.setdefault(_plain(text), wanted)
    for code, others in _OTHER_NAMES.items():
        for text in others.split(", "):
            found[_plain(text)] = found[_plain(code)]
    for pair in _LONG_CODES.split():
        code, long_code = pair.split(":")
        found.setdefault(_plain(long_code), found[_plain(code)])
    return found


@lru_cache(maxsize=2)
def _states(form: Form) -> dict[str, str]:
    found = {}
    for entry in _STATES.split(", "):
        code, _, name = entry.partition(" ")
        for text in (code, name):
            found[_plain(text)] = name if form == "name" else code
    return found


def _plain(text: str) -> str:
    """Without capitals, accents, blanks and points."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if letter.isalnum())
