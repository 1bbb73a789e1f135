"""Whole syncs through the real command line, read back field by field."""

import csv
import math
import re
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office
from tests.integration.main_road.people import People, as_import, expected, make_people

SEED = 20_261_124
MAPPING = [
    "create_missing_custom_fields = true",
    'custom_fields = { member_no = "Member No.", motto = "Motto" }',
    'columns = { work_street = "Work street", work_city = "Work city" }',
]


def test_a_hundred_thousand_rows_arrive_whole_and_only_changes_follow(
    make_office: MakeOffice,
) -> None:
    print(f"seed {SEED}")
    people = make_people(100_000, SEED)
    office = make_office(mapping=MAPPING)
    # The first sync is of yesterday, so that the later ones don't read all of its changes again.
    office.sandbox.advance(-timedelta(hours=20))
    office.authorize()
    people.write(office.contacts)

    first = office.run("--run-now")
    assert first.code == ExitCode.DONE_WITH_REJECTS, first.err
    assert_counts(first.out, people, new=len(people.rows))
    payload = sum(entry.request_bytes for entry in office.imports())
    assert len(office.imports()) <= math.ceil(1.1 * payload / 3_800_000)
    assert len(office.sandbox.requests(path="/v3")) <= 11 * len(office.imports())
    assert_holds(office.sandbox, people)
    office.sandbox.advance(timedelta(hours=20))

    posted = len(office.imports())
    second = office.run("--run-now")
    assert second.code == ExitCode.DONE_WITH_REJECTS, second.err
    assert_counts(second.out, people, unchanged=len(people.rows))
    assert len(office.imports()) == posted

    for row in list(people.rows.values())[1000:1010]:
        row["City"] = "Moved Town"
    people.write(office.contacts)
    third = office.run("--run-now")
    assert_counts(third.out, people, changed=10, unchanged=len(people.rows) - 10)
    (batch,) = office.imports()[posted:]
    assert [contact["city"] for contact in batch.body["import_data"]] == ["Moved Town"] * 10


def test_the_road_is_the_same_on_every_state_database(
    make_office: MakeOffice, state_url: str
) -> None:
    people = make_people(1_000, SEED)
    office = make_office({"CONTACT_SYNC_STATE__URL": state_url}, mapping=MAPPING)
    office.authorize()
    people.write(office.contacts)
    first = office.run("--run-now")
    assert first.code == ExitCode.DONE_WITH_REJECTS, first.err
    assert_counts(first.out, people, new=len(people.rows))
    assert_holds(office.sandbox, people)
    again = office.run("--run-now")
    assert again.code == ExitCode.DONE_WITH_REJECTS, again.err
    assert_counts(again.out, people, unchanged=len(people.rows))


def test_a_row_s_own_list_is_added_to_the_common_ones(make_office: MakeOffice) -> None:
    office = make_office(
        lists=['column = "Country"', 'values = { US = "Customers USA" }'],
    )
    office.authorize()
    office.contacts.write_text(
        "email,Country\na@example.com,US\nb@example.com,\nc@example.com,FR\n"
    )
    assert office.run("--run-now").code == ExitCode.DONE
    people = office.sandbox.people.audience()
    assert {email: sorted(each["lists"]) for email, each in people.items()} == {
        "a@example.com": ["Customers", "Customers USA"],
        "b@example.com": ["Customers"],
        "c@example.com": ["Customers", "FR"],
    }


def test_a_dry_run_writes_nothing_and_renews_no_token(office: Office, sandbox: Sandbox) -> None:
    before = len(sandbox.requests())
    done = office.run("--dry-run")
    assert done.code == ExitCode.DONE, done.err
    assert "1 contact would be sent; nothing was" in done.out
    assert {entry.method for entry in sandbox.requests()[before:]} == {"GET"}

    sandbox.revoke_access_tokens()
    before = len(sandbox.requests())
    done = office.run("--dry-run")
    assert done.code == ExitCode.DONE, done.err
    assert "Planned without Constant Contact" in done.out
    assert all("/token" not in entry.path for entry in sandbox.requests()[before:])


