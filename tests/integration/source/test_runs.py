"""Whole runs against the sandbox: partial reads, consent, suppression, duplicates, many files."""

import csv
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, MetaData, String, Table, create_engine, insert

from sync.errors import ConfigurationError, ExitCode, GuardStopped, SourceError
from sync.recording import Recording
from tests.integration.source.conftest import Sync

START = dt.datetime(2026, 1, 1, 8)  # noqa: DTZ001 (databases keep local times)
METADATA = MetaData()
CUSTOMERS = Table(
    "customers",
    METADATA,
    Column("email", String(80), primary_key=True),
    Column("first_name", String(40)),
    Column("updated_at", DateTime),
)


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(CUSTOMERS),
            [
                {"email": f"p{number}@example.com", "first_name": "Ann", "updated_at": START}
                for number in range(40)
            ],
        )
    yield engine
    engine.dispose()


def from_database(engine: Engine, **options: Any) -> dict[str, dict[str, Any]]:
    return {
        "source": {
            "path": None,
            "url": str(engine.url),
            "table": "customers",
            "changed_column": "updated_at",
            **options,
        },
        "duplicates": {"keep": "newest", "column": "updated_at"},
    }


def change(engine: Engine, email: str, name: str, *, days: int) -> None:
    with engine.begin() as connection:
        connection.execute(
            CUSTOMERS.update()
            .where(CUSTOMERS.c.email == email)
            .values(first_name=name, updated_at=START + dt.timedelta(days=days))
        )


def rejects(recording: Recording) -> list[dict[str, str]]:
    path = recording.record.rejects if recording.record else None
    if path is None:
        return []
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_after_a_whole_read_only_changes_are_read_and_nobody_is_gone(
    sync: Sync, crm: Engine
) -> None:
    first = sync(**from_database(crm))
    assert (first.partial, first.counts.new) == (False, 40)
    sync.next_day()
    change(crm, "p3@example.com", "Grace", days=1)
    second = sync(**from_database(crm))
    assert second.partial
    assert second.counts.rows_read < 41
    assert (second.counts.changed, second.counts.gone) == (1, 0)
    assert sync.sandbox.people.contact("p3@example.com")["first_name"] == "Grace"
    sync.next_day()
    third = sync(**from_database(crm))
    assert (third.counts.rows_read, third.counts.unchanged) == (1, 1)
    assert third.exit_code is ExitCode.DONE


def test_a_deleted_row_is_seen_by_the_next_whole_read(sync: Sync, crm: Engine) -> None:
    sync(**from_database(crm))
    with crm.begin() as connection:
        connection.execute(CUSTOMERS.delete().where(CUSTOMERS.c.email == "p1@example.com"))
    sync.next_day()
    assert sync(**from_database(crm)).counts.gone == 0
    sync.next_day(6)
    whole = sync(**from_database(crm))
    assert (whole.partial, whole.counts.gone, whole.counts.unchanged) == (False, 1, 39)


def test_partial_reads_do_not_wear_the_guard_against_shrinking_out(sync: Sync, crm: Engine) -> None:
    sync(**from_database(crm))
    sync.next_day()
    change(crm, "p3@example.com", "Grace", days=1)
    sync(**from_database(crm))
    with crm.begin() as connection:
        connection.execute(CUSTOMERS.delete().where(CUSTOMERS.c.email.like("p1%")))
    sync.next_day(7)
    with pytest.raises(GuardStopped, match="fewer valid contacts"):
        sync(**from_database(crm))


def test_a_stopped_run_moves_no_mark(sync: Sync, crm: Engine) -> None:
    sync(**from_database(crm))
    sync.next_day()
    for number in range(30):
        change(crm, f"p{number}@example.com", "Grace", days=1)
    with pytest.raises(GuardStopped):
        sync(**from_database(crm))
    sync.next_day()
    again = sync(**from_database(crm), guard={"max_changed_percent": 100})
    assert (again.partial, again.counts.confirmed) == (True, 30)


def test_another_mapping_reads_everything_again(sync: Sync, crm: Engine) -> None:
    sync(**from_database(crm))
    sync.next_day()
    mapping = {"columns": {"last_name": {"constant": "Smith"}}}
    whole = sync(**from_database(crm), mapping=mapping, guard={"max_changed_percent": 100})
    assert (whole.partial, whole.counts.changed) == (False, 40)


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_only_who_agreed_and_is_not_suppressed_is_sent(sync: Sync, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "c.csv",
        "email,agreed",
        "yes@example.com,Yes",
        "no@example.com,no",
        "blank@example.com,",
        "never@example.com,yes",
        "someone@mail.rival.example,YES",
        "not-an-address,no",
        "not-an-address-either,yes",
    )
    never = write_csv(
        tmp_path / "never.txt", "email", "# asked by phone", "Never@Example.com", "rival.example"
    )
    done = sync(
        source={"path": path},
        consent={"column": "agreed", "values": ["yes"], "all_rows_have_consent": False},
        suppression={"path": never},
        guard={"max_rejected_percent": 15},
    )
    assert done.counts.balanced
    assert (done.counts.new, done.counts.withheld, done.counts.faulty) == (1, 5, 1)
    assert set(sync.sandbox.people.audience()) == {"yes@example.com"}
    assert [(row["row"], row["kind"], row["code"]) for row in rejects(done)] == [
        ("3", "withheld", "no_consent"),
        ("4", "withheld", "no_consent"),
        ("5", "withheld", "suppressed"),
        ("6", "withheld", "suppressed"),
        ("7", "withheld", "no_consent"),
        ("8", "rejected", "email_invalid"),
    ]


