"""What the rules say, written independently of the program: who is on which list, with what.

It knows what the company's source says, what people did on the other side, and what was seen to
be so after each quiet run. Where the program can't know better (somebody left a list before any
run saw them on it), both outcomes are allowed, until the next quiet run shows which it was.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FIELDS = ("first_name", "home_city")
# The one that Constant Contact may own.
OWNED = "first_name"
LISTS = ("Customers", "News", "Boston")
TAGS = ("Gold", "Silver")

There = dict[str, dict[str, Any]]


@dataclass(eq=False, repr=False)
class Person:
    """One person of the source, by the company's key: what it says, and what happened there."""

    key: str
    address: str
    """What the source says or said last."""
    other: str
    """The address that the person had before, or may have later."""
    written: dict[str, str] | None = None
    """What the source's row holds: values by field, its list under `list`, its tag under `tag`."""
    row: dict[str, str] | None = None
    """The same; None when there is no row, or one that names no list, which is rejected."""
    unsubscribed: bool = False
    deleted: bool = False
    seen_out: bool = False
    """A quiet run surely saw that the person was unsubscribed or deleted."""
    dropped: set[str] = field(default_factory=set)
    """Lists that unsubscribing or being deleted took the person off."""
    left: set[str] = field(default_factory=set)
    """Lists that a quiet run saw the person on, and that were left since."""
    left_unseen: set[str] = field(default_factory=set)
    """Those of them that perhaps no run has missed the person on yet."""
    unsure: set[str] = field(default_factory=set)
    """Lists that the person may be put on or not."""
    put: set[str] = field(default_factory=set)
    """Lists that we put the person on, as a quiet run saw."""
    allowed: dict[str, set[str | None]] = field(default_factory=dict)
    """The values by field that may be there beside the source's."""
    typed: dict[str, str | None] = field(default_factory=dict)
    """The values by field that somebody typed there last."""
    kept: set[str | None] | None = None
    """The value of the field that Constant Contact owns; None while the first is to come."""
    said: set[str | None] = field(default_factory=lambda: {None})
    """All that it may be then: what the source has said of it, and what was typed there."""
    tagged: set[str] = field(default_factory=set)
    """Tags that we gave the person, as a quiet run saw."""
    untagged: set[str] = field(default_factory=set)
    """Tags that somebody took away there, so that they may be missing."""
    own_tags: set[str] = field(default_factory=set)
    """Tags that somebody gave there, and that are none of ours."""
    unconfirmed: dict[str, set[str | None]] = field(default_factory=dict)
    """The source's values by field since the last quiet run: a failed import may have set them."""
    typed_in: bool = False
    """Somebody made the contact there, or may have."""
    keyed: bool = False
    """We brought the person, so that the key tells who it is under another address."""
    doubled: bool = False
    """Constant Contact refused the new address, so there is a second contact."""
    late: bool = False
    """Came back while a plan waited for a person: it adds nobody, so the run after it does."""
    missing: int = 0
    """In how many quiet runs the source did not have the person."""
    may_be_missing: int = 0
    """The same of all runs, also those that failed or were killed."""

    def __repr__(self) -> str:
        return f"{self.key} ({self.address})"

    @property
    def out(self) -> bool:
        return self.unsubscribed or self.deleted

    def in_(self, there: There) -> dict[str, Any] | None:
        """The person's contact, under whichever address."""
        return there.get(self.address) or (None if self.doubled else there.get(self.other))


@dataclass(frozen=True)
class Gone:
    """What becomes of those whom the source has no more."""

    action: str
    after_runs: int


