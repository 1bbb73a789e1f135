"""People with a new address stay the contacts that they are, with their lists and opt-outs."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from sync.api import contacts
from sync.cli.summary import show_summary
from sync.errors import ExitCode, GuardStopped, OutcomeUnknown
from sync.recording import Recording
from sync.run import Run
from sync.sandbox import Fault
from sync.sandbox.faults import Kind
from sync.state.schema import api_day, contact, observation
from sync.state.upsert import upsert
from tests.integration.engine import program
from tests.integration.engine.company import Company, people
from tests.integration.engine.conftest import CompanyWith
from tests.integration.engine.test_clearing import puts, there

BOTH = {"lists": {"names": ["Customers", "News"]}}
KEYED = {**BOTH, "source": {"key_column": "no"}, "guard": {"max_changed_percent": 100}}
OLD, NEW = "p1@example.com", "ann@new.example.com"


def move(company: Company, old: str, new: str, **values: str) -> None:
    """The source has another address of the same row."""
    company.rows = {
        new if email == old else email: {**row, **values} if email == old else row
        for email, row in company.rows.items()
    }


def known(company: Company) -> dict[str, str | None]:
    """The keys of the contacts that the state knows, by address."""
    with company.store.read() as connection:
        rows = connection.execute(select(contact.c.email, contact.c.source_key))
        return {row.email: row.source_key for row in rows}


def addresses(company: Company, *, deleted: bool = False) -> set[str]:
    """Everybody who is there."""
    found = company.sandbox.people.contacts(deleted=deleted)
    return {each["email_address"]["address"] for each in found}


def leave(company: Company, requests: int) -> None:
    """So many requests are left today."""
    api = company.settings.api
    day = {"application": company.settings.oauth.client_id, "utc_day": str(company.clock().date())}
    used = api.requests_per_day - api.requests_reserved - requests
    with company.store.write() as connection:
        upsert(connection, api_day, [{**day, "used": used}], update=["used"])


def fill(company: Company) -> Company:
    """Thirty people with keys, whom the account has."""
    for number, email in enumerate(people(30)):
        company.has(email, no=f"C-{number}", first_name="Ann", job_title="Countess")
    company.sync()
    company.next_day()
    return company


@pytest.fixture
def town(company_with: CompanyWith) -> Company:
    return fill(company_with(**KEYED))


def test_a_new_address_changes_the_contact_on_each_kind_of_database(
    company_with: CompanyWith, state_url: str
) -> None:
    town = fill(company_with(state_url, **KEYED))
    town.sandbox.people.set_permission(OLD, "explicit")
    before = there(town, OLD)
    move(town, OLD, NEW, first_name="Anne", job_title="")
    recording = town.sync()
    counts = recording.counts
    assert (counts.new, counts.changed, counts.unchanged, counts.gone) == (0, 1, 29, 0)
    assert (counts.readdressed, counts.cleared, counts.confirmed) == (1, 1, 1)
    assert counts.balanced
    del before["job_title"]
    before["first_name"] = "Anne"
    before["email_address"]["address"] = NEW
    assert there(town, NEW) == before
    assert addresses(town, deleted=True) == {*people(30), NEW} - {OLD}
    assert known(town)[NEW] == "C-1"
    assert OLD not in known(town)
    for put in puts(town):
        assert set(put.body["email_address"]) == {"address"}
        assert not {"list_memberships", "taggings", "notes", "sms_channel"} & set(put.body)
    town.next_day()
    again = town.sync()
    assert (again.counts.unchanged, again.counts.requests) == (30, again.counts.requests)
    move(town, NEW, OLD)
    town.next_day()
    assert town.sync().counts.readdressed == 1
    assert addresses(town) == set(people(30))


def test_keys_that_are_configured_later_are_learnt_from_who_is_unchanged(
    company_with: CompanyWith, state_url: str
) -> None:
    town = fill(company_with(state_url, **BOTH))
    assert set(known(town).values()) == {None}
    rows = town.rows
    town = company_with(state_url, **KEYED)
    town.rows = rows
    assert town.sync().counts.unchanged == 30
    assert known(town)["p7@example.com"] == "C-7"
    town.next_day()
    move(town, OLD, NEW)
    assert town.sync().counts.readdressed == 1


def test_without_a_key_column_a_new_address_is_a_new_contact(company_with: CompanyWith) -> None:
    town = fill(company_with(**BOTH))
    move(town, OLD, NEW)
    counts = town.sync().counts
    assert (counts.new, counts.readdressed, counts.gone) == (1, 0, 1)
    assert {OLD, NEW} <= addresses(town)


def test_a_plan_tells_the_new_addresses_and_changes_none(town: Company) -> None:
    town.vault.access_token()
    move(town, OLD, NEW)
    counts = town.dry_run().counts
    assert (counts.new, counts.changed, counts.readdressed, counts.gone) == (0, 1, 1, 0)
    assert puts(town) == []
    assert OLD in known(town)


def test_the_terminal_and_the_report_show_new_addresses_and_cleared_fields(
    town: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    town.vault.access_token()
    move(town, OLD, NEW, job_title="")
    for recording, cleared in ((town.dry_run(), "to be cleared"), (town.sync(), "cleared")):
        capsys.readouterr()
        show_summary(recording)
        shown = capsys.readouterr().out
        assert "+ changed (1 by a new address)" in shown
        assert f"with emptied fields, {cleared} there" in shown
        assert recording.record is not None
        assert recording.record.report is not None
        page = recording.record.report.read_text()
        assert "Changed by a new address" in page
        assert f"With emptied fields, {cleared} there" in page


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_list_that_was_left_under_the_former_address_is_not_joined_again(
    town: Company, monkeypatch: pytest.MonkeyPatch, meanwhile: bool
) -> None:
    look = contacts.by_address

    def leave_and_look(session: Any, address: str) -> Any:
        if address == OLD:
            town.sandbox.people.leave_list(OLD, "News")
        return look(session, address)

    if meanwhile:
        monkeypatch.setattr(contacts, "by_address", leave_and_look)
    else:
        town.sandbox.people.leave_list(OLD, "News")
    move(town, OLD, NEW)
    for _ in range(2):
        town.sync()
        assert town.lists_of(NEW) == ["Customers"]
        town.next_day()
        town.has(NEW, first_name="Grace")


@pytest.mark.parametrize("ended", ["unsubscribe", "user_unsubscribe", "user_delete"])
def test_who_ended_it_under_the_former_address_is_not_sent_under_the_new_one(
    town: Company, ended: str
) -> None:
    getattr(town.sandbox.people, ended)(OLD)
    move(town, OLD, NEW)
    for _ in range(3):
        recording = town.sync()
        assert (recording.counts.opted_out, recording.counts.confirmed) == (1, 0)
        assert recording.counts.balanced
        [(email, code, reason)] = town.rejects(recording)
        assert email == NEW
        assert code == ("deleted" if "delete" in ended else "unsubscribed")
        assert f"under the former address {OLD}" in reason
        town.next_day()
    assert NEW not in addresses(town, deleted=True)
    assert puts(town) == []


def test_with_deleted_contacts_to_be_revived_the_new_address_is_a_new_contact(
    company_with: CompanyWith,
) -> None:
    town = fill(company_with(**KEYED, observe={"revive_deleted": True}))
    town.sandbox.people.user_delete(OLD)
    move(town, OLD, NEW)
    for new in (1, 0):
        assert town.sync().counts.new == new
        assert NEW in addresses(town)
        assert OLD not in addresses(town)
        town.next_day()
    town.sandbox.people.unsubscribe("p2@example.com")
    town.sandbox.people.user_delete("p2@example.com")
    move(town, "p2@example.com", "p2@new.example.com")
    assert town.sync().counts.opted_out == 1
    assert "p2@new.example.com" not in addresses(town, deleted=True)


def test_what_was_told_of_the_former_address_alone_is_told_no_more(town: Company) -> None:
    town.sandbox.people.bounce(OLD)
    town.sync()
    move(town, OLD, NEW)
    town.next_day()
    assert town.sync().counts.readdressed == 1
    with town.store.read() as connection:
        told = connection.scalars(select(observation.c.email).where(observation.c.kind == "held"))
        assert set(told) <= {NEW}


def test_who_comes_back_gets_the_new_address(town: Company) -> None:
    town.sandbox.people.unsubscribe(OLD)
    move(town, OLD, NEW)
    town.sync()
    town.sandbox.people.confirm(OLD)
    town.next_day()
    assert town.sync().counts.readdressed == 1
    assert there(town, NEW)["email_address"]["permission_to_send"] == "explicit"


def test_who_ends_it_while_the_run_goes_on_waits_and_is_left_out_then(
    town: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    move(town, OLD, NEW)
    look = contacts.by_address

    def meanwhile(session: Any, address: str) -> Any:
        if address == OLD:
            town.sandbox.people.unsubscribe(OLD)
        return look(session, address)

    monkeypatch.setattr(contacts, "by_address", meanwhile)
    counts = town.sync().counts
    assert (counts.unchanged, counts.changed, counts.readdressed, counts.gone) == (30, 0, 0, 0)
    assert counts.balanced
    town.next_day()
    assert town.sync().counts.opted_out == 1
    assert NEW not in addresses(town, deleted=True)


def test_an_address_that_another_contact_has_there_is_sent_as_anybody_s_and_told(
    town: Company,
) -> None:
    town.sandbox.people.add_contact(NEW, core={"job_title": "Duchess"})
    move(town, OLD, NEW)
    recording = town.sync()
    counts = recording.counts
    assert (counts.new, counts.changed, counts.readdressed, counts.gone) == (1, 0, 0, 1)
    assert (counts.warnings, recording.exit_code) == (1, ExitCode.DONE)
    [(kind, code)] = recording.rejects.reasons
    assert (kind.value, code) == ("warning", "address_taken")
    assert OLD in recording.rejects.samples[kind, code][0].reason
    assert there(town, NEW)["job_title"] == "Countess"
    assert {OLD, NEW} <= addresses(town)
    town.next_day()
    again = town.sync()
    assert (again.counts.unchanged, again.counts.warnings) == (30, 0)


def test_an_address_that_is_refused_is_told(town: Company) -> None:
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=400))
    move(town, OLD, NEW)
    recording = town.sync()
    assert (recording.counts.new, recording.counts.warnings) == (1, 1)
    [(_, code)] = recording.rejects.reasons
    assert code == "address_refused"


@pytest.mark.parametrize("taken", [True, False])
def test_a_list_that_was_left_is_not_joined_by_the_second_contact_either(
    town: Company, taken: bool
) -> None:
    town.sandbox.people.leave_list(OLD, "News")
    move(town, OLD, NEW)
    if taken:
        town.sandbox.people.add_contact(NEW)
    else:
        town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=400))
    for _ in range(2):
        town.sync()
        assert town.lists_of(NEW) == ["Customers"]
        town.next_day()
        town.has(NEW, first_name="Grace")


def test_a_clash_of_edits_is_tried_again_and_then_waits_for_another_day(town: Company) -> None:
    move(town, OLD, NEW)
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=409, count=3))
    counts = town.sync().counts
    assert (counts.unchanged, counts.readdressed, counts.gone) == (30, 0, 0)
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=409, count=1))
    assert town.sync().counts.readdressed == 1
    assert addresses(town, deleted=True) == {*people(30), NEW} - {OLD}


@pytest.mark.parametrize("after_work", [True, False])
@pytest.mark.parametrize("kind", ["drop", "html"])
def test_a_lost_answer_is_looked_after(town: Company, kind: Kind, after_work: bool) -> None:
    lost = Fault(kind, "/v3/contacts/*", "PUT", after_work=after_work, status=502, count=1)
    town.sandbox.add_fault(lost)
    move(town, OLD, NEW)
    assert town.sync().counts.readdressed == 1
    assert len(puts(town)) == (1 if after_work else 2)
    assert addresses(town, deleted=True) == {*people(30), NEW} - {OLD}


def test_answers_that_are_lost_for_ever_end_the_run_before_anything_is_sent(town: Company) -> None:
    town.sandbox.add_fault(Fault("drop", "/v3/contacts/*", "PUT", count=3))
    move(town, OLD, NEW)
    with pytest.raises(OutcomeUnknown):
        town.sync()
    assert len(town.imports()) == 1
    assert town.sync().counts.readdressed == 1


@pytest.mark.parametrize(
    ("module", "function"),
    [
        ("sync.api.contacts", "rewrite"),
        ("sync.state.address_changes", "note_id"),
        ("sync.state.address_changes", "rename"),
        ("sync.api.imports", "post_import"),
        ("sync.state.uncleared", "waiting"),
    ],
)
def test_a_kill_at_any_step_makes_no_second_contact(
    town: Company, module: str, function: str
) -> None:
    move(town, OLD, NEW, job_title="")
    contact_id = there(town, OLD)["contact_id"]
    town.write()
    process = multiprocessing.get_context("forkserver").Process(
        target=program.sync_and_die, args=(town.settings, town.clock.offset, module, function)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    town.next_day()
    town.sync()
    found = there(town, NEW)
    assert (found["contact_id"], found.get("job_title")) == (contact_id, None)
    assert addresses(town, deleted=True) == {*people(30), NEW} - {OLD}
    assert set(known(town)) == {*people(30), NEW} - {OLD}
    changed = [put for put in puts(town) if put.body["email_address"]["address"] == NEW]
    assert len(changed) == 2  # the address, and the title
    town.next_day()
    assert town.sync().counts.unchanged == 30


def test_a_contact_whose_address_somebody_changed_there_is_recognised(town: Company) -> None:
    contact_id = there(town, OLD)["contact_id"]
    move(town, OLD, NEW)
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=409, count=3))
    town.sync()  # since then its id is known
    town.sandbox.people.user_edit(OLD, {"email_address": NEW})
    before = len(puts(town))
    town.next_day()
    assert town.sync().counts.readdressed == 1
    assert len(puts(town)) == before
    assert there(town, NEW)["contact_id"] == contact_id


@pytest.mark.parametrize("taken", [False, True])
def test_a_contact_that_was_erased_there_is_new_under_the_new_address(
    town: Company, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    if taken:
        town.sandbox.people.add_contact(NEW)
    move(town, OLD, NEW)
    look = contacts.by_address
    monkeypatch.setattr(contacts, "by_address", lambda s, a: None if a == OLD else look(s, a))
    counts = town.sync().counts
    assert (counts.new, counts.readdressed, counts.confirmed) == (1, 0, 1)


def test_keys_that_the_source_has_twice_are_nobody_s(town: Company) -> None:
    town.has("p2@example.com", no="C-1")
    move(town, OLD, NEW)
    recording = town.sync()
    counts = recording.counts
    assert (counts.new, counts.readdressed, counts.warnings) == (1, 0, 1)
    [(kind, code)] = recording.rejects.reasons
    assert code == "key_ambiguous"
    assert recording.rejects.samples[kind, code][0].key == "C-1"
    assert puts(town) == []
    assert {OLD, NEW} <= addresses(town)


def test_two_new_addresses_of_one_key_are_both_told(town: Company) -> None:
    del town.rows[OLD]
    town.has(NEW, "other@new.example.com", no="C-1", first_name="Ann")
    counts = town.sync().counts
    assert (counts.new, counts.readdressed, counts.warnings) == (2, 0, 2)


def test_addresses_that_two_people_swap_are_no_new_addresses(town: Company) -> None:
    swapped = ("p1@example.com", "p2@example.com")
    ids = [there(town, email)["contact_id"] for email in swapped]
    town.has("p1@example.com", no="C-2", first_name="Grace")
    town.has("p2@example.com", no="C-1", first_name="Barbara")
    counts = town.sync().counts
    assert (counts.changed, counts.readdressed) == (2, 0)
    assert there(town, "p1@example.com")["first_name"] == "Grace"
    assert [there(town, email)["contact_id"] for email in swapped] == ids
    assert puts(town) == []
    assert known(town)["p1@example.com"] == "C-2"


def test_who_passes_an_address_on_gets_a_contact_of_its_own(town: Company) -> None:
    # p2's owner has a new address, and p1's owner has got p2's.
    move(town, "p2@example.com", NEW)
    move(town, "p1@example.com", "p2@example.com", first_name="Grace")
    counts = town.sync().counts
    assert (counts.new, counts.changed, counts.readdressed, counts.gone) == (1, 1, 0, 1)
    assert there(town, "p2@example.com")["first_name"] == "Grace"
    assert there(town, NEW)["first_name"] == "Ann"
    assert counts.warnings == 0


def test_who_passes_an_address_on_after_an_opt_out_is_not_sent(town: Company) -> None:
    town.sandbox.people.unsubscribe("p2@example.com")
    move(town, "p2@example.com", NEW)
    move(town, "p1@example.com", "p2@example.com", first_name="Grace")
    for _ in range(2):
        recording = town.sync()
        assert recording.counts.opted_out == 2
        assert {email for email, _, _ in town.rejects(recording)} == {NEW, "p2@example.com"}
        town.next_day()
    assert NEW not in addresses(town)


def test_many_new_addresses_leave_half_of_the_quota_to_the_imports(
    company_with: CompanyWith,
) -> None:
    town = fill(company_with(**KEYED, gone={"action": "delete", "after_runs": 1}))
    for email in people(30):
        move(town, email, email.replace("p", "q", 1))
    town.has("new@example.com", no="C-30", first_name="Ann")
    leave(town, 40)
    done = town.sync()
    first = done.counts
    assert 5 <= first.readdressed <= 10
    assert first.confirmed == first.readdressed + 1
    assert (first.gone, first.deleted) == (0, 0)
    assert done.notes[0].startswith(f"{30 - first.readdressed} of the new addresses")
    assert first.balanced
    town.next_day()
    second = town.sync().counts
    assert first.readdressed + second.readdressed == 30
    expected = {email.replace("p", "q", 1) for email in people(30)} | {"new@example.com"}
    assert addresses(town, deleted=True) == expected
    assert set(known(town)) == expected


def test_an_approved_plan_changes_addresses_too(company_with: CompanyWith) -> None:
    town = fill(company_with(**{**KEYED, "guard": {"max_changed": 1}}))
    move(town, OLD, NEW)
    move(town, "p2@example.com", "p2@new.example.com")
    with pytest.raises(GuardStopped):
        town.sync()
    assert puts(town) == []
    recording = town.approve(2)
    assert recording.counts.readdressed == 2
    assert recording.counts.balanced
    assert addresses(town, deleted=True) >= {NEW, "p2@new.example.com"}
    assert len(addresses(town, deleted=True)) == 30


def test_a_new_address_is_seen_in_a_partial_read_and_read_again_while_it_waits(
    company_with: CompanyWith, tmp_path: Path
) -> None:
    crm = create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
    rows = [{"email": email, "no": n, "seen": "2026-01-01"} for n, email in enumerate(people(30))]
    with crm.begin() as connection:
        connection.execute(text("CREATE TABLE people (email TEXT, no INTEGER, seen TEXT)"))
        connection.execute(text("INSERT INTO people VALUES (:email, :no, :seen)"), rows)
    source = {"path": None, "url": str(crm.url), "table": "people", "changed_column": "seen"}
    town = company_with(
        source={**source, "key_column": "no", "changed_overlap": 0},
        duplicates={"keep": "newest", "column": "seen"},
        mapping={"columns": {"email": "email"}},
    )

    def run() -> Recording:
        given = (town.settings, town.store, town.vault)
        return Run(*given, stop=town.stop, clock=town.clock).sync()

    run()
    town.next_day()
    with crm.begin() as connection:
        connection.execute(
            text("UPDATE people SET email = :new, seen = '2026-01-02' WHERE email = :old"),
            {"new": NEW, "old": OLD},
        )
        connection.execute(text("UPDATE people SET seen = '2026-02-03' WHERE no = 7"))
    town.sandbox.add_fault(Fault("status", "/v3/contacts/*", "PUT", status=409, count=3))
    for done in (0, 1):
        recording = run()
        assert recording.partial
        assert recording.counts.readdressed == done
        town.next_day()
    assert addresses(town, deleted=True) == {*people(30), NEW} - {OLD}
    crm.dispose()
