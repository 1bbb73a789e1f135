"""What an import does to the people of an account.

An unknown address becomes a contact with implicit permission, opted in by the account. A known one
has only the properties changed that the row carries, and joins the lists. A globally unsubscribed
contact joins none and is counted. A deleted one is revived; one that left a single list is put
back on it. The last two are warned of in the vendor's guide; each of the questions that the
documents leave open is a setting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from sync.sandbox.audience.fields import Fields
from sync.sandbox.audience.import_rows import Change, RowError, RowRules, read_row
from sync.sandbox.audience.list_sets import ListSets
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.audience.person import INSERT, People, Person, email_key
from sync.sandbox.audience.person import read_row as read_person
from sync.sandbox.audience.rules import ADDRESSES_PER_CONTACT, LISTS_PER_CONTACT, PHONES_PER_CONTACT
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings


def apply_import(
    database: Database, settings: SandboxSettings, account: int, payload: bytes, now: int
) -> Outcome:
    """Work on one import; `payload` is what `import_payload.pack` made."""
    job = orjson.loads(payload)
    rows: list[Any] = job["contacts"]
    work = _Import(
        database=database,
        settings=settings,
        account=account,
        lists=job["lists"],
        sms_permission=job["sms_permission"],
        now=now,
        sets=ListSets(database),
        rules=RowRules(
            settings=settings,
            fields=Fields(database).by_name(account),
            this_year=datetime.fromtimestamp(now / 1000, UTC).year,
            sms_permission=job["sms_permission"],
        ),
    )
    with database.transaction():
        work.run(rows)
    return work.outcome(len(rows))


@dataclass(slots=True)
class _Import:
    database: Database
    settings: SandboxSettings
    account: int
    lists: list[int]
    sms_permission: str | None
    now: int
    rules: RowRules
    sets: ListSets
    refused: list[tuple[int, RowError]] = field(default_factory=list)
    cannot_add: int = 0
    numbers: dict[str, Person] = field(default_factory=dict)

    def run(self, rows: list[Any]) -> None:
        changes = self._check(rows)
        known = self._known(changes)
        last_before = int(self.database.value("SELECT max(seq) FROM contact") or 0)
        added: list[Person] = []
        changed: list[Person] = []
        for key, (line, change) in changes.items():
            person = known.get(key)
            try:
                if person is None:
                    added.append(self._create(change))
                elif self._update(person, change):
                    changed.append(person)
            except RowError as error:
                self.refused.append((line, error))
        people = People(self.database)
        people.save_many(changed, self.settings)
        self.database.run_many(
            INSERT,
            (p.row(None if p.email is None else email_key(p.email, self.settings)) for p in added),
        )
        if self.settings.welcome_mail_on_import and self.lists:
            sql = (
                "INSERT INTO mail (account, contact, kind, sent_at)"
                " SELECT account, seq, 'welcome', ? FROM contact WHERE account = ? AND seq > ?"
            )
            self.database.run(sql, (self.now, self.account, last_before))

    def outcome(self, rows: int) -> Outcome:
        errors = sum(1 for _, error in self.refused if not error.correctable)
        correctable = len(self.refused) - errors
        if self.settings.correctable_in_errors:
            errors += correctable
        all_refused = rows > 0 and len(self.refused) == rows
        failed = all_refused and self.settings.all_rejected == "failed"
        unknown_field = any(error.text.startswith("Unknown custom") for _, error in self.refused)
        if unknown_field and self.settings.unknown_custom_field == "fail":
            failed = True
        return Outcome(
            status={
                "items_total_count": rows + int(self.settings.header_row_counted),
                "person_count": rows,
                "error_count": errors,
                "correctable_count": correctable,
                "cannot_add_to_list_count": self.cannot_add,
            },
            errors=tuple(self._error_texts()),
            state="failed" if failed else "completed",
        )

    def _error_texts(self) -> Iterable[str]:
        if self.settings.activity_errors_text == "lines":
            # The form of the API's second version: "Line 2: Invalid birthday".
            refused = sorted(self.refused, key=lambda pair: pair[0])
            return [f"Line {line + 2}: {error.text}" for line, error in refused[:100]]
        return Counter(error.text for _, error in self.refused)

    def _check(self, rows: list[Any]) -> dict[str, tuple[int, Change]]:
        """The changes of the sound rows, by key; duplicates are settled by the setting."""
        changes: dict[str, tuple[int, Change]] = {}
        rule = self.settings.duplicates_in_import
        for line, row in enumerate(rows):
            try:
                change = read_row(row, self.rules)
                key = self._key(change)
            except RowError as error:
                self.refused.append((line, error))
                continue
            if key in changes and rule == "error":
                self.refused.append((line, RowError("Duplicate email address")))
            elif key not in changes or rule == "last":
                changes[key] = line, change
        return changes

    def _key(self, change: Change) -> str:
        if change.email is not None:
            return email_key(change.email, self.settings)
        return f"sms {change.sms}"

    def _known(self, changes: dict[str, tuple[int, Change]]) -> dict[str, Person]:
        emails = orjson.dumps([key for key in changes if not key.startswith("sms ")]).decode()
        # CROSS JOIN tells SQLite to go through the wanted ones, not through the contacts.
        sql = (
            "SELECT contact.* FROM json_each(?) AS wanted"
            " CROSS JOIN contact ON account = ? AND email_key = wanted.value"
        )
        found: dict[str, Person] = {}
        for row in self.database.all(sql, (emails, self.account)):
            found[row["email_key"]] = read_person(row)
        people = People(self.database)
        for key in changes:
            if key.startswith("sms ") and (p := people.by_sms(self.account, key[4:])):
                found[key] = p
        return found

    def _create(self, change: Change) -> Person:
        person = Person(
            account=self.account,
            email=change.email,
            permission="not_set" if change.email is None else "implicit",
            created_at=self.now,
            updated_at=self.now,
            doc={},
            opt_in_source="Account",
            opt_in_at=self.now,
        )
        self._merge(person, change)
        person.list_set = self.sets.number(self.account, self.lists)
        return person

    def _update(self, person: Person, change: Change) -> bool:
        """Change a known contact; False if nothing of it may be changed."""
        settings = self.settings
        if person.deleted_at is not None:
            if settings.deleted_on_import == "refuse":
                self.cannot_add += 1
                return False
            person.deleted_at = None
        held = person.permission in ("temp_hold", "pending_confirmation")
        if person.permission == "unsubscribed" or (held and settings.held_on_import == "refuse"):
            self.cannot_add += 1
            if not settings.unsubscribed_fields_updated:
                return False
            self._merge(person, change)
            person.updated_at = self.now
            return True
        self._merge(person, change)
        self._join_lists(person)
        if person.permission == "explicit" and settings.import_downgrades_explicit:
            person.permission = "implicit"
        person.updated_at, person.update_source = self.now, "Account"
        return True

    def _join_lists(self, person: Person) -> None:
        joining = set(self.lists)
        if self.settings.list_removal_on_import == "stay off":
            sql = "SELECT list FROM left_list WHERE contact = ?"
            joining -= {row[0] for row in self.database.all(sql, (person.seq,))}
        person.list_set = self.sets.plus(self.account, person.list_set, joining)
        if len(self.sets.members(person.list_set)) > LISTS_PER_CONTACT:
            raise RowError("Contact is on more than 50 lists")

    def _merge(self, person: Person, change: Change) -> None:
        if change.sms is not None:
            self._refuse_taken(person, change.sms)
        doc = person.doc
        _put(doc, change.core)
        if change.phones:
            _put(doc.setdefault("phones", {}), change.phones)
            if len(doc["phones"]) > PHONES_PER_CONTACT:
                raise RowError("Contact has more than 3 phone numbers")
        for kind, parts in change.addresses.items():
            address = doc.setdefault("addresses", {}).setdefault(kind, {})
            _put(address, parts)
            if not address:
                del doc["addresses"][kind]
        if len(doc.get("addresses", {})) > ADDRESSES_PER_CONTACT:
            raise RowError("Contact has more than 3 addresses")
        if change.fields:
            _put(doc.setdefault("fields", {}), change.fields)
        if change.sms is not None:
            person.sms = change.sms
            doc["sms"] = {
                "permission": self.sms_permission or "not_set",
                "consent_date": change.sms_consent_date,
                "at": self.now,
            }

    def _refuse_taken(self, person: Person, number: str) -> None:
        """A number names a contact as an address does; what becomes of a second is not stated."""
        owner = self.numbers.setdefault(number, person)
        there = People(self.database).by_sms(self.account, number)
        if owner is not person or (there is not None and there.seq != person.seq):
            raise RowError("SMS number belongs to another contact")


def _put(target: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value
