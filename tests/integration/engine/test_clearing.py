"""What the source has emptied is emptied there too, and nothing else of the contact changes."""

import json
import multiprocessing
import signal
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select

from sync import clearing
from sync.api import contacts
from sync.errors import ContractBroken, ExitCode, OutcomeUnknown
from sync.sandbox import Entry, Fault, SandboxSettings
from sync.sandbox.faults import Kind
from sync.settings.options import Api
from sync.state import uncleared
from sync.state.schema import contact
from tests.conftest import QUICK
from tests.integration.engine import program
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith, SteppedStop, sentence

ANN = "p1@example.com"
EVERYTHING = {
    "first_name": "Ann",
    "job_title": "Countess",
    "anniversary": "2006-11-15",
    "birthday": "2000-02-29",
    "mobile_phone": "+1 212 555 0142",
    "home_phone": "+1 212 555 0143",
    "street": "1 Main St",
    "street2": "Apt 2",
    "city": "Boston",
    "work_city": "Oslo",
    "member": "007",
    "colour": "red",
}
CUSTOM = {"member_no": "member", "colour": "colour"}
MAPPING = {"custom_fields": CUSTOM, "create_missing_custom_fields": True}


def puts(company: Company) -> list[Entry]:
    """The PUTs of single contacts so far."""
    return [
        entry for entry in company.sandbox.requests(path="/v3/contacts/") if entry.method == "PUT"
    ]


