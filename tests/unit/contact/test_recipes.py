"""One field made of columns, constants and small changes."""

import json
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.mapping import map_columns
from sync.contact.merging import merged_body
from sync.contact.phones import checked_phone, checked_phones
from sync.contact.regions import with_countries, with_states
from sync.contact.rules import Rules
from sync.contact.suppression import read_suppressed
from sync.contact.validation import check
from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Consent, FieldMapping
from sync.source import Chunk

EVERYBODY = Consent(all_rows_have_consent=True)


def contact(
    cells: dict[str, str], **options: Any
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """The one contact of a row, and (field, code, value) of what is told."""
    row = {"email": "a@example.com", **cells}
    frame = pd.DataFrame({name: pd.Series([cell], dtype="str") for name, cell in row.items()})
    columns = {"email": {"column": "email"}, **options.get("columns", {})}
    rules = Rules(
        EVERYBODY, FieldMapping.model_validate({"auto": False, **options, "columns": columns})
    )
    chunk = Chunk(frame, np.array([2], dtype=np.int64))
    found = check(chunk, map_columns(tuple(row), rules), rules)
    body = json.loads(found.contacts["body"][0].as_py())
    del body["email"]
    return body, [(problem.field, problem.code, problem.value) for problem in found.problems]


def made(recipe: dict[str, Any], **cells: str) -> str | None:
    body, told = contact(cells, columns={"first_name": recipe})
    assert not told
    value: str | None = body.get("first_name")
    return value


@pytest.mark.parametrize(
    ("recipe", "cells", "value"),
    [
        ({"column": "a"}, {"a": " Ann "}, "Ann"),
        ({"constant": "Friend"}, {}, "Friend"),
        ({"constant": " "}, {}, None),
        ({"first_of": ["a", "b"]}, {"a": " \t", "b": "Bo"}, "Bo"),
        ({"first_of": ["a", "b"]}, {"a": "", "b": ""}, None),
        ({"join": ["a", "b", "c"]}, {"a": "J.", "b": "", "c": "R. "}, "J. R."),
        ({"join": ["a", "b"], "separator": ", "}, {"a": "x", "b": "y"}, "x, y"),
        ({"join": ["a", "b"]}, {"a": "", "b": " "}, None),
        ({"column": "a", "changes": ["lower"]}, {"a": "ÉMILE"}, "émile"),
        ({"column": "a", "changes": ["upper"]}, {"a": "émile"}, "ÉMILE"),
        ({"column": "a", "changes": ["title"]}, {"a": "JEAN-LUC O'NEILL"}, "Jean-Luc O'Neill"),
        ({"column": "a", "changes": ["title"]}, {"a": "macy's"}, "Macy's"),
        ({"column": "a", "values": {"M": "Mr", "f": "Ms"}}, {"a": " F "}, "Ms"),
        ({"column": "a", "values": {"M": "Mr"}}, {"a": "x"}, "x"),
        ({"column": "a", "values": {"M": "Mr"}, "other_values": "drop"}, {"a": "x"}, None),
        ({"column": "a", "values": {"M": ""}}, {"a": "m"}, None),
        ({"column": "a", "date_as": "%d %b %Y"}, {"a": "2026-01-02"}, "02 Jan 2026"),
        (
            {"column": "a", "date_formats": ["%d/%m/%Y"], "date_as": "%Y"},
            {"a": "31/12/1999"},
            "1999",
        ),
    ],
)
def test_a_recipe_fills_a_field(
    recipe: dict[str, Any], cells: dict[str, str], value: str | None
) -> None:
    assert made(recipe, **cells) == value


def test_a_date_that_can_not_be_rewritten_is_told() -> None:
    recipe = {"column": "a", "date_as": "%Y"}
    assert contact({"a": "soon"}, columns={"first_name": recipe}) == (
        {},
        [("first_name", "date_unreadable", "soon")],
    )


def test_a_field_has_date_formats_of_its_own() -> None:
    columns = {"anniversary": {"column": "a", "date_formats": ["%d/%m/%Y"]}}
    assert contact({"a": "03/04/2020"}, columns=columns)[0] == {"anniversary": "2020-04-03"}


@pytest.mark.parametrize(
    "recipe", [{}, {"column": "a", "constant": "b"}, {"column": "a", "join": ["b"]}]
)
def test_a_recipe_has_one_origin(recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="exactly one of"):
        FieldMapping.model_validate({"columns": {"city": recipe}})


def test_an_ignored_column_is_not_guessed_at() -> None:
    rules = Rules(EVERYBODY, FieldMapping(ignore=("Title",)))
    mapping = map_columns(("E-mail", "Title"), rules)
    assert [field.name for field in mapping.fields] == ["email"]
    assert mapping.unmapped == ("Title",)


def test_without_a_word_about_consent_nothing_is_mapped() -> None:
    with pytest.raises(ConfigurationError, match="who agreed to be written to"):
        map_columns(("email",), Rules(Consent()))


def column(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.large_string())


@pytest.mark.parametrize(
    ("written", "region", "form", "number"),
    [
        ("(508) 555-0133", "US", "e164", "+15085550133"),
        ("1 508.555.0133", "US", "national", "(508) 555-0133"),
        ("5085550133", "US", "international", "+1 508-555-0133"),
        ("(508) 555-0133", "US", "as_written", "(508) 555-0133"),
        ("508-555-0133 ext. 12", "US", "e164", "+15085550133"),
        ("+44 20 7946 0018", "US", "international", "+44 20 7946 0018"),
        ("020 7946 0018", "GB", "e164", "+442079460018"),
        ("508-155-0133", "US", "e164", None),
        ("999-555-0133", "US", "e164", None),
        ("555-0133", "US", "e164", None),
        ("call me", "US", "e164", None),
    ],
)
def test_phones_are_held_against_the_numbering_plans(
    written: str, region: str, form: Any, number: str | None
) -> None:
    assert checked_phones(column(written, None), region, form).to_pylist() == [number, None]


@settings(max_examples=300, deadline=None)
@given(
    st.from_regex(r"\A(\+?1[ .-]?)?(\([2-9]\d\d\)|[2-9]\d\d)[ .-]?[1-9]\d\d[ .-]?\d{4}\Z"),
    st.sampled_from(["as_written", "national", "international", "e164"]),
)
def test_the_fast_check_of_phones_and_phonenumbers_agree(text: str, form: Any) -> None:
    assert checked_phones(column(text), "US", form).to_pylist() == [checked_phone(text, "US", form)]


def test_the_regions_are_those_of_phonenumbers() -> None:
    assert phonenumbers.country_code_for_region("US") == 1
    with pytest.raises(ConfigurationError, match="phone_region"):
        map_columns(("email",), Rules(EVERYBODY, FieldMapping(phone_region="XX")))


@pytest.mark.parametrize(
    ("written", "name", "code"),
    [
        ("USA", "United States", "US"),
        ("u.s.", "United States", "US"),
        ("Vereinigte Staaten von Amerika", "United States", "US"),
        ("DE", "Germany", "DE"),
        ("ALLEMAGNE", "Germany", "DE"),
        ("España", "Spain", "ES"),
        ("UK", "United Kingdom", "GB"),
        ("Atlantis", "Atlantis", "Atlantis"),
    ],
)
def test_countries_have_one_form(written: str, name: str, code: str) -> None:
    assert with_countries(column(written, None), "name").to_pylist() == [name, None]
    assert with_countries(column(written), "code").to_pylist() == [code]
    assert with_countries(column(written), "as_written").to_pylist() == [written]


def test_states_have_one_form_where_the_country_has_such_states() -> None:
    states = column("ma", "Massachusetts", "QC", "WA", "WA", None)
    countries = column("USA", None, "Canada", "Australia", "US", "US")
    assert with_states(states, "name", countries).to_pylist() == [
        "Massachusetts",
        "Massachusetts",
        "Quebec",
        "WA",
        "Washington",
        None,
    ]
    assert with_states(states, "code", None).to_pylist()[:2] == ["MA", "MA"]


def test_a_list_of_who_is_never_sent_is_read_as_people_write_it() -> None:
    lines = [
        "no#1@example.com",
        "",
        "# by phone",
        "  Ann@Example.com ; ",
        "@rival.example",
        "*.münchen.example.org",
    ]
    suppressed = read_suppressed(lines, "never.txt")
    emails = ["ann@example.com", "x@rival.example", "x@a.rival.example", "x@notrival.example"]
    emails += ["x@xn--mnchen-3ya.example.org", "bob@example.com", "no#1@example.com"]
    found = [True, True, True, False, True, False, True]
    assert suppressed.holds(column(*emails)).tolist() == found
    assert len(suppressed) == 4
    assert len(read_suppressed(["E-mail", "a@example.com # by phone"], "never.txt")) == 1


@pytest.mark.parametrize("line", ["Ann Smith", "ann@", "ann@@example.com"])
def test_a_line_that_is_neither_address_nor_domain_sends_nothing(line: str) -> None:
    with pytest.raises(SourceError, match=r"never\.txt, line 2: .*nothing is sent"):
        read_suppressed(["a@example.com", line], "never.txt")


def test_merged_rows_keep_together_what_belongs_together() -> None:
    first = {"email": "a", "first_name": "Ann", "street": "1 Main St", "city": "Bath", "phone": "1"}
    second = {
        "email": "a",
        "last_name": "Lee",
        "city": "Köln",
        "home_phone": "2",
        "birthday_day": 1,
    }
    third = {"email": "a", "last_name": "Li", "work_phone": "3", "mobile_phone": "4", "cf:x": "y"}
    second["birthday_month"] = 2
    merged = merged_body([json.dumps(each) for each in (first, second, third)])
    assert json.loads(merged) == {
        "email": "a",
        "first_name": "Ann",
        "last_name": "Li",
        "birthday_month": 2,
        "birthday_day": 1,
        "home_phone": "2",
        "work_phone": "3",
        "mobile_phone": "4",
        "city": "Köln",
        "cf:x": "y",
    }
