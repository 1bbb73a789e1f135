"""Any table of any text, by any mapping: contacts that the vendor's contract takes, or reasons."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.fields import CUSTOM_PREFIX, FIELDS
from sync.contact.mapping import map_columns
from sync.contact.merging import merged_body
from sync.contact.rules import Rules
from sync.contact.suppression import read_suppressed
from sync.contact.validation import Checked, check
from sync.settings.mapping import SELECTS, FieldMapping
from sync.settings.options import Consent, Duplicates
from sync.source import Chunk
from sync.state.payload import import_payload
from tests.contract.swagger import load_contract
from tests.contract.validator import request_problems

LISTS = ("04fe9a97-a579-43c5-bb1a-58ed29bf0a6a",)
PHONES = [
    {},
    *(
        {"phone_region": region, "phone_format": form}
        for region in ("US", "DE")
        for form in ("as_written", "national", "international", "e164")
    ),
]
COLUMNS = ("one", "two", "three", "four")


@dataclass(frozen=True)
class Post:
    """An import as the contract's validator looks at it."""

    raw_body: bytes
    method: str = "POST"
    path: str = "/v3/activities/contacts_json_import"
    query: str = ""
    content_type: str = "application/json"

    @property
    def request_bytes(self) -> int:
        return len(self.raw_body)

    @property
    def body(self) -> Any:
        return json.loads(self.raw_body)


cells = st.one_of(
    st.sampled_from(
        [
            "",
            "yes",
            "no",
            "+1 508 555 0133",
            "(508) 555-0133",
            "2020-02-29",
            "31.12.1999",
            "12",
            "$ 1,234.50",
            "Ann",
            "ann@example.com",
            "USA",
            "Deutschland",
            "MA",
            "Ontario",
            "a\nb",
            "\x00",
            "😀",
            "x" * 300,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
addresses = st.one_of(
    st.sampled_from(["a@example.com", "A@Example.com ", "b@mail.rival.example"]), st.emails(), cells
)
columns = st.sampled_from(COLUMNS)
changes = st.lists(st.sampled_from(["strip", "lower", "upper", "title"]), max_size=2)


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    origin: dict[str, Any] = draw(
        st.one_of(
            st.builds(lambda name: {"column": name}, columns),
            st.builds(lambda names: {"first_of": names}, st.lists(columns, min_size=1, max_size=3)),
            st.builds(lambda names: {"join": names}, st.lists(columns, min_size=1, max_size=3)),
            st.builds(lambda text: {"constant": text}, cells),
        )
    )
    options: dict[str, Any] = {"changes": draw(changes)}
    if draw(st.booleans()):
        options |= {
            "values": {"Ann": "Anna"},
            "other_values": draw(st.sampled_from(["keep", "drop"])),
        }
    if draw(st.booleans()):
        options["date_as"] = "%m/%d/%Y"
    return {**origin, **options}


def choices_for(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        [{}, {"choices": ["Ann", "yes", "x" * 255]}] if kind in SELECTS else [{}]
    )


@st.composite
def mappings(draw: st.DrawFn) -> FieldMapping:
    possible = [
        name for name in FIELDS if not name.startswith(("home_", "birthday", "sms_", "other_phone"))
    ]
    names = draw(st.lists(st.sampled_from(possible), unique=True, max_size=8))
    fields: dict[str, Any] = {name: draw(recipes()) for name in names} | {"email": "address"}
    fields |= draw(
        st.sampled_from([{}, {"birthday": "one"}, {"birthday_month": "one", "birthday_day": "two"}])
    )
    if draw(st.booleans()):
        fields |= {"sms_number": "three", "sms_consent_date": "four"}
    kinds = ["string", "text_area", "date", "datetime", "number", "currency", "boolean", *SELECTS]
    custom = {
        f"field_{kind}": draw(recipes()) | {"type": kind} | draw(choices_for(kind))
        for kind in draw(st.lists(st.sampled_from(kinds), unique=True, max_size=3))
    }
    return FieldMapping.model_validate(
        {
            "auto": False,
            "columns": fields,
            "custom_fields": custom,
            **draw(st.sampled_from(PHONES)),
            "countries": draw(st.sampled_from(["as_written", "name", "code"])),
            "states": draw(st.sampled_from(["as_written", "name", "code"])),
            "too_long": draw(st.sampled_from(["cut", "drop", "reject"])),
        }
    )


@st.composite
def tables(draw: st.DrawFn) -> Chunk:
    count = draw(st.integers(0, 6))
    frame = pd.DataFrame(
        {
            name: pd.Series(
                draw(
                    st.lists(
                        addresses if name == "address" else cells, min_size=count, max_size=count
                    )
                ),
                dtype="str",
            )
            for name in ("address", *COLUMNS)
        }
    )
    return Chunk(frame, np.arange(2, count + 2, dtype=np.int64))


def checked(table: Chunk, mapping: FieldMapping, consent: Consent) -> Checked:
    rules = Rules(
        consent,
        mapping,
        duplicates=Duplicates(keep="newest", column="two"),
        suppressed=read_suppressed(["rival.example"], "never.txt"),
    )
    return check(table, map_columns(tuple(table.frame.columns), rules), rules)


@settings(max_examples=250, deadline=None, print_blob=True)
@given(
    table=tables(),
    mapping=mappings(),
    consent=st.sampled_from(
        [Consent(all_rows_have_consent=True), Consent(column="one", values=("Yes", "12"))]
    ),
)
def test_any_table_gives_contacts_that_the_contract_takes_or_reasons(
    table: Chunk, mapping: FieldMapping, consent: Consent
) -> None:
    found = checked(table, mapping, consent)
    sent = found.contacts["row"].tolist()
    ended = {problem.row for problem in found.problems if problem.severity.ends_row}
    assert sorted([*sent, *ended]) == table.rows.tolist()
    assert all(problem.reason and problem.code for problem in found.problems)
    again = checked(table, mapping, consent)
    assert again.contacts.equals(found.contacts)
    assert again.problems == found.problems
    bodies = found.contacts["body"].tolist()
    for body in map(json.loads, bodies):
        assert not body["email"].endswith("rival.example")
        assert ("sms_number" in body) == ("sms_consent_date" in body)
        assert all(value != "" for value in body.values())
    if bodies and load_contract() is None:
        pytest.skip("the vendor's contract is not beside the project")
    if bodies:
        assert request_problems(Post(import_payload(bodies, LISTS))) == []
        merged = merged_body(bodies)
        assert request_problems(Post(import_payload([merged], LISTS))) == []
        assert merged_body([merged]) == merged
        known = set().union(*(json.loads(body) for body in bodies))
        assert set(json.loads(merged)) <= known


def test_the_contracts_validator_would_tell() -> None:
    if load_contract() is None:
        pytest.skip("the vendor's contract is not beside the project")
    bad = f'{{"email":"a@example.com","{CUSTOM_PREFIX}x":"{"y" * 256}"}}'
    assert request_problems(Post(import_payload([bad], LISTS)))
