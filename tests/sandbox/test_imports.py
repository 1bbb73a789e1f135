"""What an import does: the rules of the vendor's documents, and both answers to open questions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sync.sandbox import Sandbox
from tests.sandbox.client import Client


def test_a_new_contact_is_implicit_and_opted_in_by_the_account(client: Client) -> None:
    done = client.import_contacts({"email": "ada@example.com", "first_name": "Ada"})
    assert done["state"] == "completed"
    ada = client.found("ada@example.com")
    assert ada["email_address"]["permission_to_send"] == "implicit"
    assert ada["email_address"]["opt_in_source"] == "Account"
    assert ada["list_memberships"] == [client.first_list()]


def test_a_known_contact_keeps_what_the_import_does_not_carry(client: Client) -> None:
    client.import_contacts({"email": "a@example.com", "first_name": "Ada", "last_name": "L"})
    client.import_contacts({"email": "A@example.com", "first_name": "Adele"})
    found = client.found("a@example.com")
    assert (found["first_name"], found["last_name"]) == ("Adele", "L")


@pytest.mark.parametrize(
    ("row", "counted"),
    [
        ({"email": "no address"}, "correctable_count"),
        ({"email": "a@example.com", "birthday_month": 2}, "correctable_count"),
        ({"email": "a@example.com", "birthday_month": 2, "birthday_day": 30}, "correctable_count"),
        ({"email": "a@example.com", "anniversary": "1st of May"}, "correctable_count"),
        ({"email": "a@example.com", "anniversary": "1850-01-01"}, "correctable_count"),
        ({"job_title": "Nobody"}, "correctable_count"),
        ({"first_name": "Nameless"}, "error_count"),
        ({"email": "a" * 45 + "@example.com"}, "error_count"),
        ({"email": "a@example.com", "first_name": "x" * 51}, "error_count"),
        ({"email": "a@example.com", "first_name": 7}, "error_count"),
        ({"email": "a@example.com", "street": "x" * 256}, "error_count"),
        ({"email": "a@example.com", "phone": "1" * 26}, "error_count"),
        ({"email": "a@example.com"} | {f"cf:f{n}": "x" for n in range(26)}, "error_count"),
        (
            {"email": "a@example.com"}
            | {f"{kind}_phone": "1" for kind in ("home", "work", "mobile", "other")},
            "error_count",
        ),
    ],
)
def test_a_refused_contact_is_counted_and_not_imported(
    client: Client, sandbox: Sandbox, row: dict[str, Any], counted: str
) -> None:
    done = client.import_contacts(row, {"email": "good@example.com"})
    assert done["state"] == "completed"
    expected = {"error_count": 0, "correctable_count": 0} | {counted: 1}
    assert done["status"] == {
        "items_total_count": 3,
        "person_count": 2,
        "cannot_add_to_list_count": 0,
        **expected,
    }
    assert len(done["activity_errors"]) == 1
    assert isinstance(done["activity_errors"][0], str)
    assert list(sandbox.people.audience()) == ["good@example.com"]


def test_phones_and_addresses_go_to_their_kinds(client: Client, sandbox: Sandbox) -> None:
    client.import_contacts(
        {
            "email": "a@example.com",
            "phone": "1",
            "work_phone": "2",
            "street": "Main St 1",
            "street2": "Apt 2",
            "zip": "02451",
            "home country": "US",
            "work_city": "Boston",
            "anniversary": "3/9/2020",
            "birthday_month": 2,
            "birthday_day": 29,
        }
    )
    assert sandbox.people.audience()["a@example.com"] == {
        "permission": "implicit",
        "other_phone": "1",
        "work_phone": "2",
        "home_street": "Main St 1 Apt 2",
        "home_postal_code": "02451",
        "home_country": "US",
        "work_city": "Boston",
        "anniversary": "2020-03-09",
        "birthday_month": 2,
        "birthday_day": 29,
        "lists": ["General Interest"],
    }


@pytest.mark.parametrize(
    ("rule", "space", "underscore"),
    [("space", 201, 400), ("underscore", 400, 201), ("both", 201, 201)],
)
def test_spellings_of_the_home_country(
    client: Client, sandbox: Sandbox, rule: Any, space: int, underscore: int
) -> None:
    sandbox.settings = replace(sandbox.settings, home_country_key=rule)
    for key, status in (("home country", space), ("home_country", underscore)):
        row = {"email": "a@example.com", key: "US"}
        body = {"import_data": [row], "list_ids": [client.first_list()]}
        assert client.post("/activities/contacts_json_import", body).status_code == status
    assert sandbox.people.audience()["a@example.com"]["home_country"] == "US"


def test_longer_phones_more_fields_and_longer_addresses_are_settings(
    client: Client, sandbox: Sandbox
) -> None:
    many = {f"cf:f{n}": "x" for n in range(30)}
    row = {"email": "a" * 50 + "@example.com", "phone": "1" * 40} | many
    assert client.import_contacts(row)["status"]["error_count"] == 1
    sandbox.settings = replace(
        sandbox.settings, import_phone_max=50, import_email_max=80, custom_fields_per_contact=50
    )
    assert client.import_contacts(row)["status"]["error_count"] == 0


def test_an_unsubscribed_contact_joins_no_list_and_is_counted(
    client: Client, sandbox: Sandbox
) -> None:
    client.import_contacts({"email": "a@example.com", "first_name": "Ada"})
    sandbox.people.unsubscribe("a@example.com")
    done = client.import_contacts({"email": "a@example.com", "first_name": "Adele"})
    assert done["status"]["cannot_add_to_list_count"] == 1
    found = client.found("a@example.com")
    assert found["email_address"]["permission_to_send"] == "unsubscribed"
    assert found["list_memberships"] == []
    assert found["first_name"] == "Ada"
    sandbox.settings = replace(sandbox.settings, unsubscribed_fields_updated=True)
    client.import_contacts({"email": "a@example.com", "first_name": "Adele"})
    assert client.found("a@example.com")["first_name"] == "Adele"


@pytest.mark.parametrize(("rule", "lists"), [("put back", 1), ("stay off", 0)])
def test_a_contact_that_left_one_list(
    client: Client, sandbox: Sandbox, rule: Any, lists: int
) -> None:
    sandbox.settings = replace(sandbox.settings, list_removal_on_import=rule)
    client.import_contacts({"email": "a@example.com"})
    sandbox.people.leave_list("a@example.com", "General Interest")
    assert client.found("a@example.com")["list_memberships"] == []
    done = client.import_contacts({"email": "a@example.com"})
    assert done["status"]["cannot_add_to_list_count"] == 0
    assert len(client.found("a@example.com")["list_memberships"]) == lists


@pytest.mark.parametrize(("rule", "deleted"), [("revive", False), ("refuse", True)])
def test_a_deleted_contact(client: Client, sandbox: Sandbox, rule: Any, deleted: bool) -> None:
    sandbox.settings = replace(sandbox.settings, deleted_on_import=rule)
    client.import_contacts({"email": "a@example.com"})
    sandbox.people.user_delete("a@example.com")
    client.import_contacts({"email": "a@example.com"})
    assert ("deleted_at" in client.found("a@example.com")) is deleted


@pytest.mark.parametrize("rule", ["keep", "clear"])
@pytest.mark.parametrize(("name", "blank"), [("empty_string", ""), ("null", None)])
def test_a_blank_value(
    client: Client, sandbox: Sandbox, rule: str, name: str, blank: str | None
) -> None:
    changed: dict[str, Any] = {f"{name}_in_import": rule}
    sandbox.settings = replace(sandbox.settings, **changed)
    row = {"email": "a@example.com", "first_name": "Ada", "phone": "1", "city": "London"}
    client.import_contacts(row)
    client.import_contacts(dict.fromkeys(row, blank) | {"email": "a@example.com"})
    kept = client.found("a@example.com", "phone_numbers,street_addresses")
    shown = ("first_name" in kept, bool(kept["phone_numbers"]), bool(kept["street_addresses"]))
    assert shown == ((rule == "keep",) * 3)


@pytest.mark.parametrize(
    ("rule", "name", "errors"), [("last", "B", 0), ("first", "A", 0), ("error", "A", 1)]
)
def test_duplicates_in_one_request(
    client: Client, sandbox: Sandbox, rule: Any, name: str, errors: int
) -> None:
    sandbox.settings = replace(sandbox.settings, duplicates_in_import=rule)
    done = client.import_contacts(
        {"email": "a@example.com", "first_name": "A"}, {"email": "A@EXAMPLE.com", "first_name": "B"}
    )
    assert (done["status"]["person_count"], done["status"]["error_count"]) == (2, errors)
    assert sandbox.people.audience()["a@example.com"]["first_name"] == name


@pytest.mark.parametrize(
    ("rule", "state", "errors"),
    [("drop", "completed", 0), ("error", "completed", 1), ("fail", "failed", 1)],
)
def test_an_unknown_custom_field(
    client: Client, sandbox: Sandbox, rule: Any, state: str, errors: int
) -> None:
    sandbox.settings = replace(sandbox.settings, unknown_custom_field=rule)
    done = client.import_contacts({"email": "a@example.com", "cf:nothing": "x"})
    assert (done["state"], done["status"]["error_count"]) == (state, errors)


def test_custom_fields_are_named_by_their_name(client: Client, sandbox: Sandbox) -> None:
    sandbox.people.add_field("Member no")
    client.import_contacts({"email": "a@example.com", "cf:Member_no": "4711"})
    assert sandbox.people.audience()["a@example.com"]["cf:Member_no"] == "4711"


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        ("date", "2020-02-29", "2021-02-29"),
        ("datetime", "2020-02-29T10:00:00Z", "later"),
        ("number", "12.5", "twelve"),
        ("currency", "12.50", "$12"),
        ("boolean", "true", "perhaps"),
        ("single_select", "Red", "Pink"),
        ("multi_select", "Red, Blue", "Red, Pink"),
    ],
)
def test_typed_custom_fields(
    client: Client, sandbox: Sandbox, type_: str, good: str, bad: str
) -> None:
    choices = ("Red", "Blue") if "select" in type_ else ()
    sandbox.people.add_field("Extra", type_, choices=choices)
    done = client.import_contacts(
        {"email": "good@example.com", "cf:Extra": good},
        {"email": "bad@example.com", "cf:Extra": bad},
    )
    assert done["status"]["error_count"] == 1
    assert sandbox.people.audience() == {
        "good@example.com": {
            "permission": "implicit",
            "cf:Extra": good,
            "lists": ["General Interest"],
        }
    }


def test_what_lies_beyond_the_byte_limit_is_dropped_without_a_word(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(sandbox.settings, import_bytes_limit=10_000)
    rows = [{"email": f"a{n}@example.com", "first_name": "é" * 20} for n in range(200)]
    done = client.import_contacts(*rows)
    body = sandbox.requests(path="/v3/activities/contacts_json_import")[-1].raw_body or b""
    whole = body[:10_000].count(b"}")
    assert 0 < whole < 200
    assert done["state"] == "completed"
    assert done["status"]["person_count"] == whole == sandbox.people.count()
    assert done["activity_errors"] == []


def test_an_oversize_import_fails_where_the_setting_says_so(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(sandbox.settings, import_bytes_limit=1_000, oversize_import="fail")
    done = client.import_contacts(*({"email": f"a{n}@example.com"} for n in range(200)))
    assert done["state"] == "failed"


def test_contacts_beyond_the_fortieth_thousand_are_dropped(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(sandbox.settings, import_contacts_limit=3)
    done = client.import_contacts(*({"email": f"a{n}@example.com"} for n in range(5)))
    assert done["status"]["person_count"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"list_ids": []},
        {"list_ids": ["no uuid"]},
        {"list_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"]},
        {"list_ids": ["04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"] * 51},
        {"list_ids": None},
        {"import_data": []},
        {"import_data": None},
        {"import_data": [{"email": "a@example.com", "custom_fields": []}]},
        {"sms_permission_to_send": "perhaps"},
    ],
)
def test_a_malformed_import_is_400(client: Client, change: dict[str, Any]) -> None:
    body = {"import_data": [{"email": "a@example.com"}], "list_ids": [client.first_list()]}
    answer = client.post("/activities/contacts_json_import", body | change)
    assert answer.status_code == 400
    assert answer.json()[0]["error_key"] == "contacts.api.validation.error"


def test_an_import_to_a_deleted_list_is_400(client: Client, sandbox: Sandbox) -> None:
    deleted = client.first_list()
    sandbox.people.delete_list("General Interest")
    body = {"import_data": [{"email": "a@example.com"}], "list_ids": [deleted]}
    assert client.post("/activities/contacts_json_import", body).status_code == 400


def test_an_sms_only_contact_has_no_email_address(client: Client) -> None:
    row = {"sms_number": "781-555-1212", "sms_consent_date": "07-03-2024", "first_name": "Sam"}
    done = client.import_contacts(row, sms_permission_to_send="explicit")
    assert done["status"]["error_count"] == 0
    found = client.get("/contacts", sms_status="explicit").json()["contacts"]
    assert len(found) == 1
    assert "email_address" not in found[0]
    assert found[0]["sms_channel"]["sms_address"] == "7815551212"


def test_a_number_for_text_messages_is_one_contact_s_alone(client: Client) -> None:
    def row(email: str) -> dict[str, str]:
        return {"email": email, "sms_number": "7815551212", "sms_consent_date": "07-03-2024"}

    rows = [row("a@example.com"), row("b@example.com"), {"email": "c@example.com"}]
    done = client.import_contacts(*rows, sms_permission_to_send="explicit")
    assert (done["status"]["person_count"], done["status"]["error_count"]) == (3, 1)
    again = client.import_contacts(*rows[:2], sms_permission_to_send="explicit")
    assert again["status"]["error_count"] == 1
    found = client.get("/contacts", sms_status="explicit").json()["contacts"]
    assert [contact["email_address"]["address"] for contact in found] == ["a@example.com"]
