"""How to drive each endpoint of the sandbox to each status that the contract declares for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sync.sandbox import Sandbox
from tests.contract.conftest import ContractClient

NOBODY = "04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"

Drive = Callable[[ContractClient, Sandbox], object]


def an_import(client: ContractClient, **more: Any) -> Any:
    body = {"import_data": [full_contact()], "list_ids": [client.first_list()]} | more
    return client.post("/activities/contacts_json_import", body)


def full_contact() -> dict[str, Any]:
    """Every kind of property that an import takes."""
    return {
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "job_title": "Countess",
        "company_name": "Analytical Engines",
        "birthday_month": 12,
        "birthday_day": 10,
        "anniversary": "2016-07-08",
        "home_phone": "1",
        "work_phone": "2",
        "mobile_phone": "3",
        "street": "12 St James's Square",
        "street2": "1st floor",
        "city": "London",
        "state": "London",
        "zip": "SW1Y",
        "home country": "United Kingdom",
        "work_street": "x",
        "other_city": "y",
        "cf:Member_no": "4711",
        "cf:Colour": "Red",
        "sms_number": "781-555-1212",
    }


def furnish(client: ContractClient, sandbox: Sandbox) -> dict[str, str]:
    """An account with one of everything; the ids by kind."""
    sandbox.people.add_field("Member no")
    select = sandbox.people.add_field(
        "Colour", "single_select", choices=("Red", "Blue"), metadata={"display_type": "radio"}
    )
    tag = sandbox.people.add_tag("Gold")
    client.finished(an_import(client).json())
    contact = client.found("ada@example.com")["contact_id"]
    return {
        "contact": contact,
        "tag": tag.tag_id,
        "field": select.custom_field_id,
        "list": client.first_list(),
    }


def whole_contact(client: ContractClient, sandbox: Sandbox) -> dict[str, Any]:
    ids = furnish(client, sandbox)
    return {
        "email_address": {"address": "b@example.com", "permission_to_send": "implicit"},
        "first_name": "B",
        "birthday_month": 2,
        "birthday_day": 29,
        "anniversary": "2016-07-08",
        "phone_numbers": [{"kind": "home", "phone_number": "1"}],
        "street_addresses": [{"kind": "home", "city": "London"}],
        "custom_fields": [{"custom_field_id": ids["field"], "choice_ids": ["1"]}],
        "list_memberships": [ids["list"]],
        "taggings": [ids["tag"]],
        "notes": [{"content": "hello"}],
        "sms_channel": {
            "full_sms_address": "17815551213",
            "sms_channel_consents": [
                {"sms_consent_permission": "explicit", "consent_type": "promotional_sms"}
            ],
        },
    }


def search(client: ContractClient, sandbox: Sandbox) -> None:
    furnish(client, sandbox)
    client.import_contacts({"email": "b@example.com"}, {"sms_number": "7815551214"})
    sandbox.people.unsubscribe("b@example.com", "enough")
    everything = "custom_fields,list_memberships,phone_numbers,street_addresses,taggings,notes"
    page = client.get(
        "/contacts", limit=1, include=everything, include_count="true", status="all"
    ).json()
    while "next" in page["_links"]:
        page = client.get(client.sandbox.url + page["_links"]["next"]["href"]).json()


def unsubscribed(client: ContractClient, sandbox: Sandbox) -> dict[str, str]:
    ids = furnish(client, sandbox)
    sandbox.people.unsubscribe("ada@example.com")
    return ids


def upload(client: ContractClient, name: str = "a.csv", lists: str | None = None) -> Any:
    return client.session.post(
        f"{client.sandbox.api_url}/activities/contacts_file_import",
        files={"file": (name, b"email\na@example.com\n")},
        data={"list_ids": client.first_list() if lists is None else lists},
        timeout=10,
    )


def exported(client: ContractClient) -> str:
    done = client.finished(client.post("/activities/contact_exports", {}).json())
    return str(done["_links"]["results"]["href"])


def as_text(client: ContractClient, path: str) -> Any:
    return client.session.post(client.sandbox.api_url + path, data="text", timeout=10)


CASES: dict[tuple[str, str, int], Drive] = {
    ("GET", "/account/user/privileges", 200): lambda c, s: c.get("/account/user/privileges"),
    ("GET", "/account/summary", 200): lambda c, s: c.get(
        "/account/summary", extra_fields="physical_address"
    ),
    ("GET", "/account/summary", 400): lambda c, s: c.get("/account/summary", extra_fields="x"),
    ("GET", "/activities", 200): lambda c, s: (an_import(c), c.get("/activities", limit=1)),
    ("GET", "/activities", 400): lambda c, s: c.get("/activities", state="initialized"),
    ("GET", "/activities/{activity_id}", 200): lambda c, s: c.import_contacts({"email": "x"}),
    ("GET", "/activities/{activity_id}", 400): lambda c, s: c.get("/activities/x"),
    ("GET", "/activities/{activity_id}", 404): lambda c, s: c.get(f"/activities/{NOBODY}"),
    ("POST", "/activities/contacts_json_import", 201): lambda c, s: an_import(c),
    ("POST", "/activities/contacts_json_import", 400): lambda c, s: an_import(c, list_ids=[]),
    ("POST", "/activities/contacts_file_import", 201): lambda c, s: upload(c),
    ("POST", "/activities/contacts_file_import", 400): lambda c, s: upload(c, lists=""),
    ("POST", "/activities/contacts_file_import", 415): lambda c, s: upload(c, "a.xls"),
    ("POST", "/activities/add_list_memberships", 201): lambda c, s: c.post(
        "/activities/add_list_memberships",
        {"source": {"all_active_contacts": True}, "list_ids": [c.first_list()]},
    ),
    ("POST", "/activities/add_list_memberships", 400): lambda c, s: c.post(
        "/activities/add_list_memberships", {}
    ),
    ("POST", "/activities/remove_list_memberships", 201): lambda c, s: c.post(
        "/activities/remove_list_memberships",
        {"source": {"contact_ids": [NOBODY]}, "list_ids": [c.first_list()]},
    ),
    ("POST", "/activities/remove_list_memberships", 400): lambda c, s: c.post(
        "/activities/remove_list_memberships", {}
    ),
    ("POST", "/activities/contact_delete", 201): lambda c, s: c.post(
        "/activities/contact_delete", {"contact_ids": [furnish(c, s)["contact"]]}
    ),
    ("POST", "/activities/contact_delete", 400): lambda c, s: c.post(
        "/activities/contact_delete", {}
    ),
    ("POST", "/activities/contacts_taggings_add", 201): lambda c, s: c.post(
        "/activities/contacts_taggings_add",
        {"source": {"all_active_contacts": True}, "tag_ids": [furnish(c, s)["tag"]]},
    ),
    ("POST", "/activities/contacts_taggings_add", 400): lambda c, s: c.post(
        "/activities/contacts_taggings_add", {}
    ),
    ("POST", "/activities/contacts_taggings_remove", 201): lambda c, s: c.post(
        "/activities/contacts_taggings_remove",
        {"source": {"new_subscriber": True}, "tag_ids": [furnish(c, s)["tag"]]},
    ),
    ("POST", "/activities/contacts_taggings_remove", 400): lambda c, s: c.post(
        "/activities/contacts_taggings_remove", {}
    ),
    ("POST", "/activities/list_delete", 201): lambda c, s: c.post(
        "/activities/list_delete", {"list_ids": [c.first_list()]}
    ),
    ("POST", "/activities/list_delete", 400): lambda c, s: c.post("/activities/list_delete", {}),
    ("POST", "/activities/contacts_tags_delete", 201): lambda c, s: c.post(
        "/activities/contacts_tags_delete", {"tag_ids": [furnish(c, s)["tag"]]}
    ),
    ("POST", "/activities/contacts_tags_delete", 400): lambda c, s: c.post(
        "/activities/contacts_tags_delete", {}
    ),
    ("POST", "/activities/custom_fields_delete", 201): lambda c, s: c.post(
        "/activities/custom_fields_delete", {"custom_field_ids": [furnish(c, s)["field"]]}
    ),
    ("POST", "/activities/custom_fields_delete", 400): lambda c, s: c.post(
        "/activities/custom_fields_delete", {}
    ),
    ("POST", "/activities/contact_exports", 201): lambda c, s: c.post(
        "/activities/contact_exports", {}
    ),
    ("POST", "/activities/contact_exports", 400): lambda c, s: c.post(
        "/activities/contact_exports", {"list_ids": ["x"]}
    ),
    ("GET", "/contact_exports/{file_export_id}", 200): lambda c, s: c.get(s.url + exported(c)),
    ("GET", "/contact_exports/{file_export_id}", 400): lambda c, s: c.get("/contact_exports/x"),
    ("GET", "/contact_exports/{file_export_id}", 404): lambda c, s: c.get(
        f"/contact_exports/{NOBODY}"
    ),
    ("GET", "/contacts", 200): search,
    ("GET", "/contacts", 202): lambda c, s: c.get(
        "/contacts", segment_id=s.people.add_segment("Everybody"), limit=10
    ),
    ("GET", "/contacts", 404): lambda c, s: c.get("/contacts", segment_id=99),
    ("GET", "/contacts", 400): lambda c, s: c.get("/contacts", limit=501),
    ("POST", "/contacts", 201): lambda c, s: c.post(
        "/contacts", whole_contact(c, s) | {"create_source": "Account"}
    ),
    ("POST", "/contacts", 400): lambda c, s: c.post("/contacts", {}),
    ("POST", "/contacts", 409): lambda c, s: (
        furnish(c, s),
        c.post(
            "/contacts",
            {"email_address": {"address": "ada@example.com"}, "create_source": "Account"},
        ),
    ),
    ("POST", "/contacts", 415): lambda c, s: as_text(c, "/contacts"),
    ("GET", "/contacts/{contact_id}", 200): lambda c, s: c.get(
        f"/contacts/{furnish(c, s)['contact']}", include="custom_fields,phone_numbers"
    ),
    ("GET", "/contacts/{contact_id}", 400): lambda c, s: c.get("/contacts/x"),
    ("GET", "/contacts/{contact_id}", 404): lambda c, s: c.get(f"/contacts/{NOBODY}"),
    ("PUT", "/contacts/{contact_id}", 200): lambda c, s: (
        body := whole_contact(c, s),
        c.put(
            f"/contacts/{c.found('ada@example.com')['contact_id']}",
            body | {"update_source": "Account"},
        ),
    ),
    ("PUT", "/contacts/{contact_id}", 400): lambda c, s: c.put(
        f"/contacts/{furnish(c, s)['contact']}", {}
    ),
    ("PUT", "/contacts/{contact_id}", 404): lambda c, s: c.put(f"/contacts/{NOBODY}", {}),
    ("PUT", "/contacts/{contact_id}", 409): lambda c, s: (
        body := whole_contact(c, s),
        c.import_contacts({"email": "b@example.com"}),
        c.put(
            f"/contacts/{c.found('ada@example.com')['contact_id']}",
            body | {"update_source": "Account"},
        ),
    ),
    ("DELETE", "/contacts/{contact_id}", 204): lambda c, s: c.delete(
        f"/contacts/{furnish(c, s)['contact']}"
    ),
    ("DELETE", "/contacts/{contact_id}", 400): lambda c, s: c.delete("/contacts/x"),
    ("DELETE", "/contacts/{contact_id}", 404): lambda c, s: c.delete(f"/contacts/{NOBODY}"),
    ("GET", "/contacts/counts", 200): lambda c, s: c.get(
        "/contacts/counts", include="new_subscriber"
    ),
    ("GET", "/contacts/counts", 400): lambda c, s: c.get("/contacts/counts", include="x"),
    ("POST", "/contacts/sign_up_form", 201): lambda c, s: c.post(
        "/contacts/sign_up_form",
        {"email_address": "a@example.com", "list_memberships": [c.first_list()]},
    ),
    ("POST", "/contacts/sign_up_form", 200): lambda c, s: c.post(
        "/contacts/sign_up_form",
        {"email_address": "ada@example.com", "list_memberships": [furnish(c, s)["list"]]},
    ),
    ("POST", "/contacts/sign_up_form", 400): lambda c, s: c.post("/contacts/sign_up_form", {}),
    ("PUT", "/contacts/resubscribe/{contact_id}", 200): lambda c, s: (
        ids := unsubscribed(c, s),
        c.put(f"/contacts/resubscribe/{ids['contact']}", {"list_ids": [ids["list"]]}),
    ),
    ("PUT", "/contacts/resubscribe/{contact_id}", 400): lambda c, s: c.put(
        f"/contacts/resubscribe/{furnish(c, s)['contact']}", {}
    ),
    ("PUT", "/contacts/resubscribe/{contact_id}", 404): lambda c, s: c.put(
        f"/contacts/resubscribe/{NOBODY}", {}
    ),
    ("PUT", "/contacts/resubscribe/{contact_id}", 409): lambda c, s: (
        ids := unsubscribed(c, s),
        c.put(f"/contacts/resubscribe/{ids['contact']}", {"list_ids": [ids["list"]]}),
        c.put(f"/contacts/resubscribe/{ids['contact']}", {"list_ids": [ids["list"]]}),
    ),
    ("GET", "/contact_lists", 200): lambda c, s: c.get(
        "/contact_lists", include_count="true", include_membership_count="all", status="all"
    ),
    ("GET", "/contact_lists", 400): lambda c, s: c.get("/contact_lists", status="x"),
    ("POST", "/contact_lists", 201): lambda c, s: c.post("/contact_lists", {"name": "x"}),
    ("POST", "/contact_lists", 400): lambda c, s: c.post("/contact_lists", {}),
    ("POST", "/contact_lists", 409): lambda c, s: c.post(
        "/contact_lists", {"name": "General Interest"}
    ),
    ("GET", "/contact_lists/{list_id}", 200): lambda c, s: c.get(
        f"/contact_lists/{c.first_list()}", include_membership_count="active"
    ),
    ("GET", "/contact_lists/{list_id}", 404): lambda c, s: c.get(f"/contact_lists/{NOBODY}"),
    ("PUT", "/contact_lists/{list_id}", 200): lambda c, s: c.put(
        f"/contact_lists/{c.first_list()}", {"name": "New"}
    ),
    ("PUT", "/contact_lists/{list_id}", 400): lambda c, s: c.put(
        f"/contact_lists/{c.first_list()}", {}
    ),
    ("PUT", "/contact_lists/{list_id}", 404): lambda c, s: c.put(f"/contact_lists/{NOBODY}", {}),
    ("DELETE", "/contact_lists/{list_id}", 202): lambda c, s: c.delete(
        f"/contact_lists/{c.first_list()}"
    ),
    ("DELETE", "/contact_lists/{list_id}", 404): lambda c, s: c.delete(f"/contact_lists/{NOBODY}"),
    ("GET", "/contact_custom_fields", 200): lambda c, s: (
        furnish(c, s),
        c.get("/contact_custom_fields", limit=1),
    ),
    ("GET", "/contact_custom_fields", 400): lambda c, s: c.get("/contact_custom_fields", limit=0),
    ("POST", "/contact_custom_fields", 201): lambda c, s: c.post(
        "/contact_custom_fields",
        {
            "label": "Size",
            "type": "multi_select",
            "metadata": {"display_type": "checkbox"},
            "choices": [{"choice_label": "Large", "display_order": 1}],
        },
    ),
    ("POST", "/contact_custom_fields", 400): lambda c, s: c.post("/contact_custom_fields", {}),
    ("POST", "/contact_custom_fields", 409): lambda c, s: (
        furnish(c, s),
        c.post("/contact_custom_fields", {"label": "Member no", "type": "string"}),
    ),
    ("POST", "/contact_custom_fields", 415): lambda c, s: as_text(c, "/contact_custom_fields"),
    ("GET", "/contact_custom_fields/{custom_field_id}", 200): lambda c, s: c.get(
        f"/contact_custom_fields/{furnish(c, s)['field']}"
    ),
    ("GET", "/contact_custom_fields/{custom_field_id}", 400): lambda c, s: c.get(
        "/contact_custom_fields/x"
    ),
    ("GET", "/contact_custom_fields/{custom_field_id}", 404): lambda c, s: c.get(
        f"/contact_custom_fields/{NOBODY}"
    ),
    ("PUT", "/contact_custom_fields/{custom_field_id}", 200): lambda c, s: c.put(
        f"/contact_custom_fields/{furnish(c, s)['field']}",
        {"label": "Hue", "choices": [{"choice_id": 1, "choice_label": "Crimson"}]},
    ),
    ("PUT", "/contact_custom_fields/{custom_field_id}", 400): lambda c, s: c.put(
        f"/contact_custom_fields/{furnish(c, s)['field']}", {}
    ),
    ("PUT", "/contact_custom_fields/{custom_field_id}", 404): lambda c, s: c.put(
        f"/contact_custom_fields/{NOBODY}", {}
    ),
    ("DELETE", "/contact_custom_fields/{custom_field_id}", 204): lambda c, s: c.delete(
        f"/contact_custom_fields/{furnish(c, s)['field']}"
    ),
    ("DELETE", "/contact_custom_fields/{custom_field_id}", 404): lambda c, s: c.delete(
        f"/contact_custom_fields/{NOBODY}"
    ),
    ("GET", "/contact_tags", 200): lambda c, s: (
        furnish(c, s),
        c.post("/contact_tags", {"name": "B"}),
        c.get("/contact_tags", limit=1, include_count="true"),
    ),
    ("GET", "/contact_tags", 400): lambda c, s: c.get("/contact_tags", limit=501),
    ("POST", "/contact_tags", 201): lambda c, s: c.post("/contact_tags", {"name": "x"}),
    ("POST", "/contact_tags", 400): lambda c, s: c.post("/contact_tags", {}),
    ("POST", "/contact_tags", 409): lambda c, s: (
        furnish(c, s),
        c.post("/contact_tags", {"name": "Gold"}),
    ),
    ("GET", "/contact_tags/{tag_id}", 200): lambda c, s: c.get(
        f"/contact_tags/{furnish(c, s)['tag']}", include_count="true"
    ),
    ("GET", "/contact_tags/{tag_id}", 400): lambda c, s: c.get("/contact_tags/x"),
    ("GET", "/contact_tags/{tag_id}", 404): lambda c, s: c.get(f"/contact_tags/{NOBODY}"),
    ("PUT", "/contact_tags/{tag_id}", 200): lambda c, s: c.put(
        f"/contact_tags/{furnish(c, s)['tag']}", {"name": "Silver"}
    ),
    ("PUT", "/contact_tags/{tag_id}", 400): lambda c, s: c.put(
        f"/contact_tags/{furnish(c, s)['tag']}", {}
    ),
    ("PUT", "/contact_tags/{tag_id}", 404): lambda c, s: c.put(f"/contact_tags/{NOBODY}", {}),
    ("PUT", "/contact_tags/{tag_id}", 409): lambda c, s: (
        c.post("/contact_tags", {"name": "B"}),
        c.put(f"/contact_tags/{furnish(c, s)['tag']}", {"name": "B"}),
    ),
    ("DELETE", "/contact_tags/{tag_id}", 202): lambda c, s: c.delete(
        f"/contact_tags/{furnish(c, s)['tag']}"
    ),
    ("DELETE", "/contact_tags/{tag_id}", 400): lambda c, s: c.delete("/contact_tags/x"),
    ("DELETE", "/contact_tags/{tag_id}", 404): lambda c, s: c.delete(f"/contact_tags/{NOBODY}"),
}
