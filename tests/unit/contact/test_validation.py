"""Rows become contacts, or rejects with their reasons; none is lost."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.address import check_addresses
from sync.contact.fields import FIELDS, Kind
from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.text import text_column
from sync.contact.validation import Checked, Problem, Severity, check
from sync.settings.options import Consent, Duplicates, FieldMapping, Lists, Tags

EVERYBODY = Consent(all_rows_have_consent=True)


@dataclass(frozen=True, slots=True)
class Table:
    frame: pd.DataFrame
    rows: npt.NDArray[np.int64]


def table(columns: Mapping[str, Sequence[str]], dtype: str = "str") -> Table:
    frame = pd.DataFrame({name: pd.Series(cells, dtype=dtype) for name, cells in columns.items()})
    return Table(frame, np.arange(2, len(frame) + 2, dtype=np.int64))


def checked(columns: Mapping[str, Sequence[str]], **options: object) -> Checked:
    rules = Rules(EVERYBODY, FieldMapping.model_validate(options))
    return check(table(columns), map_columns(tuple(columns), rules), rules)


def only(columns: Mapping[str, str], **options: object) -> tuple[dict[str, object], list[Problem]]:
    """The one contact of one row, and its problems."""
    found = checked(
        {"email": ["a@example.com"], **{name: [cell] for name, cell in columns.items()}},
        **options,
    )
    assert len(found.contacts) == 1
    body = json.loads(found.contacts["body"][0].as_py())
    assert body.pop("email") == "a@example.com"
    return body, list(found.problems)


def codes(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in problems]


def test_a_contact_is_its_canonical_body_with_size_and_fingerprint() -> None:
    found = checked(
        {"Country": ["Österreich"], "E-mail": [" Ann@Example.com "], "First name": ['A "q" \\ é']}
    )
    assert not found.problems
    [contact] = found.contacts.to_pylist()
    body = '{"email":"ann@example.com","first_name":"A \\"q\\" \\\\ é","country":"Österreich"}'
    assert contact["body"] == body
    assert contact["email"] == "ann@example.com"
    assert contact["row"] == 2
    assert contact["size"] == len(body.encode())
    assert contact["fingerprint"] == blake2b(body.encode(), digest_size=16).digest()
    assert (contact["lists"], contact["tags"]) == ([], [])


def test_the_columns_have_their_types_even_without_rows() -> None:
    text, number = pa.large_string(), pa.int64()
    names = pa.dictionary(number, pa.list_(text))
    usual = [number, text, text, number, pa.binary(16), names, names, text, text]
    every = Rules(
        EVERYBODY,
        FieldMapping(owned_by_constant_contact=("city",)),
        lists=Lists(column="group"),
        tags=Tags(column="group"),
        duplicates=Duplicates(keep="newest", column="group"),
        key_column="group",
    )
    for rules, expected in ((Rules(EVERYBODY), usual), (every, [*usual, text, number])):
        for cells in ([], ["none"], ["a@example.com"]):
            rows = table({"email": cells, "city": cells, "group": cells})
            mapping = map_columns(tuple(rows.frame.columns), rules)
            assert check(rows, mapping, rules).contacts.schema.types == expected


def test_empty_values_are_left_out() -> None:
    assert only({"first_name": "", "last_name": " \t ", "city": "\0"}) == ({}, [])


def test_line_breaks_and_control_characters_go() -> None:
    cells = {"street": " 1 Main St \r\n Apt 4\t", "city": "Bo\x07s\x85ton", "state": "a\u2028b"}
    assert only(cells)[0] == {"street": "1 Main St Apt 4", "city": "Bos ton", "state": "a b"}


@pytest.mark.parametrize(
    "text",
    ["👩🏽‍🚀 Zoë", "שלום", "=HYPERLINK(1)", "<b>x</b>", "O'Brien, Jr.", "الأحد\u200f", "02451"],
)
def test_ordinary_text_of_any_script_is_untouched(text: str) -> None:
    assert only({"company_name": text}) == ({"company_name": text}, [])


def test_what_is_too_long_is_cut_by_characters() -> None:
    body, problems = only({"first_name": "é" * 49 + "😀x", "last_name": "é" * 50})
    assert body == {"first_name": "é" * 49 + "😀", "last_name": "é" * 50}
    assert codes(problems) == [("first_name", "too_long_cut")]
    assert problems[0].severity is Severity.WARNING
    assert problems[0].value == "é" * 49 + "😀x"


def test_what_is_too_long_may_be_dropped() -> None:
    body, problems = only({"city": "x" * 51}, too_long="drop")
    assert body == {}
    assert codes(problems) == [("city", "too_long_dropped")]


def test_what_is_too_long_may_reject_the_contact() -> None:
    found = checked(
        {"email": ["a@example.com"], "city": ["x" * 51], "phone": ["1" * 26], "birthday": ["?"]},
        too_long="reject",
    )
    assert not len(found.contacts)
    assert codes(found.problems) == [("phone", "too_long"), ("city", "too_long")]
    assert {problem.email for problem in found.problems} == {"a@example.com"}


def test_custom_fields_hold_255_characters() -> None:
    body, problems = only({"Note": "x" * 256}, custom_fields={"my_note": "Note"})
    assert body == {"cf:my_note": "x" * 255}
    assert codes(problems) == [("cf:my_note", "too_long_cut")]


def test_a_phone_is_never_cut() -> None:
    body, problems = only({"phone": "+1 508 555 0100 extension 12345"})
    assert body == {}
    assert codes(problems) == [("phone", "too_long_dropped")]


def test_a_phone_has_a_digit_and_stays_as_it_is_written() -> None:
    body, problems = only(
        {"phone": "(508) 555-0100 x2", "mobile_phone": "n/a", "work_phone": "٥٥٥"}
    )
    assert body == {"phone": "(508) 555-0100 x2", "work_phone": "٥٥٥"}
    assert codes(problems) == [("mobile_phone", "phone_invalid")]


def test_the_fourth_phone_is_left_out() -> None:
    names = ["phone", "home_phone", "work_phone", "mobile_phone"]
    body, problems = only(dict.fromkeys(names, "555 0100"))
    assert list(body) == names[:3]
    assert codes(problems) == [("mobile_phone", "too_many_phones")]
    assert list(only(dict.fromkeys(names, "555") | {"phone": ""})[0]) == names[1:]


@pytest.mark.parametrize(
    ("text", "month", "day"), [("1990-05-07", 5, 7), ("2/29/2000", 2, 29), ("24.12.1960", 12, 24)]
)
def test_a_birthday_is_a_month_and_a_day(text: str, month: int, day: int) -> None:
    assert only({"birthday": text}) == ({"birthday_month": month, "birthday_day": day}, [])


def test_a_birthday_may_come_without_a_year() -> None:
    body, _ = only({"birthday": "02-29"}, date_formats=["%m-%d"])
    assert body == {"birthday_month": 2, "birthday_day": 29}


@pytest.mark.parametrize("text", ["1974-02-31", "1900-02-29", "tomorrow", "0000-00-00"])
def test_a_contact_goes_without_an_impossible_birthday(text: str) -> None:
    body, problems = only({"birthday": text})
    assert body == {}
    assert codes(problems) == [("birthday", "birthday_invalid")]


@pytest.mark.parametrize(
    ("month", "day", "good"),
    [("2", "29", True), ("07", "4.0", True), ("2", "30", False), ("13", "1", False),
     ("5", "", False), ("May", "1", False)],
)  # fmt: skip
def test_month_and_day_may_come_apart(month: str, day: str, good: bool) -> None:
    body, problems = only({"birthday_month": month, "birthday_day": day})
    if good:
        assert body == {"birthday_month": int(month), "birthday_day": int(float(day))}
        assert not problems
    else:
        assert body == {}
        assert {code for _, code in codes(problems)} == {"birthday_invalid"}


def test_an_anniversary_is_written_year_first() -> None:
    assert only({"anniversary": "5/6/2001"})[0] == {"anniversary": "2001-05-06"}
    assert codes(only({"anniversary": "1/1/1850"})[1]) == [("anniversary", "anniversary_invalid")]


def test_a_row_may_have_several_problems_but_counts_once() -> None:
    found = checked({"email": ["x", "b@example.com"], "city": ["y" * 51, "z"]}, too_long="reject")
    assert codes(found.problems) == [("email", "email_invalid"), ("city", "too_long")]
    assert {problem.row for problem in found.problems} == {2}
    assert found.contacts["row"].tolist() == [3]


def test_a_reject_has_no_warnings() -> None:
    found = checked({"email": [""], "birthday": ["never"]})
    assert codes(found.problems) == [("email", "email_missing")]


def test_problems_come_in_the_order_of_the_rows() -> None:
    found = checked({"email": ["a@example.com", "", "c@example.com"], "birthday": ["x", "", "y"]})
    assert [problem.row for problem in found.problems] == [2, 3, 4]


def test_the_body_does_not_depend_on_the_order_of_columns_nor_on_how_rows_are_chunked() -> None:
    columns = {
        "email": [f"p{number}@example.com" for number in range(50)],
        "city": ["Köln", "", 'a"b', "x" * 60, "Bath"] * 10,
        "phone": ["555", "", "-", "1", "2"] * 10,
    }
    whole = checked(columns).contacts
    turned = checked(dict(reversed(columns.items()))).contacts
    parts = [
        checked({name: cells[start : start + 7] for name, cells in columns.items()}).contacts
        for start in range(0, 50, 7)
    ]
    assert turned["body"].tolist() == whole["body"].tolist()
    assert pa.Table.from_batches(parts)["body"].to_pylist() == whole["body"].tolist()


def test_cells_that_are_no_text_are_read_as_text() -> None:
    rules = Rules(EVERYBODY)
    frame = pd.DataFrame(
        {"email": ["a@example.com", None], "zip": [2451, float("nan")], "city": ["\ud800x", 1.5]},
        dtype=object,
    )
    rows = Table(frame, np.array([2, 3], dtype=np.int64))
    found = check(rows, map_columns(tuple(frame.columns), rules), rules)
    assert json.loads(found.contacts["body"][0].as_py()) == {
        "email": "a@example.com",
        "zip": "2451",
        "city": "?x",
    }
    assert codes(found.problems) == [("email", "email_missing")]


FIELD_NAMES = [name for name in FIELDS if name not in {"email", "other_phone"}]
FIELD_NAMES = [name for name in FIELD_NAMES if not name.startswith("sms_")]
FIELD_NAMES = [name for name in FIELD_NAMES if not re.match("home_(?!phone)", name)]

cells = st.one_of(
    st.just(""),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(st.sampled_from(list('a"\\ \t\n\r\x00\x1f\x7f\x85\u2028\u00a0é😀/')), max_size=70),
    st.sampled_from(["1990-02-31", "2000-02-29", "1/2/2003", "7", "02", "+1 508 555 0100", "n/a"]),
    st.from_regex(r"\A\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\Z"),
)
addresses = st.one_of(st.emails(), st.sampled_from(["a@example.com", "A@example.COM "]), cells)


@st.composite
def sheets(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from(FIELD_NAMES), unique=True, max_size=9))
    names = [name for name in names if not name.startswith("birthday_")]
    names += draw(st.sampled_from([[], ["birthday"], ["birthday_month", "birthday_day"]]))
    count = draw(st.integers(0, 5))
    sheet = {"email": draw(st.lists(addresses, min_size=count, max_size=count))}
    for name in [*names, "Custom"]:
        sheet[name] = draw(st.lists(cells, min_size=count, max_size=count))
    return sheet


def tidied(text: str) -> str:
    breaks = r"[ \t]*[\t\n\v\f\r\x85\u2028\u2029]+[\t\n\v\f\r \x85\u2028\u2029]*"
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", re.sub(breaks, " ", text)).strip()


@settings(max_examples=250, deadline=None, print_blob=True)
@given(sheet=sheets(), too_long=st.sampled_from(["cut", "drop", "reject"]))
def test_any_table_gives_contacts_or_reasons_and_nothing_else(
    sheet: dict[str, list[str]], too_long: str
) -> None:
    options = {"too_long": too_long, "custom_fields": {'c"f\\': "Custom"}}
    found = checked(sheet, **options)
    rejects = {problem.row for problem in found.problems if problem.severity is Severity.REJECT}
    sent = found.contacts["row"].tolist()
    assert sorted([*sent, *rejects]) == list(range(2, len(sheet["email"]) + 2))
    assert checked(sheet, **options).contacts.equals(found.contacts)
    told = {(problem.row, problem.field) for problem in found.problems}
    for contact in found.contacts.to_pylist():
        body = json.loads(contact["body"])
        encoded = contact["body"].encode()
        assert contact["size"] == len(encoded)
        assert contact["fingerprint"] == blake2b(encoded, digest_size=16).digest()
        assert body["email"] == contact["email"]
        assert list(body) == sorted(body, key=[*FIELDS, 'cf:c"f\\'].index)
        assert ("birthday_month" in body) == ("birthday_day" in body)
        for name, cells_of_column in sheet.items():
            name = 'cf:c"f\\' if name == "Custom" else name
            cell = cells_of_column[contact["row"] - 2]
            kind = FIELDS[name].kind if name in FIELDS else Kind.TEXT
            if kind not in {Kind.TEXT, Kind.PHONE, Kind.STATE, Kind.COUNTRY} or name == "birthday":
                continue
            longest = FIELDS[name].longest if name in FIELDS else 255
            text = tidied(cell)
            if (contact["row"], name) not in told:
                assert body.get(name, "") == text
            elif name in body:
                assert body[name] == text[:longest].strip()


@settings(max_examples=100, deadline=None, print_blob=True)
@given(st.lists(st.text(max_size=30)))
def test_any_text_can_be_a_column(texts: list[str]) -> None:
    column = text_column(pd.Series(texts, dtype=object))
    assert len(column) == len(texts)
    check_addresses(column)