class Rules:
    """The model of one account."""

    def __init__(
        self, people: int, everybody: set[str], gone: Gone, *, sees_all: bool, owned: bool
    ) -> None:
        self.people = [
            Person(f"K{number}", f"p{number}@example.com", f"q{number}@example.com")
            for number in range(people)
        ]
        self._everybody = everybody
        self._gone = gone
        self._sees_all = sees_all
        self._owned = owned

    # --- the source ------------------------------------------------------------------------------

    def row(self, person: Person, row: dict[str, str] | None) -> None:
        """The source says this of a person, or nothing any more."""
        person.written = row
        if row is not None and not self._everybody and not row["list"]:
            row = None
        before, person.row = person.row, row
        person.said.add((row or {}).get(OWNED) or None)
        if row is not None:
            person.missing = person.may_be_missing = 0
            person.own_tags.discard(row["tag"])
        for name in FIELDS:
            old = (before or {}).get(name) or None
            new = (row or {}).get(name) or None
            if row is None:
                person.allowed.setdefault(name, {None}).add(old)
            elif new is None and old is not None:
                unconfirmed = person.unconfirmed.get(name, set())
                person.allowed[name] = {None, person.typed.get(name)} | unconfirmed
            elif new is None:
                person.allowed.setdefault(name, {None})
            elif new != old:
                person.allowed[name] = set()
                person.typed.pop(name, None)
                person.unconfirmed.setdefault(name, set()).add(new)

    def readdressed(self, person: Person) -> None:
        """The source has another address of the person."""
        person.address, person.other = person.other, person.address

    def wanted(self, person: Person) -> set[str]:
        """The lists that the source asks for."""
        row = person.row
        return set() if row is None else self._everybody | ({row["list"]} - {""})

    @property
    def has_source(self) -> bool:
        return any(person.row is not None for person in self.people)

    @property
    def runs_until_gone(self) -> int:
        """After how many quiet runs all who are gone from the source are treated as such."""
        if self._gone.action == "keep":
            return 0
        gone = (person.missing for person in self.people if person.row is None)
        return max(0, *(self._gone.after_runs - missing for missing in gone), 0)

    # --- the other side --------------------------------------------------------------------------

    def unsubscribes(self, person: Person, on: set[str]) -> None:
        self._goes_out(person, on)
        person.unsubscribed = True

    def is_deleted(self, person: Person, on: set[str]) -> None:
        self._goes_out(person, on)
        person.deleted = True

    def comes_back(self, person: Person) -> None:
        """Subscribes again, or is restored: on no list at first."""
        if not person.seen_out:
            # It looks like having left them.
            person.unsure |= person.dropped
        person.dropped.clear()
        person.unsubscribed = person.deleted = person.seen_out = False

    def leaves(self, person: Person, name: str) -> None:
        if name in person.put:
            person.left_unseen.add(name)
        (person.left if name in person.put else person.unsure).add(name)
        person.put.discard(name)

    def joins(self, person: Person, name: str) -> None:
        person.left.discard(name)
        person.left_unseen.discard(name)
        person.unsure.discard(name)
        person.put.discard(name)

    def edited(self, person: Person, name: str, value: str | None, there: str | None) -> None:
        """Somebody types another value there; the source's may replace it, or not."""
        person.allowed.setdefault(name, {there}).add(value)
        person.typed[name] = value
        person.said |= {value, there}
        if person.kept is not None:
            person.kept = {value}

    def tagged(self, person: Person, name: str) -> None:
        """Somebody gives the person a tag there."""
        if name not in person.tagged | person.untagged | {(person.row or {}).get("tag")}:
            person.own_tags.add(name)

    def untagged(self, person: Person, name: str) -> None:
        """Somebody takes a tag away there."""
        person.untagged.add(name)
        person.own_tags.discard(name)

    def a_run_begins(self) -> None:
        """Some run; it may fail or be killed before it has counted who is missing."""
        for person in self.people:
            person.may_be_missing += person.row is None
            person.late = False

    # --- what must be ----------------------------------------------------------------------------

    def always_wrong(self, there: There) -> list[str]:
        """What must not be after any run, however it ended."""
        wrong = []
        for person in self.people:
            person.doubled = person.doubled or {person.address, person.other} <= there.keys()
            email, found = person.address, person.in_(there)
            if person.deleted and found is not None:
                wrong.append(f"{email} was deleted, and is there again")
            if found is None:
                continue
            on = set(found["lists"])
            if person.unsubscribed and (on or found["permission"] != "unsubscribed"):
                wrong.append(f"{email} unsubscribed, and is {found['permission']} on {on}")
            if back := on & person.left:
                wrong.append(f"{email} left {back}, and is on it again")
            if not person.out and (lost := person.own_tags - set(found["tags"])):
                wrong.append(f"{email} has lost the tags {lost}, which are not ours")
        return wrong

    def wrong(self, there: There, before: There, *, repaired: bool) -> list[str]:
        """What must not be after a quiet run; `before` is what was there when it began.

        `repaired` when it was to send again all that it found otherwise.
        """
        doubled = {person for person in self.people if person.doubled}
        wrong = self.always_wrong(there)
        for person in self.people:
            email = person.address
            if person.doubled and person not in doubled:
                wrong.append(f"{email} is there twice")
            if person.out or person.late:
                continue
            found = there.get(email)
            if person.row is None:
                wrong += self._wrong_of_gone(person, person.in_(there))
                continue
            must = self.wanted(person) - person.left - person.unsure
            if not must:
                continue  # who left all that is wanted is left out
            if found is None:
                wrong.append(f"{email} is not there")
                continue
            if (known := person.in_(before)) and known["contact_id"] != found["contact_id"]:
                wrong.append(f"{email} is another contact than before")
            if missing := must - set(found["lists"]):
                wrong.append(f"{email} is not on {missing}")
            if surplus := (person.put - self.wanted(person)) & set(found["lists"]):
                wrong.append(f"{email} is still on {surplus}")
            tag, tags = {person.row["tag"]} - {""}, set(found["tags"])
            may_lack = set() if repaired else person.untagged
            if tag - tags - may_lack or (person.tagged - tag) & tags:
                wrong.append(f"{email} has the tags {found['tags']}, not {tag}")
            for name in FIELDS:
                values = self._values(person, name, repaired=repaired)
                if found.get(name) not in values:
                    wrong.append(f"{email} has {name} {found.get(name)}, not one of {values}")
        return wrong

    def _values(self, person: Person, name: str, *, repaired: bool) -> set[str | None]:
        """What a field may hold."""
        if self._owned and name == OWNED:
            return person.said if person.kept is None else person.kept
        says = (person.row or {}).get(name) or None
        if repaired and says is not None:
            return {says}
        return person.allowed.get(name, set()) | {says}

    def _wrong_of_gone(self, person: Person, found: dict[str, Any] | None) -> list[str]:
        email = person.address
        on = set() if found is None else set(found["lists"])
        if self._gone.action == "keep" or person.may_be_missing < self._gone.after_runs:
            kept = person.put <= on
            return [] if kept else [f"{email} is gone from the source, and off {person.put - on}"]
        if person.missing + 1 < self._gone.after_runs:
            return []
        if self._gone.action == "delete":
            made_here = found is not None and person.put and not person.typed_in
            return [f"{email} is gone from the source, and not deleted"] if made_here else []
        still = on & person.put
        return [f"{email} is gone from the source, and still on {still}"] if still else []

    def seen(self, there: There) -> None:
        """A quiet run has ended, and this is so."""
        for person in self.people:
            person.missing += person.row is None
            if person.out:
                person.seen_out = person.seen_out or self._sees_all
                continue
            found = person.in_(there)
            person.unconfirmed.clear()
            if self._sees_all:
                person.left_unseen.clear()
            on = set() if found is None else set(found["lists"])
            person.put = on & (person.put if person.row is None else self.wanted(person))
            person.left |= person.unsure & self.wanted(person) - on
            person.unsure.clear()
            if found is None:
                person.kept = None
                person.own_tags.clear()
            elif person.row is not None and person.put:
                person.keyed = True
                person.kept = {found.get(OWNED)}
                person.tagged = set(found["tags"]) & {person.row["tag"]}
                person.untagged &= {person.row["tag"]} - set(found["tags"])

    def _goes_out(self, person: Person, on: set[str]) -> None:
        """What takes a person off all lists; who was seen to be out is put on them again."""
        if not person.out:
            person.dropped = person.put & on
            # Nothing tells later which of the lists were left before.
            person.unsure |= on - person.put | person.left_unseen
            person.left -= person.left_unseen
            person.left_unseen.clear()
            person.put.clear()
            person.own_tags.clear()


Look = Callable[[There], list[str]]
