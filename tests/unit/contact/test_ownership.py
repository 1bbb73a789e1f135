"""Which fields Constant Contact owns, and how a contact is written in two parts for them."""

import orjson
import pandas as pd
import pyarrow as pa
import pytest

from sync.contact.mapping import map_columns
from sync.contact.ownership import divided, owned_by_constant_contact
from sync.contact.rules import Rules
from sync.contact.validation import check
from sync.settings.mapping import FieldMapping
from sync.settings.options import Consent
from sync.source import Chunk

NAMES = [
    "email",
    "first_name",
    "birthday_month",
    "birthday_day",
    "phone",
    "home_phone",
    "street",
    "city",
    "work_street",
    "work_zip",
    "sms_number",
    "sms_consent_date",
    "cf:city",
]


@pytest.mark.parametrize(
    ("owned", "all_of_them"),
    [
        ((), ""),
        (("first_name", "cf:city"), "first_name cf:city"),
        (("city",), "street city"),
        (("home_street2",), "street city"),
        (("work_country",), "work_street work_zip"),
        (("birthday",), "birthday_month birthday_day"),
        (("birthday_day",), "birthday_month birthday_day"),
        (("phone",), "phone"),
        (("sms_consent_date",), "sms_number sms_consent_date"),
        (("last_name",), ""),
    ],
)
def test_a_part_stands_for_the_whole(owned: tuple[str, ...], all_of_them: str) -> None:
    assert owned_by_constant_contact(NAMES, owned) == frozenset(all_of_them.split())


def test_a_contact_is_written_in_two_parts_that_make_one_object() -> None:
    owned = ("first_name", "city", "cf:nickname")
    mapping = FieldMapping.model_validate(
        {"custom_fields": {"nickname": "nickname"}, "owned_by_constant_contact": owned}
    )
    rules = Rules(Consent(all_rows_have_consent=True), mapping)
    people = [
        ("a@x.org", 'Zoë "Z"', "Müller", "Köln", "\\"),
        ("b@x.org", "", "Müller", "", ""),
        ("c@x.org", "Ann", "", "", ""),
    ]
    frame = pd.DataFrame(people, columns=["email", "first name", "last name", "city", "nickname"])
    whole = Rules(rules.consent, mapping.model_copy(update={"owned_by_constant_contact": ()}))
    rows = range(2, 5)
    parts = _checked(frame, rows, rules)
    wholes = _checked(frame, rows, whole)
    assert "owned" not in wholes.schema.names
    for part, one in zip(parts.to_pylist(), wholes.to_pylist(), strict=True):
        start = part["owned"]
        body = part["body"] if start is None else start + part["body"][1:]
        assert orjson.loads(body) == orjson.loads(one["body"])
        assert len(body.encode()) == one["size"] == part["size"] + part["owned_size"]
        assert divided(one["body"], owned) == (part["body"], start)
    assert parts["owned"].is_null().to_pylist() == [False, True, False]


def _checked(frame: pd.DataFrame, rows: range, rules: Rules) -> pa.RecordBatch:
    chunk = Chunk(frame.astype("str"), pd.Index(rows).to_numpy(), ())
    return check(chunk, map_columns(list(frame.columns), rules), rules).contacts
