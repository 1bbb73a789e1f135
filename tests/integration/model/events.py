"""What happens in a company's life between its runs, chosen among what can happen just then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.integration.model.office import Office
from tests.integration.model.rules import FIELDS, LISTS, OWNED, TAGS, Person, Rules

VALUES = st.sampled_from(["", "Ada", "Zoë", "O'Hara"])
ROWS = st.fixed_dictionaries(
    {
        "first_name": VALUES,
        "home_city": VALUES,
        "list": st.sampled_from(["", *LISTS]),
        "tag": st.sampled_from(["", *TAGS]),
    }
)
_GARBAGE = st.sampled_from(["", "nobody", "a@@example.com", "ä@ü"])

Draw = Callable[[st.SearchStrategy[Any]], Any]
Event = Callable[[Draw, Person], None]


@dataclass(repr=False)
class Events:
    """The life of one company; it tells the model what happens."""

    office: Office
    model: Rules
    keyed: bool

    def __post_init__(self) -> None:
        self._noise: list[tuple[Person | None, dict[str, str]]] = []

    def happen(self, draw: Draw, most: int) -> None:
        """Some events, most of them to the same person."""
        person = self._somebody(draw)
        for _ in range(draw(st.integers(0, most))):
            if draw(st.integers(0, 3)) == 0:
                person = self._somebody(draw)
            possible = [*self._in_source(person), *self._there(person), *self._changed(person)]
            _one_of(draw, possible)(draw, person)

    def end_there(self, draw: Draw) -> None:
        """While a plan waits, perhaps somebody unsubscribes, leaves a list, or comes back."""
        person = self._somebody(draw)
        possible = self._there(person)
        if possible and draw(st.booleans()):
            person.late = person.out
            _one_of(draw, possible)(draw, person)

    def write_source(self) -> None:
        """Write what the source says now."""
        rows = [
            {"id": person.key, "email": person.address, **person.written}
            for person in self.model.people
            if person.written is not None
        ]
        # A second row of somebody who is in the source still, or garbage; the last one counts.
        noise = [
            row if person is None else {"id": person.key, "email": person.address.upper(), **row}
            for person, row in self._noise
            if person is None or person.row is not None
        ]
        self.office.write([*noise, *rows])

    # --- what can happen now ---------------------------------------------------------------------

    def _in_source(self, person: Person) -> list[Event]:
        possible = [self._row, self._garbage, self._a_day_passes]
        if person.written is not None:
            possible += [self._cell, self._cell, self._no_row, self._second_row]
            if self._can_have_another_address(person):
                possible += [self._address, self._address]
        return possible

    def _there(self, person: Person) -> list[Event]:
        """What ends something there, or begins it again."""
        if person.out:
            return [self._comes_back]
        found = self._contact(person)
        if found is None:
            return []
        possible: list[Event] = [self._unsubscribes, self._is_deleted]
        if found["lists"]:
            possible += [self._leaves_a_list] * 3
        if len(found["lists"]) < len(LISTS):
            possible.append(self._joins_a_list)
        return possible

    def _changed(self, person: Person) -> list[Event]:
        found = self._contact(person)
        if found is None:
            known = {person.address, person.other} & self._ever_there()
            return [] if person.out or known else [self._is_typed_in]
        possible: list[Event] = [self._is_edited]
        if found["tags"]:
            possible.append(self._loses_a_tag)
        if len(found["tags"]) < len(TAGS):
            possible.append(self._gets_a_tag)
        return possible

    def _can_have_another_address(self, person: Person) -> bool:
        """Whether it is certain who the person is then."""
        both = {person.address, person.other} <= self._ever_there()
        return self.keyed and person.keyed and not person.doubled and not both

    # --- the source ------------------------------------------------------------------------------

    def _row(self, draw: Draw, person: Person) -> None:
        self.model.row(person, draw(ROWS))

    def _cell(self, draw: Draw, person: Person) -> None:
        assert person.written is not None
        name = draw(st.sampled_from([*FIELDS, "list", "tag"]))
        self.model.row(person, {**person.written, name: draw(ROWS)[name]})

    def _no_row(self, _draw: Draw, person: Person) -> None:
        self.model.row(person, None)

    def _address(self, _draw: Draw, person: Person) -> None:
        self.model.readdressed(person)

    def _second_row(self, draw: Draw, person: Person) -> None:
        self._noise.append((person, draw(ROWS)))

    def _garbage(self, draw: Draw, _person: Person) -> None:
        text = draw(_GARBAGE)
        self._noise.append((None, {"email": text, "first_name": text, "list": "Customers"}))

    def _a_day_passes(self, _draw: Draw, _person: Person) -> None:
        self.office.next_day()

    # --- the other side --------------------------------------------------------------------------

    def _unsubscribes(self, draw: Draw, person: Person) -> None:
        people, found = self.office.people, self._contact(person)
        assert found is not None
        (people.user_unsubscribe if draw(st.booleans()) else people.unsubscribe)(found["email"])
        self.model.unsubscribes(person, set(found["lists"]))

    def _leaves_a_list(self, draw: Draw, person: Person) -> None:
        people, found = self.office.people, self._contact(person)
        assert found is not None
        name = draw(st.sampled_from(found["lists"]))
        leave = people.user_remove_from_list if draw(st.booleans()) else people.leave_list
        leave(found["email"], name)
        self.model.leaves(person, name)

    def _joins_a_list(self, draw: Draw, person: Person) -> None:
        found = self._contact(person)
        assert found is not None
        name = draw(st.sampled_from([name for name in LISTS if name not in found["lists"]]))
        self.office.people.user_add_to_list(found["email"], name)
        self.model.joins(person, name)

    def _is_deleted(self, _draw: Draw, person: Person) -> None:
        found = self._contact(person)
        assert found is not None
        self.office.people.user_delete(found["email"])
        self.model.is_deleted(person, set(found["lists"]))

    def _comes_back(self, _draw: Draw, person: Person) -> None:
        people, known = self.office.people, self._ever_there()
        email = person.address if person.address in known else person.other
        if person.deleted:
            people.user_restore(email)
        if person.unsubscribed:
            people.set_permission(email, "explicit")
        self.model.comes_back(person)

    def _is_edited(self, draw: Draw, person: Person) -> None:
        found, value = self._contact(person), draw(VALUES) or None
        assert found is not None
        self.office.people.user_edit(found["email"], {OWNED: value})
        self.model.edited(person, OWNED, value, found.get(OWNED))

    def _gets_a_tag(self, draw: Draw, person: Person) -> None:
        found = self._contact(person)
        assert found is not None
        name = draw(st.sampled_from([name for name in TAGS if name not in found["tags"]]))
        self.office.people.user_tag(found["email"], name)
        self.model.tagged(person, name)

    def _loses_a_tag(self, draw: Draw, person: Person) -> None:
        found = self._contact(person)
        assert found is not None
        name = draw(st.sampled_from(found["tags"]))
        self.office.people.user_untag(found["email"], name)
        self.model.untagged(person, name)

    def _is_typed_in(self, draw: Draw, person: Person) -> None:
        person.typed_in = True
        unsubscribed = draw(st.booleans())
        self.office.people.add_contact(
            person.address,
            permission="unsubscribed" if unsubscribed else "implicit",
            lists=() if unsubscribed else (draw(st.sampled_from(LISTS)),),
        )
        if unsubscribed:
            self.model.unsubscribes(person, set())

    # --- helpers ---------------------------------------------------------------------------------

    def _somebody(self, draw: Draw) -> Person:
        return self.model.people[draw(st.integers(0, len(self.model.people) - 1))]

    def _contact(self, person: Person) -> dict[str, Any] | None:
        """The person's contact, unless it was ended there."""
        return None if person.out else person.in_(self.office.audience())

    def _ever_there(self) -> set[str]:
        """Whom the account knows, deleted or not."""
        contacts = self.office.people.contacts(deleted=True)
        return {each["email_address"]["address"].lower() for each in contacts}


def _one_of(draw: Draw, possible: list[Event]) -> Event:
    """By name, so that a failure tells it."""
    events = {event.__name__: event for event in possible}
    return events[draw(st.sampled_from([event.__name__ for event in possible]))]
