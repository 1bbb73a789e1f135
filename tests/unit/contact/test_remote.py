"""A contact as the service keeps it, beside what was sent."""

import orjson
import pytest

from sync.contact.remote import Difference, body_as_seen, differences
from tests.unit.contact.flat import flat

NAMES = {"id-1": "member_no", "id-2": "joined", "id-3": "colour", "id-4": "balance"}

RESOURCE: dict[str, object] = {
    "contact_id": "1618ae62-4752-11e9-9c8a-fa163e6b01c1",
    "email_address": {"address": "Ann@Example.com", "permission_to_send": "implicit"},
    "first_name": "Ann",
    "last_name": "",
    "job_title": None,
    "birthday_month": 2,
    "birthday_day": 29,
    "anniversary": "11/15/2006",
    "phone_numbers": [
        {"phone_number": "508-555-0100", "kind": "other"},
        {"phone_number": "508-555-0101", "kind": "mobile"},
    ],
    "street_addresses": [
        {"kind": "home", "street": "1 Main St, Apt 2", "city": "Boston", "postal_code": "02118"},
        {"kind": "work", "street": "9 Wharf", "country": "Norway"},
    ],
    "custom_fields": [
        {"custom_field_id": "id-1", "value": "007"},
        {"custom_field_id": "id-2", "value": "01/31/2020"},
        {"custom_field_id": "id-3", "choice_ids": ["000001"]},
        {"custom_field_id": "id-4", "value": "12.5"},
        {"custom_field_id": "unknown", "value": "x"},
    ],
}


def differ(resource: dict[str, object] | None = None, **body: object) -> tuple[str, ...]:
    text = orjson.dumps({name.replace("cf_", "cf:"): value for name, value in body.items()})
    found = differences(text.decode(), RESOURCE if resource is None else resource, NAMES)
    return tuple(each.field for each in found)


def test_a_resource_is_flattened_to_the_names_of_the_import() -> None:
    assert flat(RESOURCE, NAMES) == {
        "email": "ann@example.com",
        "first_name": "Ann",
        "birthday_month": 2,
        "birthday_day": 29,
        "anniversary": "11/15/2006",
        "phone": "508-555-0100",
        "mobile_phone": "508-555-0101",
        "street": "1 Main St, Apt 2",
        "city": "Boston",
        "zip": "02118",
        "work_street": "9 Wharf",
        "work_country": "Norway",
        "cf:balance": "12.5",
        "cf:joined": "01/31/2020",
        "cf:member_no": "007",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ann@example.com", "first_name": "Ann"},
        {"birthday_month": 2, "birthday_day": 29},
        {"anniversary": "2006-11-15"},
        {"phone": "508-555-0100"},
        {"other_phone": "(508) 555-0100"},
        {"mobile_phone": "508 555 0101"},
        {"street": "1 Main St", "street2": "Apt 2", "city": "Boston", "zip": "02118"},
        {"home_street": "1 Main St", "home_street2": "Apt 2", "home_zip": "02118"},
        {"work_country": "Norway"},
        {"cf_member_no": "007", "cf_joined": "2020-01-31", "cf_colour": "red"},
        {"cf_balance": "12.50"},
    ],
)
def test_what_the_service_may_write_otherwise_is_no_difference(body: dict[str, object]) -> None:
    assert differ(None, **body) == ()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"email": "bob@example.com", "first_name": "Ann"}, ("email",)),
        ({"first_name": "ann", "last_name": "Lee"}, ("first_name", "last_name")),
        ({"birthday_month": 3, "birthday_day": 29}, ("birthday_month",)),
        ({"anniversary": "2006-11-16"}, ("anniversary",)),
        ({"home_phone": "508-555-0100"}, ("home_phone",)),
        ({"zip": "2118"}, ("zip",)),
        ({"street": "1 Main St"}, ("street",)),
        ({"street": "2 Main St", "street2": "Apt 2"}, ("street", "street2")),
        ({"cf_member_no": "7", "cf_joined": "2020-02-01"}, ("cf:member_no", "cf:joined")),
        ({"cf_other": "x"}, ("cf:other",)),
    ],
)
def test_another_value_is_a_difference(body: dict[str, object], names: tuple[str, ...]) -> None:
    assert differ(None, **body) == names


def test_a_resource_of_any_shape_is_read() -> None:
    broken: dict[str, object] = {"email_address": None, "phone_numbers": "x", "custom_fields": [1]}
    assert flat(broken, NAMES) == {}
    assert differ(broken, email="a@example.com") == ("email",)
    assert differ({}, city="Boston") == ("city",)


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ({"first_name": "Zoë"}, {"first_name": "Ann"}),
        ({"last_name": "Lee", "zip": "02119"}, {"zip": "02118"}),
        ({"street": "2 Main St", "street2": "Apt 9"}, {"street": "1 Main St, Apt 2"}),
        ({"street2": "Apt 9"}, {"street2": "1 Main St, Apt 2"}),
        ({"work_street": "9 Wharf", "work_street2": "West"}, {"work_street": "9 Wharf"}),
        ({"other_street": "1 Quay", "other_street2": "b"}, {}),
        ({"birthday_month": 3, "birthday_day": 29}, {"birthday_month": 2, "birthday_day": 29}),
        ({"cf:street2": "b", "cf:member_no": "8"}, {"cf:member_no": "007"}),
    ],
)
def test_what_was_seen_takes_the_place_of_what_was_sent_and_nothing_else_changes(
    sent: dict[str, object], seen: dict[str, object]
) -> None:
    body = orjson.dumps(sent).decode()
    assert body_as_seen(body, differences(body, RESOURCE, NAMES)) == orjson.dumps(seen).decode()
    assert differences(orjson.dumps(seen).decode(), RESOURCE, NAMES) == ()


def test_a_difference_tells_both_values() -> None:
    body = '{"first_name":"Zoë","last_name":"Lee","birthday_day":28}'
    assert differences(body, RESOURCE, NAMES) == (
        Difference("first_name", "Zoë", "Ann"),
        Difference("last_name", "Lee", None),
        Difference("birthday_day", 28, 29),
    )


@pytest.mark.parametrize("sent", ["Blue", "red; blue", "blue, Red", "000001;000002"])
def test_choices_are_compared_by_their_labels_in_any_order(sent: str) -> None:
    ids = ["000001", "000002"] if len(sent) > 4 else ["000001"]
    resource = {"custom_fields": [{"custom_field_id": "id-3", "choice_ids": ids}]}
    body = orjson.dumps({"cf:colour": sent}).decode()
    labels = {"id-3": {"000001": "blue", "000002": "red", "000003": "green"}}
    assert differences(body, resource, NAMES, labels) == ()
    resource["custom_fields"][0]["choice_ids"] = ["000003"]
    assert differences(body, resource, NAMES, labels) == (Difference("cf:colour", sent, "green"),)
    resource["custom_fields"][0]["choice_ids"] = ["000004"]
    assert differences(body, resource, NAMES, labels) == ()
