"""The audience read back: what people changed there is shown, and by choice sent again."""

import csv
import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from sync.api import contacts
from sync.errors import ExitCode
from sync.recording import Recording
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith
from tests.integration.engine.test_tags import TAGGED, tags_of

LEFT, AGAIN = "left as it is", "to be sent again"
NOT_BACK = "noted, and not put back"
CONTACTS = "/v3/contacts"
Line = tuple[str, str, str, str, str]


def drift(recording: Recording) -> list[Line]:
    """(address, field, ours, theirs, done) of the drift file, sorted."""
    assert recording.drift is not None
    if not recording.drift.path.exists():
        return []
    with Path(recording.drift.path).open(encoding="utf-8-sig", newline="") as file:
        return sorted(
            (row["address"], row["field"], row["ours"], row["theirs"], row["done"])
            for row in csv.DictReader(file)
        )


def edit(company: Company, email: str, change: Callable[[dict[str, Any]], None]) -> None:
    """What the product's pages do with all that `user_edit` can't."""
    found = company.sandbox.people.contact(email)
    change(found)
    address = f"{company.sandbox.api_url}/contacts/{found.pop('contact_id')}"
    found |= {"email_address": {"address": email}, "update_source": "Account"}
    answer = requests.put(
        address,
        json=_without_what_only_comes_back(found),
        headers={"Authorization": f"Bearer {company.vault.access_token()}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def _without_what_only_comes_back(found: dict[str, Any]) -> dict[str, Any]:
    """As the contract's ContactPutRequest wants it."""
    only = ("create_source", "created_at", "updated_at", "phone_number_id", "street_address_id")
    body = {name: value for name, value in found.items() if name not in (*only, "taggings")}
    for array in ("phone_numbers", "street_addresses"):
        body[array] = [
            {name: value for name, value in each.items() if name not in (*only, "update_source")}
            for each in body[array]
        ]
    return body


def test_an_audience_as_it_was_sent_has_no_drift(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    recording = company.verify()
    assert (recording.exit_code, recording.counts.drift) == (ExitCode.DONE, 0)
    assert recording.message == "30 contacts read back: all are there as they were sent."
    assert recording.drift is not None
    assert not recording.drift.path.exists()


def test_the_whole_story_on_each_kind_of_database(
    company_with: CompanyWith, state_url: str
) -> None:
    company = company_with(state_url, lists={"names": ["Customers", "News"]})
    company.has(*people(30), first_name="Zoë", last_name="O'Hara", city="Åre")
    company.sync()
    company.verify()
    company.next_day()
    there = company.sandbox.people
    there.user_edit("p1@example.com", {"first_name": "Łukasz", "last_name": None})
    there.leave_list("p2@example.com", "News")
    there.unsubscribe("p3@example.com")
    there.user_delete("p4@example.com")
    there.user_edit("p5@example.com", {"email_address": "other@example.com"})
    recording = company.verify(repair=True)
    assert drift(recording) == [
        ("p1@example.com", "first_name", "Zoë", "Łukasz", AGAIN),
        ("p1@example.com", "last_name", "O'Hara", "", AGAIN),
        ("p2@example.com", "list", "News", "", NOT_BACK),
        ("p5@example.com", "contact", "there", "missing", NOT_BACK),
    ]
    assert (recording.exit_code, recording.counts.drift) == (ExitCode.DONE_WITH_DRIFT, 2)
    counts = company.sync().counts
    assert (counts.changed, counts.confirmed, counts.opted_out) == (1, 1, 2)
    assert counts.balanced
    audience = there.audience()
    assert (audience["p1@example.com"]["first_name"], audience["p1@example.com"]["last_name"]) == (
        "Zoë",
        "O'Hara",
    )
    assert company.lists_of("p2@example.com") == ["Customers"]
    assert company.lists_of("p3@example.com") == []
    assert not {"p4@example.com", "p5@example.com"} & audience.keys()
    again = company.verify(repair=True)
    assert drift(again) == [("p5@example.com", "contact", "there", "missing", NOT_BACK)]


def test_what_is_left_is_shown_each_time_and_no_sync_overwrites_it(company: Company) -> None:
    company.has(*people(30), first_name="Ada", last_name="Lovelace")
    company.sync()
    company.sandbox.people.user_edit("p7@example.com", {"first_name": "Gussie"})
    for _ in range(3):
        recording = company.verify()
        assert drift(recording) == [("p7@example.com", "first_name", "Ada", "Gussie", LEFT)]
        assert recording.exit_code is ExitCode.DONE_WITH_DRIFT
        company.next_day()
        assert company.sync().counts.unchanged == 30
    assert company.sandbox.people.audience()["p7@example.com"]["first_name"] == "Gussie"


def test_a_value_that_the_source_takes_over_from_there_is_not_sent_again(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.sandbox.people.user_edit("p7@example.com", {"first_name": "Gussie"})
    company.verify(repair=True)
    company.has("p7@example.com", first_name="Gussie")
    counts = company.sync().counts
    assert (counts.changed, counts.unchanged) == (0, 30)


COLUMNS = {
    "birthday": "1990-02-28",
    "anniversary": "2006-11-15",
    "job_title": "Curator",
    "company_name": "Example & Sons",
    "home_phone": "+1 508 555 0100",
    "work_phone": "508-555-0101",
    "mobile_phone": "(508) 555-0102",
    "street": "1 Main St",
    "street2": "Apt 2",
    "city": "Köln",
    "state": "MA",
    "zip": "02118",
    "country": "Norway",
    "work_street": "9 Wharf",
    "work_zip": "5003",
}
# Type, choices, and the source's value of custom fields.
CUSTOM: dict[str, tuple[str, tuple[str, ...], str]] = {
    "member_no": ("string", (), "007"),
    "joined": ("date", (), "2020-01-31"),
    "balance": ("number", (), "12.50"),
    "agreed_to": ("boolean", (), "yes"),
    "shade": ("single_select", ("blue", "red"), "blue"),
    "likes": ("multi_select", ("art", "music"), "art; music"),
    "visited": ("datetime", (), "2026-11-24T03:30:00Z"),
    "spent": ("currency", (), "1200.50"),
    "remark": ("text_area", (), "Two\nlines"),
}


@pytest.fixture
def rich(company_with: CompanyWith) -> Company:
    """A company that sends every kind of field."""
    custom = {name: {"column": name, "type": kind} for name, (kind, _, _) in CUSTOM.items()}
    columns = {name: name for name in ("email", *COLUMNS)}
    company = company_with(mapping={"columns": columns, "custom_fields": custom})
    for name, (kind, choices, _) in CUSTOM.items():
        company.sandbox.people.add_field(name, kind, choices=choices)
    company.has(*people(3), **COLUMNS, **{name: value for name, (_, _, value) in CUSTOM.items()})
    recording = company.sync()
    assert recording.counts.confirmed == 3, company.rejects(recording)
    return company


def test_no_kind_of_field_is_drift_when_nobody_touched_it(rich: Company) -> None:
    assert drift(rich.verify()) == []


def _other(company: Company, found: dict[str, Any]) -> None:
    """Another value in every field."""
    found |= {"job_title": "Director", "company_name": "Ltd", "anniversary": "2007-11-15"}
    found |= {"birthday_month": 3, "birthday_day": 1}
    for phone in found["phone_numbers"]:
        phone["phone_number"] = "508-555-0199"
    for address in found["street_addresses"]:
        parts = {"street": "2 Quay", "city": "Oslo", "state": "NY", "postal_code": "1"}
        parts["country"] = "Peru"
        address |= {name: value for name, value in parts.items() if name in address}
    names = {each.custom_field_id: each.name for each in company.sandbox.people.fields()}
    values = {"member_no": "8", "joined": "2020-02-01", "balance": "13", "agreed_to": "false"}
    values |= {"visited": "2026-11-25T03:30:00Z", "spent": "1", "remark": "Two lives"}
    for custom in found["custom_fields"]:
        if "choice_ids" in custom:
            custom["choice_ids"] = ["2"]
        if names[custom["custom_field_id"]] in values:
            custom["value"] = values[names[custom["custom_field_id"]]]


def _nothing(company: Company, found: dict[str, Any]) -> None:
    """No value in any field."""
    kept = {"contact_id", "email_address", "list_memberships"}
    arrays = ("phone_numbers", "street_addresses", "custom_fields")
    for name in [name for name in found if name not in kept]:
        del found[name]
    found |= {name: [] for name in arrays}


@pytest.mark.parametrize("change", [_other, _nothing])
def test_every_kind_of_field_is_found_and_mended(
    rich: Company, change: Callable[[Company, dict[str, Any]], None]
) -> None:
    before = rich.sandbox.people.audience()
    edit(rich, "p1@example.com", lambda found: change(rich, found))
    found = {field for _, field, _, _, _ in drift(rich.verify(repair=True))}
    fields = {"birthday_month", "birthday_day", *COLUMNS, *(f"cf:{name}" for name in CUSTOM)}
    fields.remove("birthday")
    assert found == fields
    assert rich.sync().counts.changed == 1
    assert rich.sandbox.people.audience() == before
    assert drift(rich.verify()) == []


def test_a_custom_field_that_is_not_mapped_any_more_is_compared_still(
    company_with: CompanyWith,
) -> None:
    company = company_with(mapping={"custom_fields": {"member_no": "number"}})
    company.sandbox.people.add_field("member_no")
    company.has(*people(3), number="007")
    company.sync()
    company.settings = company_with().settings
    assert drift(company.verify()) == []


@pytest.mark.parametrize("repair", [False, True])
def test_a_tag_that_somebody_took_away_is_drift_and_given_again_by_choice(
    company_with: CompanyWith, state_url: str, repair: bool
) -> None:
    company = company_with(state_url, **TAGGED)
    company.sandbox.people.add_tag("vip")
    company.has(*people(30), grade="gold")
    company.sync()
    there = company.sandbox.people
    there.user_tag("p1@example.com", "vip")  # nobody's but theirs
    there.user_untag("p2@example.com", "gold")
    recording = company.verify(repair=repair)
    assert drift(recording) == [("p2@example.com", "tag", "gold", "", AGAIN if repair else LEFT)]
    assert (recording.exit_code, recording.counts.drift) == (ExitCode.DONE_WITH_DRIFT, 1)
    company.next_day()
    counts = company.sync().counts
    assert (counts.tagged, counts.changed) == ((1, 1) if repair else (0, 0))
    kept = ["from-erp", "gold"] if repair else ["from-erp"]
    assert tags_of(company, "p2@example.com") == kept
    assert tags_of(company, "p1@example.com") == ["from-erp", "gold", "vip"]
    assert bool(drift(company.verify())) is not repair


def test_a_list_that_was_left_without_a_trace_is_noted_and_never_put_back(
    company_with: CompanyWith,
) -> None:
    company = company_with(lists={"names": ["Customers", "News"]})
    company.sandbox.settings = replace(
        company.sandbox.settings, list_removal_moves_updated_at=False
    )
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.next_day()
    company.sandbox.people.leave_list("p1@example.com", "News")
    recording = company.verify(repair=True)
    assert drift(recording) == [("p1@example.com", "list", "News", "", NOT_BACK)]
    assert (recording.exit_code, recording.counts.drift) == (ExitCode.DONE, 0)
    assert "as they were sent, but for lists that people left" in recording.message
    assert drift(company.verify()) == []
    company.has("p1@example.com", first_name="Grace")
    assert company.sync().counts.confirmed == 1
    assert company.lists_of("p1@example.com") == ["Customers"]


def test_who_unsubscribed_or_was_deleted_is_noted_and_is_no_drift(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.next_day()
    for email in ("p1@example.com", "p2@example.com"):
        company.sandbox.people.user_edit(email, {"first_name": "Grace"})
    company.sandbox.people.unsubscribe("p1@example.com")
    company.sandbox.people.user_delete("p2@example.com")
    recording = company.verify(repair=True)
    assert (drift(recording), recording.exit_code) == ([], ExitCode.DONE)
    assert company.dry_run().counts.opted_out == 2
    company.has(*people(3), last_name="Hopper")
    assert company.sync().counts.confirmed == 1
    assert company.on_a_list() == {*people(30)} - {"p1@example.com", "p2@example.com"}


def test_who_has_never_arrived_is_sent_again(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    # Nobody has seen them there, so what the import said of them proves nothing.
    company.sandbox.people.user_edit("p3@example.com", {"email_address": "x@example.com"})
    recording = company.verify()
    assert drift(recording) == [("p3@example.com", "contact", "there", "missing", LEFT)]
    assert company.sync().counts.unchanged == 30
    recording = company.verify(repair=True)
    assert drift(recording) == [("p3@example.com", "contact", "there", "missing", AGAIN)]
    assert company.sync().counts.new == 1
    assert drift(company.verify()) == []


def test_who_is_neither_there_nor_in_the_source_any_more_is_forgotten(company: Company) -> None:
    company.has(*people(30), first_name="Ada")
    company.sync()
    company.verify()
    company.next_day()
    company.sandbox.people.user_edit("p3@example.com", {"email_address": "x@example.com"})
    del company.rows["p3@example.com"]
    assert company.sync().counts.gone == 1
    assert drift(company.verify()) == []
    assert company.sync().counts.gone == 0


def test_a_page_that_was_skipped_makes_nobody_missing(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.has(*people(200), first_name="Ada")
    company.sync()
    company.sandbox.people.user_edit("p60@example.com", {"first_name": "Grace"})
    whole = contacts.whole_audience

    def without_some(session: Any) -> Iterator[Any]:
        return (each for number, each in enumerate(whole(session)) if not 20 < number < 120)

    # Whether pages shift while contacts come and go is chance.
    monkeypatch.setattr(contacts, "whole_audience", without_some)
    recording = company.verify(repair=True)
    assert drift(recording) == [("p60@example.com", "first_name", "Ada", "Grace", AGAIN)]
    assert recording.drift is not None
    assert recording.drift.compared == 200


def test_many_pages_are_compared_in_the_fewest_requests(company: Company) -> None:
    company.has(*people(5_000), first_name="Ada")
    company.sync()
    for number in (0, 499, 500, 2_750, 4_999):
        company.sandbox.people.user_edit(f"p{number}@example.com", {"first_name": "Grace"})
    before = company.sandbox.requests()[-1].number
    recording = company.verify(repair=True)
    asked = [entry.path for entry in company.sandbox.requests(path="/v3", since=before)]
    assert asked.count(CONTACTS) == 10
    # Whose account it is, and the names of its custom fields.
    assert len(asked) == recording.counts.requests <= 12
    assert recording.counts.drift == 5
    assert recording.message == (
        "5,000 contacts read back, 5 otherwise than sent; the next sync sends again what the "
        "source owns."
    )
    counts = company.sync().counts
    assert (counts.changed, counts.unchanged) == (5, 4_995)
    assert company.verify().counts.drift == 0


def test_what_people_wrote_there_is_text_in_the_file_and_in_the_report(company: Company) -> None:
    company.has(*people(3), first_name="Ada")
    company.sync()
    company.sandbox.people.user_edit("p1@example.com", {"first_name": "=1+1"})
    company.sandbox.people.user_edit("p2@example.com", {"first_name": "<b>[/x]"})
    recording = company.verify()
    assert [theirs for _, _, _, theirs, _ in drift(recording)] == ["'=1+1", "<b>[/x]"]
    assert recording.drift is not None
    assert recording.drift.path.stat().st_mode & 0o077 == 0
    assert recording.record is not None
    assert recording.record.report is not None
    report = recording.record.report.read_text()
    assert html.escape("<b>[/x]") in report
    assert "<b>[/x]" not in report
    assert str(recording.drift.path) in report