def there(company: Company, email: str = ANN) -> dict[str, Any]:
    """The contact as the API shows it, without the instants of changes."""

    def still(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: still(v) for k, v in value.items() if k not in ("updated_at", "update_source")
            }
        return [still(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = still(company.sandbox.people.contact(email))
    return found


def waiting(company: Company) -> dict[str, str]:
    """What is noted as not cleared, by address."""
    with company.store.read() as connection:
        rows = connection.execute(
            select(contact.c.email, contact.c.uncleared).where(contact.c.uncleared.is_not(None))
        )
        return {row.email: row.uncleared for row in rows}


@pytest.fixture
def town(company: Company) -> Company:
    """Thirty people with a title, of whom the source empties one the next day."""
    company.has(*people(30), first_name="Ann", job_title="Countess", city="Oslo")
    company.sync()
    company.next_day()
    company.has(ANN, job_title="")
    return company


def test_everything_can_be_emptied_and_the_rest_stays_on_each_kind_of_database(
    company_with: CompanyWith, state_url: str
) -> None:
    company = company_with(state_url, mapping=MAPPING)
    company.has(*people(30), **EVERYTHING)
    company.sync()
    for emptied in (("job_title", "mobile_phone", "city", "member"), ("street2", "birthday")):
        company.next_day()
        before = there(company)
        company.has(ANN, **dict.fromkeys(emptied, ""))
        recording = company.sync()
        assert (recording.counts.changed, recording.counts.cleared) == (1, 1)
        now = there(company)
        if "city" in emptied:
            del before["job_title"]
            before["phone_numbers"] = [p for p in before["phone_numbers"] if p["kind"] != "mobile"]
            del before["street_addresses"][0]["city"]
            before["custom_fields"] = now["custom_fields"]
            assert company.sandbox.people.audience()[ANN].get("cf:member_no") is None
            assert company.sandbox.people.audience()[ANN]["cf:colour"] == "red"
        else:
            del before["birthday_month"], before["birthday_day"]
            before["street_addresses"][0]["street"] = "1 Main St"
        assert now == before
    assert waiting(company) == {}
    company.next_day()
    assert company.sync().counts.unchanged == 30


@pytest.mark.parametrize(("empty", "null"), list(product(("keep", "clear"), repeat=2)))
def test_a_value_is_cleared_whatever_an_import_makes_of_empty_ones(
    town: Company, empty: Any, null: Any
) -> None:
    town.sandbox.settings = replace(QUICK, empty_string_in_import=empty, null_in_import=null)
    town.sync()
    assert "job_title" not in there(town)
    assert "" not in town.imports()[-1].body["import_data"][0].values()
    [put] = puts(town)
    assert set(put.body["email_address"]) == {"address"}
    assert set(put.body) == {"update_source", "email_address", "first_name"}


def test_what_a_person_wrote_there_into_an_emptied_field_is_cleared_and_the_rest_stays(
    town: Company,
) -> None:
    town.sandbox.people.user_edit(ANN, {"job_title": "Duchess", "last_name": "Lovelace"})
    town.sandbox.people.set_permission(ANN, "explicit")
    town.sync()
    found = there(town)
    assert (found.get("job_title"), found["last_name"]) == (None, "Lovelace")
    assert found["email_address"]["permission_to_send"] == "explicit"


def test_what_is_empty_there_already_is_not_put(town: Company) -> None:
    town.sandbox.people.user_edit(ANN, {"job_title": None})
    assert town.sync().counts.cleared == 0
    assert puts(town) == []
    assert waiting(town) == {}


def test_what_constant_contact_owns_and_what_is_mapped_no_more_is_left_alone(
    company_with: CompanyWith,
) -> None:
    company = company_with()
    company.has(*people(30), first_name="Ann", job_title="Countess", city="Oslo")
    company.sync()
    for mapping in ({"ignore": ["city"]}, {"owned_by_constant_contact": ["job_title"]}):
        company.next_day()
        company = company_with(mapping=mapping, guard={"max_changed_percent": 100})
        company.has(*people(30), first_name="Ann", job_title="Countess", city="Oslo")
        company.has(ANN, city="", job_title="Countess" if "ignore" in mapping else "")
        assert company.sync().counts.changed == 30
    assert puts(company) == []
    assert there(company)["job_title"] == "Countess"
    assert there(company)["street_addresses"][0]["city"] == "Oslo"


def test_a_plan_tells_what_would_be_cleared_and_clears_nothing(town: Company) -> None:
    town.vault.access_token()
    recording = town.dry_run()
    assert (recording.counts.changed, recording.counts.cleared) == (1, 1)
    assert puts(town) == []
    assert there(town)["job_title"] == "Countess"


def test_who_unsubscribed_or_was_deleted_meanwhile_is_not_touched(
    town: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.has("p2@example.com", "p3@example.com", job_title="")
    to_clear = uncleared.waiting

    def meanwhile(*asked: Any) -> Any:
        town.sandbox.people.user_delete(ANN)
        town.sandbox.people.unsubscribe("p2@example.com")
        return to_clear(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(uncleared, "waiting", meanwhile)
        assert town.sync().counts.cleared == 1
    town.next_day()
    before = len(town.sandbox.requests(path="/v3/contacts"))
    assert town.sync().counts.cleared == 0
    assert len(puts(town)) == 1
    assert town.sandbox.people.contact(ANN)["deleted_at"]
    assert not [
        e for e in town.sandbox.requests(path="/v3/contacts")[before:] if "email=" in e.query
    ]
    town.sandbox.people.confirm("p2@example.com")
    town.next_day()
    assert town.sync().counts.cleared == 1
    assert "job_title" not in there(town, "p2@example.com")
    assert list(waiting(town)) == [ANN]


def test_who_is_not_there_any_more_holds_nothing(
    town: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "by_address", lambda *_: None)
    assert town.sync().counts.cleared == 0
    assert waiting(town) == {}


@pytest.mark.parametrize("after_work", [True, False])
@pytest.mark.parametrize("kind", ["drop", "reset", "html"])
def test_a_lost_answer_is_looked_after(town: Company, kind: Kind, after_work: bool) -> None:
    lost = Fault(kind, "/v3/contacts/*", "PUT", after_work=after_work, status=502, count=1)
    town.sandbox.add_fault(lost)
    assert town.sync().counts.cleared == 1
    assert len(puts(town)) == (1 if after_work else 2)
    assert "job_title" not in there(town)
    assert waiting(town) == {}


def test_answers_that_are_lost_for_ever_end_the_run_and_the_next_one_clears(town: Company) -> None:
    town.sandbox.add_fault(Fault("drop", "/v3/contacts/*", "PUT", count=3))
    with pytest.raises(OutcomeUnknown):
        town.sync()
    town.next_day()
    recording = town.sync()
    assert (recording.counts.changed, recording.counts.cleared) == (0, 1)
    assert "job_title" not in there(town)


def test_a_permission_that_a_put_has_changed_ends_the_run_before_there_are_more(
    town: Company,
) -> None:
    town.has(*people(6), job_title="")
    answer = there(town, "p0@example.com")
    answer["email_address"]["permission_to_send"] = "not_set"
    town.sandbox.add_fault(
        Fault("status", "/v3/contacts/*", "PUT", status=200, body=json.dumps(answer))
    )
    with pytest.raises(ContractBroken) as failed:
        town.sync()
    assert "implicit of a contact not_set" in sentence(failed.value)
    assert len(puts(town)) == 1


def test_a_clash_of_edits_is_tried_again(town: Company) -> None:
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=409, count=1))
    recording = town.sync()
    assert (recording.counts.cleared, recording.counts.refused) == (1, 0)


@pytest.mark.parametrize("status", [400, 409])
def test_what_is_refused_is_told_and_tried_again_another_day(town: Company, status: int) -> None:
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=status))
    for _ in range(2):
        recording = town.sync()
        assert (recording.counts.cleared, recording.counts.refused) == (0, 1)
        assert recording.exit_code is ExitCode.DONE_WITH_REJECTS
        [(email, code, reason)] = town.rejects(recording)
        assert (email, code) == (ANN, "not_cleared")
        assert f"HTTP {status}" in reason
        town.next_day()
    town.sandbox.clear_faults()
    assert town.sync().counts.cleared == 1


