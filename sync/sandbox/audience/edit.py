"""Creating, changing and signing up one contact: POST and PUT /contacts, and the sign-up form.

PUT sets every core field that it omits to null, keeps sub-resources that it omits, and replaces
those that it includes as a whole (the text of PUT /contacts/{contact_id}). The sign-up form changes
only what it carries, appends lists and custom fields, and opts in, even those who had
unsubscribed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.edit_body import Edit, RefusedError
from sync.sandbox.audience.person import People, Person
from sync.sandbox.audience.rules import LISTS_PER_CONTACT
from sync.sandbox.database import Database
from sync.sandbox.settings import SandboxSettings


class ConflictError(Exception):
    """Another contact has this address."""


@dataclass(slots=True)
class Editor:
    """Changes single contacts of one account at one instant."""

    database: Database
    settings: SandboxSettings
    account: int
    now: int

    def create(self, edit: Edit, source: str) -> Person:
        """POST: a new contact; an address that is known, even of a deleted contact, conflicts."""
        self._check_free(edit, None)
        if not any((edit.email, edit.sms, edit.core.get("first_name"), edit.core.get("last_name"))):
            raise RefusedError(
                "one of first_name, last_name, email_address or sms_channel is needed"
            )
        permission = edit.permission or ("implicit" if edit.email else "not_set")
        person = self._new(edit.email, permission, source)
        self._put_core(person, edit, complete=True)
        self._put_parts(person, edit)
        if permission == "unsubscribed":
            person.opt_out(source, self.now, edit.opt_out_reason)
        self._save(person, edit)
        return person

    def change(self, person: Person, edit: Edit, source: str) -> None:
        """PUT: what the body omits of the core becomes null; a deleted contact is revived."""
        self._check_free(edit, person)
        if person.deleted_at is not None:
            if source != "Account":
                raise RefusedError("update_source must be Account to restore a deleted contact")
            person.deleted_at = None
        if edit.email is not None:
            person.email = edit.email
        if edit.permission is not None and edit.permission != person.permission:
            self._set_permission(person, edit, source)
        self._put_core(person, edit, complete=True)
        self._put_parts(person, edit)
        person.update_source, person.updated_at = source, self.now
        self._save(person, edit)

    def sign_up(self, edit: Edit) -> tuple[Person, bool]:
        """The contact that signs up, and whether it is new."""
        person = self._find(edit)
        created = person is None
        if person is None:
            pending = self.settings.confirmed_opt_in
            permission = "pending_confirmation" if pending else "explicit"
            person = self._new(edit.email, permission, "Contact")
            person.confirm_status = "pending" if pending else "off"
        else:
            person.deleted_at = None
            person.opt_in("explicit", "Contact", self.now)
        self._put_core(person, edit, complete=False)
        self._put_parts(person, edit, append=True)
        most = self.settings.sign_up_fields_max
        if len(person.doc.get("fields", {})) > most:
            raise RefusedError(f"custom_fields must have at most {most} values")
        person.update_source, person.updated_at = "Contact", self.now
        self._save(person, edit)
        kind = "confirm_opt_in" if person.permission == "pending_confirmation" else "welcome"
        if created:
            self._mail(person, kind)
        return person, created

    def ask_to_resubscribe(self, person: Person) -> None:
        """Send the one mail that asks an unsubscribed contact to come back."""
        if person.permission != "unsubscribed":
            raise RefusedError("the contact is not unsubscribed")
        if person.resubscribe_sent:
            raise ConflictError("a resubscribe email was already sent to this contact")
        person.resubscribe_sent = True
        People(self.database).save(person, self.settings)
        self._mail(person, "resubscribe")

    def delete(self, person: Person) -> None:
        """A soft delete: the memberships go, the contact can be revived."""
        person.deleted_at, person.list_set = self.now, 0
        if self.settings.delete_moves_updated_at:
            person.updated_at = self.now
        People(self.database).save(person, self.settings)

    def _new(self, email: str | None, permission: str, source: str) -> Person:
        return Person(
            account=self.account,
            email=email,
            permission=permission,
            created_at=self.now,
            updated_at=self.now,
            doc={},
            create_source=source,
            update_source=source,
            opt_in_source=source,
            opt_in_at=self.now,
        )

    def _find(self, edit: Edit) -> Person | None:
        people = People(self.database)
        if edit.email is not None:
            return people.by_email(self.account, edit.email, self.settings)
        return people.by_sms(self.account, edit.sms) if edit.sms else None

    def _check_free(self, edit: Edit, person: Person | None) -> None:
        other = self._find(edit)
        if other is not None and (person is None or other.seq != person.seq):
            raise ConflictError(
                "Validation failed: email address already exists: the contact is "
                f"{other.contact_id}"
            )

    def _set_permission(self, person: Person, edit: Edit, source: str) -> None:
        if edit.permission == "unsubscribed":
            person.opt_out(source, self.now, edit.opt_out_reason)
        elif person.permission == "unsubscribed" or edit.permission == "explicit":
            person.opt_in(str(edit.permission), source, self.now)
        else:
            person.permission = str(edit.permission)

    def _put_core(self, person: Person, edit: Edit, *, complete: bool) -> None:
        for name, value in edit.core.items():
            if value is not None:
                person.doc[name] = value
            elif complete:
                person.doc.pop(name, None)
        if edit.sms is not None:
            person.sms = edit.sms
            person.doc["sms"] = {"permission": edit.sms_permission, "at": self.now}

    def _put_parts(self, person: Person, edit: Edit, *, append: bool = False) -> None:
        for name in ("fields", "phones", "addresses", "notes"):
            given = edit.parts.get(name)
            if given is not None:
                before = person.doc.get(name, {}) if append else {}
                person.doc[name] = before | given if isinstance(given, dict) else given
        if edit.lists is not None:
            sets = Lists(self.database).sets
            wanted = set(edit.lists)
            if append:
                wanted |= set(sets.members(person.list_set))
            if len(wanted) > LISTS_PER_CONTACT:
                raise RefusedError("a contact can be on at most 50 lists")
            # An unsubscribed contact is on no list.
            if person.permission != "unsubscribed":
                person.list_set = sets.number(self.account, wanted)

    def _save(self, person: Person, edit: Edit) -> None:
        People(self.database).save(person, self.settings)
        if edit.tags is not None:
            Tags(self.database).replace(person.seq, edit.tags)

    def _mail(self, person: Person, kind: str) -> None:
        sql = "INSERT INTO mail (account, contact, kind, sent_at) VALUES (?, ?, ?, ?)"
        self.database.run(sql, (self.account, person.seq, kind, self.now))
