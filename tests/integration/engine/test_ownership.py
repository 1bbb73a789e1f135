"""Fields that Constant Contact owns: sent with a new contact, and then left alone."""

from typing import Any

import pytest

from sync.contact.remote import place_of
from sync.errors import ConfigurationError, ExitCode, GuardStopped
from sync.state import kept_plans
from sync.state.planned import GroupNames, What, planned
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith

OWNED = {"owned_by_constant_contact": ["first_name", "city", "cf:nickname"]}
MAPPED = {"custom_fields": {"nickname": "nickname"}}


def owning(company_with: CompanyWith, state_url: str | None = None, **sections: Any) -> Company:
    company = company_with(state_url, mapping={**MAPPED, **OWNED}, **sections)
    if "nickname" not in {field.name for field in company.sandbox.people.fields()}:
        company.sandbox.people.add_field("nickname")
    return company


def person(company: Company, email: str) -> dict[str, Any]:
    found: dict[str, Any] = company.sandbox.people.audience()[email]
    return found


def test_they_are_sent_once_and_then_are_neither_changed_nor_drift(
    company_with: CompanyWith, state_url: str
) -> None:
    company = owning(company_with, state_url, api={"batch_contacts": 7})
    company.has(*people(20), first_name="Zoë", city="Åre", street="1 Main St", nickname='"Z"')
    company.has(*people(20), last_name="O'Hara")
    company.has("bare@example.com", last_name="Nobody")
    recording = company.sync()
    assert (recording.counts.confirmed, recording.exit_code) == (21, ExitCode.DONE)
    assert recording.payload_bytes == sum(entry.request_bytes for entry in company.imports())
    sent = person(company, "p3@example.com")
    assert (sent["first_name"], sent["last_name"], sent["cf:nickname"]) == ("Zoë", "O'Hara", '"Z"')
    assert (sent["home_city"], sent["home_street"]) == ("Åre", "1 Main St")

    company.next_day()
    company.sandbox.people.user_edit("p3@example.com", {"first_name": "Zozo"})
    company.sandbox.people.user_edit("p4@example.com", {"first_name": None})
    assert company.verify(repair=True).counts.drift == 0
    # Changed, emptied and filled in the source.
    company.has("p5@example.com", first_name="Ada", street="2 Main St")
    company.has("p6@example.com", first_name="", city="", nickname="")
    company.has("bare@example.com", first_name="Somebody")
    counts = company.sync().counts
    assert (counts.unchanged, counts.confirmed) == (21, 0)

    company.has("p3@example.com", "p6@example.com", last_name="Hopper")
    company.has("new@example.com", first_name="Grace", last_name="Hopper")
    counts = company.sync().counts
    assert (counts.new, counts.changed, counts.confirmed) == (1, 2, 3)
    assert company.rejects(recording) == []
    third, sixth = person(company, "p3@example.com"), person(company, "p6@example.com")
    assert (third["first_name"], third["last_name"]) == ("Zozo", "Hopper")
    assert (sixth["first_name"], sixth["home_city"], sixth["cf:nickname"]) == ("Zoë", "Åre", '"Z"')
    assert person(company, "new@example.com")["first_name"] == "Grace"
    assert "first_name" not in person(company, "bare@example.com")
    assert company.verify().counts.drift == 0


def test_a_new_contact_is_read_back_with_them(company_with: CompanyWith) -> None:
    company = owning(company_with)
    company.has(*people(20), first_name="Ada", last_name="Lovelace", nickname="Countess")
    company.sandbox.people.add_contact("p3@example.com", permission="unsubscribed")
    company.sandbox.people.add_contact("p4@example.com", core={"first_name": "Gussie"})
    recording = company.sync()
    assert {email for email, _, _ in company.rejects(recording)} <= {"p3@example.com"}
    assert recording.counts.confirmed == 19


def test_a_batch_is_cut_by_what_is_really_sent(company_with: CompanyWith) -> None:
    company = owning(company_with, api={"batch_bytes": 2_000})
    company.has(*people(40), first_name="x" * 50, nickname="é" * 100)
    assert company.sync().counts.confirmed == 40
    assert all(entry.request_bytes <= 2_000 for entry in company.imports())
    company.has(*people(15), last_name="Lovelace")
    posted = len(company.imports())
    assert company.sync().counts.confirmed == 15
    # What is left out takes no room.
    assert len(company.imports()) == posted + 1


def test_rows_of_one_address_are_merged_with_them(company_with: CompanyWith) -> None:
    company = owning(company_with, duplicates={"keep": "merge"})
    path = company.settings.source.path
    assert path is not None
    rows = ["a@example.com,Ada,,Köln,", "a@example.com,,Lovelace,,", "b@example.com,,Hopper,,"]
    path.write_text("\n".join(["email,first name,last name,city,nickname", *rows]))
    company.write = lambda: None  # type: ignore[method-assign]
    recording = company.sync()
    assert (recording.counts.new, recording.counts.duplicates) == (2, 1)
    merged = person(company, "a@example.com")
    assert (merged["first_name"], merged["last_name"]) == ("Ada", "Lovelace")
    assert merged["home_city"] == "Köln"
    path.write_text(path.read_text().replace("Ada", "Augusta").replace("Köln", "Bonn"))
    assert company.sync().counts.unchanged == 2


def test_taking_fields_up_sends_all_once_without_them_when_a_person_agrees(
    company_with: CompanyWith,
) -> None:
    before = company_with(mapping=MAPPED)
    before.sandbox.people.add_field("nickname")
    before.has(*people(30), first_name="Ada", last_name="Lovelace", nickname="Countess")
    before.sync()
    before.next_day()
    before.sandbox.people.user_edit("p3@example.com", {"first_name": "Gussie"})
    before.settings = owning(company_with).settings
    assert before.verify().counts.drift == 0
    with pytest.raises(GuardStopped):
        before.sync()
    assert _fields_of_the_plan(before) == set()
    company = owning(company_with, guard={"max_changed_percent": 100})
    company.rows = before.rows
    assert company.sync().counts.changed == 30
    # Not cleared, and not overwritten.
    assert person(company, "p3@example.com")["first_name"] == "Gussie"
    assert person(company, "p4@example.com")["cf:nickname"] == "Countess"
    assert company.sync().counts.unchanged == 30
    before.settings = company_with(mapping=MAPPED, guard={"max_changed_percent": 100}).settings
    assert before.sync().counts.changed == 30
    assert person(before, "p3@example.com")["first_name"] == "Ada"


def _fields_of_the_plan(company: Company) -> set[str]:
    """What the plan that waits would change of the contacts that are there."""
    with company.store.read() as connection:
        plan = kept_plans.newest(connection, "default", dry_runs=False)
        assert plan is not None
        names = GroupNames({}, {})
        changes = planned(
            connection, "default", plan.staged_as, What.CHANGED, names, place_of=place_of
        )
        return {field.name for change in changes for field in change.fields}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("frist_name", "did you mean first_name"),
        ("cf:nikname", "did you mean cf:nickname"),
        ("email", "the address names the contact"),
    ],
)
def test_a_field_that_can_not_be_owned_is_named(
    company_with: CompanyWith, name: str, told: str
) -> None:
    company = company_with(mapping={**MAPPED, "owned_by_constant_contact": [name]})
    company.has(*people(3))
    with pytest.raises(ConfigurationError, match=told):
        company.sync()