def test_what_the_quota_does_not_allow_today_is_cleared_tomorrow(
    company_with: CompanyWith,
) -> None:
    company = company_with()
    company.has(*people(30), first_name="Ann", job_title="Countess")
    company.sync()
    company.next_day()
    company.has(*people(6), job_title="")
    company.sandbox.settings = replace(QUICK, requests_per_day=10_000)
    company.sandbox.use_quota(10_000 - 16)
    recording = company.sync()
    assert recording.exit_code is ExitCode.DONE
    assert 0 < recording.counts.cleared < 6
    [note] = recording.notes
    assert "the next run clears the rest" in note
    company.next_day()
    rest = company.sync()
    assert (rest.counts.changed, rest.counts.confirmed) == (0, 0)
    assert rest.counts.cleared == 6 - recording.counts.cleared
    assert [there(company, email).get("job_title") for email in people(6)] == [None] * 6
    assert len([put for put in puts(company) if put.status == 200]) == 6


def test_who_is_revived_is_cleared_in_the_same_run(
    company_with: CompanyWith, switches: SandboxSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = company_with(observe={"revive_deleted": True, "full_every_runs": 1})
    company.sandbox.settings = replace(switches, deleted_on_import="revive")
    company.has(*people(3), first_name="Ann", job_title="Countess")
    company.sync()
    company.next_day()
    company.has(ANN, job_title="")
    with monkeypatch.context() as patched:
        patched.setattr(clearing, "rewritten", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            company.sync()
    company.sandbox.people.user_delete(ANN)
    company.next_day()
    recording = company.sync()
    assert company.imported() == [ANN]
    assert recording.counts.cleared == 1
    assert "job_title" not in there(company)


def test_a_field_that_is_filled_again_is_not_cleared(
    town: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(clearing, "rewritten", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            town.sync()
    assert waiting(town) == {ANN: '["job_title"]'}
    town.next_day()
    town.has(ANN, job_title="Duchess")
    # Its import fails, so that the account holds the old value still.
    town.sandbox.add_fault(Fault("status", "/v3/activities/contacts_json_import", status=400))
    town.sync()
    assert there(town)["job_title"] == "Countess"
    assert waiting(town) == {ANN: '["job_title"]'}
    town.sandbox.clear_faults()
    town.days_pass(Api().refused_again_days)
    town.sync()
    assert there(town)["job_title"] == "Duchess"
    assert waiting(town) == {}
    assert puts(town) == []


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("sync.api.contacts", "rewrite"),
        ("sync.state.uncleared", "waiting"),
        ("sync.state.uncleared", "cleared"),
        ("sync.api.imports", "get_activity"),
        ("sync.state.outbox", "_mark_refused"),
    ],
)
def test_a_kill_at_any_step_costs_nothing(town: Company, module: str, function: str) -> None:
    town.write()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.engine.program"])
    given = (town.settings, town.clock.offset, module, function)
    process = context.Process(target=program.sync_and_die, args=given)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    town.next_day()
    town.sync()
    assert "job_title" not in there(town)
    assert waiting(town) == {}
    assert len(puts(town)) == 1
    assert len(town.imports()) == 2


def test_a_stop_between_two_contacts_loses_none(
    town: Company, stop: SteppedStop, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.has(*people(6), job_title="")
    rewrite = contacts.rewrite

    def stop_after(*asked: Any) -> None:
        rewrite(*asked)
        if len(puts(town)) == 3:
            stop.request()

    monkeypatch.setattr(contacts, "rewrite", stop_after)
    with pytest.raises(Exception, match="asked to stop"):
        town.sync(stop)
    assert len(waiting(town)) == 3
    town.next_day()
    assert town.sync(SteppedStop(town.clock)).counts.cleared == 3
    assert len(puts(town)) == 6


def test_a_number_for_text_messages_can_t_be_cleared_and_that_is_told_once(
    company_with: CompanyWith,
) -> None:
    columns = {name: name for name in ("email", "sms_number", "sms_consent_date")}
    company = company_with(mapping={"columns": columns})
    company.has(*people(30), sms_number="", sms_consent_date="")
    company.has(ANN, sms_number="781-555-1212", sms_consent_date="2026-01-31")
    company.sync()
    company.next_day()
    company.has(ANN, sms_number="", sms_consent_date="")
    recording = company.sync()
    assert recording.exit_code is ExitCode.DONE
    assert recording.counts.warnings == 1
    assert "sms_channel" in there(company)
    assert puts(company) == []
    company.next_day()
    assert company.sync().counts.warnings == 0
