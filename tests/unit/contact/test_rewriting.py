"""The PUT of a contact: what it changes, and that it changes nothing else."""

import copy
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.contact.fields import FIELDS
from sync.contact.remote import place_of
from sync.contact.rewriting import emptied, rewritten
from tests.contract.validator import request_problems
from tests.unit.contact.flat import flat

ID = "1618ae62-4752-11e9-9c8a-fa163e6b01c1"
NAMES = {f"{number}618ae62-4752-11e9-9c8a-fa163e6b01c1": f"field_{number}" for number in range(4)}
IDS = {name: each for each, name in NAMES.items()}
EVERY = {*FIELDS, *(f"cf:{name}" for name in IDS)}
ARRAYS = ("custom_fields", "phone_numbers", "street_addresses")


@dataclass(frozen=True)
class Put:
    """A request as the contract's validator wants it."""

    raw_body: bytes
    method: str = "PUT"
    path: str = f"/v3/contacts/{ID}"
    query: str = ""
    content_type: str = "application/json"

    @property
    def request_bytes(self) -> int:
        return len(self.raw_body)

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw_body)


def ann() -> dict[str, Any]:
    """A contact that has everything, as GET shows it."""
    return {
        "contact_id": ID,
        "email_address": {
            "address": "Ann@Example.com",
            "permission_to_send": "explicit",
            "opt_in_source": "Contact",
            "confirm_status": "confirmed",
        },
        "first_name": "Ann",
        "last_name": "O'Hara",
        "job_title": "Countess",
        "company_name": "Engines",
        "birthday_month": 2,
        "birthday_day": 29,
        "anniversary": "2006-11-15",
        "create_source": "Account",
        "created_at": "2016-03-03T10:53:04-05:00",
        "phone_numbers": [
            {"phone_number_id": ID, "phone_number": "508-555-0100", "kind": "other"},
            {"phone_number_id": ID, "phone_number": "508-555-0101", "kind": "mobile"},
        ],
        "street_addresses": [
            {"kind": "home", "street": "1 Main St Apt 2", "city": "Boston", "postal_code": "02118"},
            {"kind": "work", "street": "9 Wharf", "country": "Norway"},
        ],
        "custom_fields": [
            {"custom_field_id": IDS["field_0"], "value": "007"},
            {"custom_field_id": IDS["field_1"], "choice_ids": [3, "4"]},
            {"custom_field_id": "04fe9a97-a579-43c5-bb1a-58ed29bf0a6a", "value": "another's"},
        ],
        "list_memberships": [ID],
        "taggings": [ID],
        "sms_channel": {"sms_address": "7815551212", "dial_code": "1"},
    }


def put(resource: dict[str, Any], **asked: Any) -> dict[str, Any] | None:
    """What would be sent; the contract has been asked."""
    body = rewritten(resource, NAMES, **asked)
    if body is None:
        return None
    assert request_problems(Put(body)) == []
    found: dict[str, Any] = orjson.loads(body)
    assert found["update_source"] == "Account"
    assert set(found["email_address"]) == {"address"}
    assert not {"list_memberships", "taggings", "notes", "sms_channel"} & set(found)
    return found


def after(resource: dict[str, Any], sent: dict[str, Any] | None) -> dict[str, Any]:
    """The contact after the PUT, by the contract's text."""
    if sent is None:
        return resource
    changed = copy.deepcopy(resource)
    core = ("first_name", "last_name", "job_title", "company_name", "anniversary")
    for name in (*core, "birthday_month", "birthday_day"):
        changed.pop(name, None)
        if name in sent:
            changed[name] = sent[name]
    changed["email_address"]["address"] = sent["email_address"]["address"]
    return changed | {name: sent[name] for name in ARRAYS if name in sent}


@pytest.mark.parametrize(
    ("clear", "arrays"),
    [
        (("job_title",), ()),
        (("birthday_month", "birthday_day"), ()),
        (("phone",), ("phone_numbers",)),
        (("city", "work_country"), ("street_addresses",)),
        (("cf:field_0",), ("custom_fields",)),
        (("cf:field_1", "mobile_phone", "last_name"), ("custom_fields", "phone_numbers")),
    ],
)
def test_what_is_cleared_is_gone_and_nothing_else_is(
    clear: tuple[str, ...], arrays: tuple[str, ...]
) -> None:
    sent = put(ann(), clear=clear)
    assert sent is not None
    assert tuple(name for name in ARRAYS if name in sent) == arrays
    before, now = flat(ann(), NAMES), flat(after(ann(), sent), NAMES)
    assert now == {name: value for name, value in before.items() if name not in clear}


def test_an_address_of_which_nothing_is_left_goes_whole() -> None:
    sent = put(ann(), clear=("work_street", "work_country"))
    assert sent is not None
    assert [part["kind"] for part in sent["street_addresses"]] == ["home"]