def test_whoever_unsubscribed_is_left_out_and_named(office: Office, sandbox: Sandbox) -> None:
    office.contacts.write_text("email\nada@example.com\nbob@example.com\n")
    assert office.run("--run-now").code == ExitCode.DONE
    sandbox.people.unsubscribe("ada@example.com")
    office.contacts.write_text("email,city\nada@example.com,Rome\nbob@example.com,Rome\n")
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert [entry["email"] for entry in office.imports()[-1].body["import_data"]] == [
        "bob@example.com"
    ]
    assert rejected(done.out) == [("ada@example.com", "unsubscribed")]


def test_a_second_run_says_who_holds_the_lock(make_office: MakeOffice, sandbox: Sandbox) -> None:
    office = make_office()
    office.authorize()
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(minutes=10))
    running = office.start("--run-now")
    try:
        while not office.imports():
            assert running.poll() is None
            time.sleep(0.1)
        second = office.run("--run-now")
        assert second.code == ExitCode.BUSY
        assert f"process {running.pid}" in second.err
    finally:
        sandbox.advance(timedelta(minutes=11))
        running.communicate(timeout=120)
    assert running.returncode == ExitCode.DONE


def assert_counts(out: str, people: People, **counts: int) -> None:
    """The summary's counts, each row once."""
    shown = {
        name: int(count.replace(",", ""))
        for name, count in re.findall(r"│ (?:[=+] )?([a-z][^│]*?) +│ +([\d,]+) │", out)
    }
    wanted = {
        "rows read": len(people.rows) + people.faulty + people.duplicates,
        "new": 0,
        "changed": 0,
        "unchanged": 0,
        "rejected": people.faulty,
        "duplicates": people.duplicates,
        **counts,
    }
    assert {name: shown.get(name) for name in wanted} == wanted, out
    parts = [shown[name] for name in ("new", "changed", "unchanged", "rejected", "duplicates")]
    assert shown["rows read"] == sum(parts)


def assert_holds(sandbox: Sandbox, people: People) -> None:
    """The account holds just these people, with every field."""
    # The test reads by a consent of its own, which must not end the program's.
    sandbox.settings = replace(sandbox.settings, second_consent_kills_earlier=False)
    token = sandbox.issue_tokens("contact_data")["access_token"]
    names = {
        item["custom_field_id"]: item["name"]
        for page in pages(sandbox, token, "/v3/contact_custom_fields?limit=100")
        for item in page["custom_fields"]
    }
    include = "custom_fields,phone_numbers,street_addresses,list_memberships"
    found = {}
    for page in pages(sandbox, token, f"/v3/contacts?status=all&limit=500&include={include}"):
        for contact in page["contacts"]:
            flat = as_import(contact, names)
            found[flat["email"]] = flat
            assert len(contact["list_memberships"]) == 1
    assert found.keys() == people.rows.keys()
    for email, row in people.rows.items():
        assert found[email] == expected(row)


def pages(sandbox: Sandbox, token: str, path: str) -> list[Any]:
    """All pages from this one on."""
    gathered = []
    with requests.Session() as session:
        while path:
            answer = session.get(
                sandbox.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=60
            )
            answer.raise_for_status()
            gathered.append(answer.json())
            path = gathered[-1].get("_links", {}).get("next", {}).get("href", "")
    return gathered


def rejected(out: str) -> list[tuple[str, str]]:
    """(address, code) in the rejects file that the summary names."""
    (path,) = re.findall(r"^Rejects: (.*)$", out, re.MULTILINE)
    with open(path, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 (as a user would)
        return [(row["email"], row["code"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("command", ["check", "status"])
def test_the_looking_commands_are_well_after_a_run(office: Office, command: str) -> None:
    office.run("--run-now")
    done = office.run(command)
    assert done.code == ExitCode.DONE, done.err
    assert "✗" not in done.out
