"""What people do by themselves: the user at the product's pages, and the recipient of a mail.

None of it passes the API. A recipient unsubscribes, leaves one list, or confirms; the user edits,
deletes, revives, or unsubscribes on a contact's behalf; a mail bounces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync.sandbox import activities
from sync.sandbox.api.contacts import show_people
from sync.sandbox.audience.catalog import ContactList, Lists, Tag, Tags
from sync.sandbox.audience.fields import CustomField, Fields
from sync.sandbox.audience.person import People, Person
from sync.sandbox.audience.resource import SUB_RESOURCES
from sync.sandbox.audience.rules import ENGAGEMENT_LEVELS, PERMISSIONS, STATUSES, is_email
from sync.sandbox.audience.search import Search
from sync.sandbox.audience.segments import Segment, Segments
from sync.sandbox.world import World

EDITABLE = ("first_name", "last_name", "job_title", "company_name", "anniversary")


@dataclass(frozen=True, slots=True)
class Simulation:
    """The people of one account. Addresses that nobody has raise LookupError."""

    world: World
    account: int

    # --- looking -----------------------------------------------------------------------------

    def contacts(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        """All contacts as GET /contacts shows them with every sub-resource, oldest first.

        Lists, fields and tags are by id, as in the API; see `audience` for names.
        """
        with self.world.lock:
            activities.settle(self.world)
            sql = "SELECT seq FROM contact WHERE account = ?"
            if not deleted:
                sql += " AND deleted_at IS NULL"
            seqs = [row[0] for row in self.world.database.all(sql, (self.account,))]
            people = People(self.world.database).many(self.account, seqs)
            return show_people(self.world, self.account, people, SUB_RESOURCES)

    def audience(self) -> dict[str, dict[str, Any]]:
        """All living contacts by lower-case address, flat, with lists and fields by name."""
        with self.world.lock:
            lists = {one.list_id: one.name for one in self.lists()}
            fields = {field.custom_field_id: field for field in self.fields()}
            return {
                contact["email_address"]["address"].lower(): _flat(contact, lists, fields)
                for contact in self.contacts()
                if "email_address" in contact
            }

    def contact(self, email: str) -> dict[str, Any]:
        """One contact, deleted or not, as the API shows it."""
        with self.world.lock:
            person = self._find(email)
            return show_people(self.world, self.account, [person], SUB_RESOURCES)[0]

    def count(self) -> int:
        with self.world.lock:
            activities.settle(self.world)
            sql = "SELECT count(*) FROM contact WHERE account = ? AND deleted_at IS NULL"
            return int(self.world.database.value(sql, (self.account,)))

    def lists(self) -> list[ContactList]:
        with self.world.lock:
            return Lists(self.world.database).all(self.account)

    def fields(self) -> list[CustomField]:
        with self.world.lock:
            return Fields(self.world.database).all(self.account)

    def tags(self) -> list[Tag]:
        with self.world.lock:
            return Tags(self.world.database).all(self.account)

    def mails(self) -> list[tuple[str, str]]:
        """(kind, address) of every mail that the service would have sent."""
        sql = (
            "SELECT kind, email FROM mail JOIN contact ON contact.seq = contact"
            " WHERE mail.account = ? ORDER BY mail.seq"
        )
        with self.world.lock:
            activities.settle(self.world)
            return [(row[0], row[1]) for row in self.world.database.all(sql, (self.account,))]

    # --- preparing ---------------------------------------------------------------------------

    def add_list(self, name: str, description: str = "") -> ContactList:
        with self.world.lock:
            now = self.world.clock.now_ms()
            return Lists(self.world.database).add(self.account, name, now, description=description)

    def delete_list(self, name: str) -> None:
        with self.world.lock:
            activities.settle(self.world)
            now = self.world.clock.now_ms()
            Lists(self.world.database).delete(self._list(name), now)

    def add_field(
        self,
        label: str,
        type_: str = "string",
        *,
        choices: tuple[str, ...] = (),
        metadata: dict[str, Any] | None = None,
        version: int | None = None,
    ) -> CustomField:
        with self.world.lock:
            numbered = [
                {"choice_id": place, "choice_label": label_, "display_order": place}
                for place, label_ in enumerate(choices, 1)
            ]
            return Fields(self.world.database).add(
                self.account,
                label,
                type_,
                self.world.clock.now_ms(),
                metadata=metadata,
                choices=numbered,
                version=version,
            )

    def add_tag(self, name: str) -> Tag:
        with self.world.lock:
            now = self.world.clock.now_ms()
            return Tags(self.world.database).add(self.account, name, "Account", now)

    def delete_tag(self, name: str) -> None:
        with self.world.lock:
            Tags(self.world.database).delete(self._tag(name))

    def add_segment(
        self,
        name: str,
        *,
        lists: tuple[str, ...] = (),
        tags: tuple[str, ...] = (),
        status: tuple[str, ...] = ("active",),
    ) -> int:
        """A saved search by names of lists and tags; returns its segment_id."""
        if not set(status) <= set(STATUSES):
            raise ValueError(f"a status is one of {', '.join(STATUSES)}")
        with self.world.lock:
            search = Search(
                status=status,
                lists=tuple(self._list(one).seq for one in lists) or None,
                tags=tuple(self._tag(one).seq for one in tags) or None,
            )
            return Segments(self.world.database).add(self.account, name, search).segment_id

    def segments(self) -> list[Segment]:
        with self.world.lock:
            return Segments(self.world.database).all(self.account)

    def add_contact(
        self,
        email: str,
        *,
        permission: str = "implicit",
        lists: tuple[str, ...] = (),
        core: dict[str, Any] | None = None,
    ) -> str:
        """A contact that the user typed in; returns its id."""
        if not is_email(email) or permission not in PERMISSIONS:
            raise ValueError("not a valid address or permission")
        with self.world.lock:
            now = self.world.clock.now_ms()
            sets = Lists(self.world.database).sets
            person = Person(
                account=self.account,
                email=email,
                permission=permission,
                created_at=now,
                updated_at=now,
                doc=dict(core or {}),
                list_set=sets.number(self.account, [self._list(name).seq for name in lists]),
                opt_in_source="Account",
                opt_in_at=now,
            )
            if permission == "unsubscribed":
                person.opt_out("Contact", now, None)
            People(self.world.database).save(person, self.world.settings)
            return person.contact_id

    # --- the recipient -----------------------------------------------------------------------

    def unsubscribe(self, email: str, reason: str | None = None) -> None:
        """The recipient unsubscribes from everything."""
        self._opt_out(email, "Contact", reason)

    def leave_list(self, email: str, list_name: str) -> None:
        """The recipient leaves one list and stays a contact."""
        with self.world.lock:
            person, left = self._find(email), self._list(list_name)
            sets = Lists(self.world.database).sets
            person.list_set = sets.minus(self.account, person.list_set, [left.seq])
            sql = "INSERT OR IGNORE INTO left_list (contact, list) VALUES (?, ?)"
            self.world.database.run(sql, (person.seq, left.seq))
            moves = self.world.settings.list_removal_moves_updated_at
            self._save(person, "Contact", moves=moves)

    def confirm(self, email: str) -> None:
        """The recipient confirms a sign-up or a request to resubscribe."""
        with self.world.lock:
            person = self._find(email)
            person.opt_in("explicit", "Contact", self.world.clock.now_ms())
            person.confirm_status = "confirmed"
            joining = person.doc.pop("resubscribe_lists", [])
            sets = Lists(self.world.database).sets
            person.list_set = sets.plus(self.account, person.list_set, joining)
            self._save(person, "Contact")

    def bounce(self, email: str) -> None:
        """Mails to this address came back: the contact is held for a while."""
        self.set_permission(email, "temp_hold")

    def engage(self, email: str, level: str) -> None:
        """The recipient opens mails often (`high`), sometimes or seldom."""
        if level not in ENGAGEMENT_LEVELS:
            raise ValueError(f"a level is one of {', '.join(ENGAGEMENT_LEVELS)}")
        with self.world.lock:
            person = self._find(email)
            person.doc["engagement"] = level
            self._save(person, "Contact", moves=False)

    # --- the user ----------------------------------------------------------------------------

    def user_unsubscribe(self, email: str, reason: str | None = None) -> None:
        """The user unsubscribes a contact; the account may add it again."""
        self._opt_out(email, "Account", reason)

    def user_delete(self, email: str) -> None:
        with self.world.lock:
            person = self._find(email)
            person.deleted_at, person.list_set = self.world.clock.now_ms(), 0
            self._save(person, "Account", moves=self.world.settings.delete_moves_updated_at)

    def user_restore(self, email: str) -> None:
        with self.world.lock:
            person = self._find(email)
            person.deleted_at = None
            self._save(person, "Account")

    def user_edit(self, email: str, changes: dict[str, Any]) -> None:
        """The user types new core values; None clears one. `email_address` changes the address."""
        with self.world.lock:
            person = self._find(email)
            for name, value in changes.items():
                if name == "email_address":
                    person.email = str(value)
                elif name not in EDITABLE:
                    raise ValueError(f"{name} is none of {', '.join(EDITABLE)}")
                elif value is None:
                    person.doc.pop(name, None)
                else:
                    person.doc[name] = value
            self._save(person, "Account")

    def user_add_to_list(self, email: str, list_name: str) -> None:
        with self.world.lock:
            person = self._find(email)
            sets = Lists(self.world.database).sets
            person.list_set = sets.plus(self.account, person.list_set, [self._list(list_name).seq])
            self._save(person, "Account")

    def user_remove_from_list(self, email: str, list_name: str) -> None:
        with self.world.lock:
            person = self._find(email)
            sets = Lists(self.world.database).sets
            removed = [self._list(list_name).seq]
            person.list_set = sets.minus(self.account, person.list_set, removed)
            moves = self.world.settings.list_removal_moves_updated_at
            self._save(person, "Account", moves=moves)

    def user_tag(self, email: str, tag: str) -> None:
        with self.world.lock:
            person = self._find(email)
            Tags(self.world.database).assign([self._tag(tag).seq], [person.seq])
            self._save(person, "Account")

    def user_untag(self, email: str, tag: str) -> None:
        with self.world.lock:
            person = self._find(email)
            Tags(self.world.database).unassign([self._tag(tag).seq], [person.seq])
            self._save(person, "Account")

    def set_permission(self, email: str, permission: str) -> None:
        if permission not in PERMISSIONS:
            raise ValueError(f"a permission is one of {', '.join(PERMISSIONS)}")
        if permission == "unsubscribed":
            self.user_unsubscribe(email)
            return
        with self.world.lock:
            person = self._find(email)
            person.permission = permission
            self._save(person, "Account")

    # --- helpers -----------------------------------------------------------------------------

    def _opt_out(self, email: str, source: str, reason: str | None) -> None:
        with self.world.lock:
            person = self._find(email)
            person.opt_out(source, self.world.clock.now_ms(), reason)
            self._save(person, source)

    def _save(self, person: Person, source: str, *, moves: bool = True) -> None:
        if moves:
            person.updated_at, person.update_source = self.world.clock.now_ms(), source
        People(self.world.database).save(person, self.world.settings)

    def _find(self, email: str) -> Person:
        activities.settle(self.world)
        people = People(self.world.database)
        person = people.by_email(self.account, email, self.world.settings)
        if person is None:
            raise LookupError(f"there is no contact {email}")
        return person

    def _list(self, name: str) -> ContactList:
        lists = Lists(self.world.database)
        found = lists.by_name(self.account, name) or lists.get(self.account, name)
        if found is None:
            raise LookupError(f"there is no list {name}")
        return found

    def _tag(self, name: str) -> Tag:
        found = Tags(self.world.database).by_name(self.account, name)
        if found is None:
            raise LookupError(f"there is no tag {name}")
        return found


def _flat(
    contact: dict[str, Any], lists: dict[str, str], fields: dict[str, CustomField]
) -> dict[str, Any]:
    flat: dict[str, Any] = {"permission": contact["email_address"]["permission_to_send"]}
    flat |= {
        name: value
        for name, value in contact.items()
        if name in (*EDITABLE, "birthday_month", "birthday_day")
    }
    for phone in contact["phone_numbers"]:
        flat[f"{phone['kind']}_phone"] = phone["phone_number"]
    for address in contact["street_addresses"]:
        for part in ("street", "city", "state", "postal_code", "country"):
            if part in address:
                flat[f"{address['kind']}_{part}"] = address[part]
    for item in contact["custom_fields"]:
        field = fields[item["custom_field_id"]]
        chosen = [field.label_of(choice) for choice in item.get("choice_ids", [])]
        flat[f"cf:{field.name}"] = item.get("value", ", ".join(chosen))
    flat["lists"] = sorted(lists[list_id] for list_id in contact["list_memberships"])
    return flat