def test_a_choice_goes_back_as_text_and_another_s_field_stays() -> None:
    sent = put(ann(), clear=("cf:field_0",))
    assert sent is not None
    assert sent["custom_fields"] == [
        {"custom_field_id": IDS["field_1"], "choice_ids": ["3", "4"]},
        {"custom_field_id": "04fe9a97-a579-43c5-bb1a-58ed29bf0a6a", "value": "another's"},
    ]


@pytest.mark.parametrize(
    ("body", "street"),
    [
        ({}, None),
        ({"street": "1 Main St", "street2": "Apt 2"}, "1 Main St Apt 2"),
        ({"street": "1 Main St"}, "1 Main St"),
        ({"home_street": "1 Main St"}, "1 Main St"),
        ({"street2": "Apt 2"}, "Apt 2"),
    ],
)
def test_a_street_becomes_what_was_imported_last(body: dict[str, str], street: str | None) -> None:
    sent = put(ann(), clear=("street",), body=orjson.dumps(body).decode())
    found = after(ann(), sent)["street_addresses"][0]
    assert found.get("street") == street
    assert found["city"] == "Boston"


def test_nothing_is_sent_when_nothing_has_to_be_changed() -> None:
    assert put(ann(), clear=("home_phone", "other_city", "cf:field_2", "sms_number")) is None
    assert put(ann(), clear=("job_title",), body='{"job_title":"Duchess"}') is None
    assert put(ann(), address="ann@example.com") is None


def test_another_address_changes_the_address_alone() -> None:
    sent = put(ann(), address="ann@new.example.com")
    assert sent is not None
    assert sent["email_address"] == {"address": "ann@new.example.com"}
    found = after(ann(), sent)
    assert found.pop("email_address")["address"] == "ann@new.example.com"
    assert {name: value for name, value in ann().items() if name != "email_address"} == found


def a_text(longest: int = 50) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=longest)


PARTS = ("city", "state", "postal_code", "country")


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    """A contact with some of everything."""

    def some(names: tuple[str, ...]) -> list[str]:
        return draw(st.lists(st.sampled_from(names), unique=True, max_size=3))

    return {
        "email_address": {"address": "ann@example.com", "permission_to_send": "implicit"},
        **{name: draw(a_text()) for name in some(("first_name", "job_title", "company_name"))},
        "phone_numbers": [
            {"kind": kind, "phone_number": draw(a_text(25))}
            for kind in some(("home", "work", "mobile", "other"))
        ],
        "street_addresses": [
            {"kind": kind, **{part: draw(a_text()) for part in some(("street", *PARTS))}}
            for kind in some(("home", "work", "other"))
        ],
        "custom_fields": [
            {"custom_field_id": each, "value": draw(a_text(255))} for each in some(tuple(NAMES))
        ],
    }


@given(resources(), st.sets(st.sampled_from(sorted(EVERY - {"email"}))))
def test_whatever_is_cleared_of_whatever_contact_all_else_stays(
    resource: dict[str, Any], clear: set[str]
) -> None:
    places = {place_of(name) for name in clear}
    found = after(resource, put(copy.deepcopy(resource), clear=places))
    before, now = flat(resource, NAMES), flat(found, NAMES)
    assert now == {name: value for name, value in before.items() if name not in places}


@pytest.mark.parametrize(
    ("before", "now", "uncleared", "found"),
    [
        ({"city": "Boston"}, {"city": "Bergen"}, (), ()),
        ({"city": "Boston"}, {}, (), ("city",)),
        ({"home_city": "Boston"}, {"city": "Boston"}, (), ()),
        ({"other_phone": "1"}, {"phone": "1"}, (), ()),
        ({"home_phone": "1"}, {"phone": "1"}, (), ("home_phone",)),
        ({"street": "1", "street2": "b"}, {"street": "1"}, (), ("street",)),
        ({"street": "1", "street2": "b"}, {"street2": "b"}, (), ("street",)),
        ({"work_street": "1"}, {}, (), ("work_street",)),
        ({}, {"city": "Oslo"}, ("city", "phone"), ("phone",)),
        ({"street": "1"}, {"street": "1"}, ("street",), ("street",)),
        ({"cf:field_9": "x"}, {}, (), ()),
        ({"birthday_month": 1, "birthday_day": 2}, {}, (), ("birthday_day", "birthday_month")),
    ],
)
def test_what_the_source_has_no_more_is_found(
    before: dict[str, Any], now: dict[str, Any], uncleared: tuple[str, ...], found: tuple[str, ...]
) -> None:
    old, new = (orjson.dumps(body).decode() for body in (before, now))
    assert emptied(old, new, uncleared, EVERY) == found