def test_without_a_word_about_consent_nothing_is_sent(sync: Sync, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "c.csv", "email", "a@example.com")
    with pytest.raises(ConfigurationError, match="who agreed to be written to"):
        sync(source={"path": path}, consent={"all_rows_have_consent": False})
    assert sync.sandbox.people.audience() == {}


def test_a_missing_suppression_list_sends_nothing(sync: Sync, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "c.csv", "email", "a@example.com")
    with pytest.raises(SourceError, match="suppression list can't be read"):
        sync(source={"path": path}, suppression={"path": tmp_path / "none.txt"})
    assert sync.sandbox.people.audience() == {}


@pytest.mark.parametrize(
    ("duplicates", "expected"),
    [
        ({"keep": "last"}, {"first_name": "Cy", "last_name": ""}),
        ({"keep": "first"}, {"first_name": "Ann", "last_name": ""}),
        ({"keep": "newest", "column": "when"}, {"first_name": "", "last_name": "Bo"}),
        ({"keep": "merge"}, {"first_name": "Cy", "last_name": "Bo"}),
    ],
)
def test_duplicates_are_settled_by_rule_across_files_and_each_loser_is_told(
    sync: Sync, tmp_path: Path, duplicates: dict[str, str], expected: dict[str, str]
) -> None:
    write_csv(
        tmp_path / "a.csv",
        "email,first_name,last_name,when,city",
        "twin@example.com,Ann,,2026-01-01,Berlin",
        "Twin@Example.com,,Bo,2026-03-01,",
    )
    write_csv(
        tmp_path / "b.csv",
        "when,email,first_name,last_name,city",
        "01/15/2026,twin@example.com,Cy,,Paris",
        ",other@example.com,Di,,Paris",
        ",broken,Di,,",
    )
    done = sync(
        source={"path": tmp_path / "?.csv"},
        duplicates=duplicates,
        lists={"names": ["Customers"], "column": "city"},
    )
    assert done.counts.balanced
    assert (done.counts.new, done.counts.duplicates, done.counts.rejected) == (2, 2, 1)
    contact = sync.sandbox.people.contact("twin@example.com")
    assert {name: contact.get(name, "") for name in expected} == expected
    lists = sync.sandbox.people.audience()["twin@example.com"]["lists"]
    wanted = {"last": ["Paris"], "first": ["Berlin"], "newest": [], "merge": ["Berlin", "Paris"]}
    assert sorted(lists) == sorted(["Customers", *wanted[duplicates["keep"]]])
    losers = [row for row in rejects(done) if row["kind"] == "duplicate"]
    assert len(losers) == 2
    assert all(row["file"] in {"a.csv", "b.csv"} for row in losers)
    broken = next(row for row in rejects(done) if row["kind"] == "rejected")
    assert (broken["file"], broken["row"]) == ("b.csv", "4")


def test_a_text_message_number_goes_with_its_consent_and_the_import_says_so(
    sync: Sync, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "c.csv",
        "email,cell,agreed on",
        "a@example.com,(508) 555-0133,2026-01-02",
        "b@example.com,(508) 555-0134,",
    )
    columns = {"sms_number": "cell", "sms_consent_date": "agreed on"}
    done = sync(source={"path": path}, mapping={"columns": columns})
    assert done.counts.confirmed == 2
    imports = [
        entry
        for entry in sync.sandbox.requests(path="/v3/activities/contacts_json_import")
        if entry.method == "POST"
    ]
    assert imports[-1].body["sms_permission_to_send"] == "explicit"
    assert imports[-1].body["import_data"] == [
        {
            "email": "a@example.com",
            "sms_number": "5085550133",
            "sms_consent_date": "2026-01-02",
        },
        {"email": "b@example.com"},
    ]
    assert [row["code"] for row in rejects(done)] == ["sms_without_consent"]


def test_the_key_that_the_company_uses_stands_in_the_rejects_file(
    sync: Sync, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "c.csv", "email,customer", "broken,C-77", "a@example.com,C-78")
    done = sync(source={"path": path, "key_column": "customer"})
    assert [(row["row"], row["key"]) for row in rejects(done)] == [("2", "C-77")]


def test_a_typed_custom_field_is_made_and_its_values_are_checked(
    sync: Sync, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "c.csv",
        "email,since,paid,vip",
        'a@example.com,03/04/2020,"$1,234.50",yes',
        "b@example.com,soon,much,maybe",
    )
    fields = {
        "since": {"column": "since", "type": "date"},
        "paid": {"column": "paid", "type": "number"},
        "vip": {"column": "vip", "type": "boolean"},
    }
    mapping = {"custom_fields": fields, "create_missing_custom_fields": True}
    done = sync(source={"path": path}, mapping=mapping)
    assert done.counts.confirmed == 2
    assert {row["code"] for row in rejects(done)} == {
        "date_invalid",
        "number_invalid",
        "boolean_invalid",
    }
    sync.next_day()
    mapping["custom_fields"] = fields | {"since": {"column": "since", "type": "number"}}
    with pytest.raises(ConfigurationError, match='"since" is of type date there and number here'):
        sync(source={"path": path}, mapping=mapping)
    mapping["custom_fields"] = {"fee": {"column": "paid", "type": "currency"}}
    with pytest.raises(ConfigurationError, match="of type currency is made only with its currency"):
        sync(source={"path": path}, mapping=mapping)


def test_fields_with_choices_a_currency_and_times_are_made_and_filled(
    sync: Sync, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "c.csv",
        "email,size,likes,fee,seen",
        'a@example.com,m,"cats; DOGS",12.50,2024-05-06 07:08',
        "b@example.com,XXL,cats;birds,free,soon",
        "c@example.com,,,,5/6/2024 7:08 PM",
    )
    fields: dict[str, dict[str, Any]] = {
        "size": {"column": "size", "type": "single_select", "choices": ["S", "M", "L"]},
        "likes": {"column": "likes", "type": "multi_select", "choices": ["Cats", "Dogs"]},
        "fee": {"column": "fee", "type": "currency", "currency": "EUR"},
        "seen": {"column": "seen", "type": "datetime"},
    }
    mapping = {"custom_fields": fields, "create_missing_custom_fields": True}
    done = sync(source={"path": path}, mapping=mapping)
    assert done.counts.confirmed == 3
    assert [(row["row"], row["field"], row["code"]) for row in rejects(done)] == [
        ("3", "cf:fee", "number_invalid"),
        ("3", "cf:likes", "choice_unknown"),
        ("3", "cf:seen", "datetime_invalid"),
        ("3", "cf:size", "choice_unknown"),
    ]
    people = sync.sandbox.people.audience()
    assert people["a@example.com"]["cf:size"] == "M"
    assert people["a@example.com"]["cf:likes"] == "Cats, Dogs"
    assert people["a@example.com"]["cf:fee"] == "12.50"
    assert people["a@example.com"]["cf:seen"] == "2024-05-06T07:08:00"
    assert people["b@example.com"]["cf:likes"] == "Cats"
    assert people["c@example.com"]["cf:seen"] == "2024-05-06T19:08:00"
    posts = sync.sandbox.requests(path="/v3/contact_custom_fields")
    bodies = {entry.body["label"]: entry.body for entry in posts if entry.method == "POST"}
    assert bodies["likes"]["metadata"] == {"display_type": "checkbox"}
    assert bodies["size"]["choices"][1] == {"choice_label": "M", "display_order": 2}
    assert bodies["fee"]["metadata"]["currency_code"] == "EUR"
    sync.next_day()
    fields["size"]["choices"] = ["S", "M", "XXL"]
    with pytest.raises(ConfigurationError, match='"size" has no choice "XXL" there'):
        sync(source={"path": path}, mapping=mapping)
    del fields["size"]
    fields["shape"] = {"column": "size", "type": "single_select"}
    with pytest.raises(ConfigurationError, match="of type single_select is made only with its cho"):
        sync(source={"path": path}, mapping=mapping)


def test_tags_are_made_or_named_and_stored_with_each_row(sync: Sync, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "c.csv", "email,group", "a@example.com,G;Garden", "b@example.com,", "c@x.org,g"
    )
    tags = {"names": ["CRM"], "column": "group", "separator": ";", "values": {"g": "Gold"}}
    with pytest.raises(ConfigurationError) as failed:
        sync(source={"path": path}, tags=tags)
    assert 'the tag "CRM" does not exist: make it there, or set tags.create_missing' in str(
        failed.value
    )
    sync.next_day()
    assert sync(source={"path": path}, tags=tags | {"create_missing": True}).counts.confirmed == 3
    made = [
        entry.body["name"]
        for entry in sync.sandbox.requests(path="/v3/contact_tags")
        if entry.method == "POST"
    ]
    assert made == ["CRM", "Garden", "Gold"]
    # What is there now is found, whatever its capitals.
    sync.next_day()
    tags["values"] = {"g": "gold"}
    assert sync(source={"path": path}, tags=tags).counts.unchanged == 3


def test_a_wrong_column_makes_no_thousand_lists(sync: Sync, tmp_path: Path) -> None:
    rows = [f"p{number}@example.com" for number in range(1_001)]
    path = write_csv(tmp_path / "c.csv", "email", *rows)
    lists = {"names": [], "column": "email"}
    with pytest.raises(ConfigurationError) as failed:
        sync(source={"path": path}, lists=lists)
    assert "and 991 more lists" in str(failed.value)
    with pytest.raises(ConfigurationError, match=r"look whether lists\.column is the right"):
        sync(source={"path": path}, lists=lists | {"create_missing": True})
    assert not [entry for entry in sync.sandbox.requests(path="/v3/contact_lists") if entry.body]
