"""Which source column fills which contact field."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from babel.numbers import is_currency

from sync.contact.dates import compiled
from sync.contact.fields import (
    BIRTHDAY,
    BIRTHDAY_DAY,
    BIRTHDAY_MONTH,
    CONFLICTS,
    CUSTOM_FIELD_NAME_LONGEST,
    CUSTOM_PREFIX,
    EMAIL,
    FIELDS,
    MAX_CUSTOM_FIELDS,
    REFUSED,
    SMS_CONSENT_DATE,
    SMS_NUMBER,
    Field,
    canonical_position,
    field_of,
)
from sync.contact.header_names import well_known_field
from sync.contact.phones import known_region
from sync.contact.rules import Rules
from sync.errors import ConfigurationError, SourceError
from sync.settings.mapping import CustomRecipe, FieldMapping, Recipe


@dataclass(frozen=True, slots=True)
class MappedField:
    """A contact field and what fills it.

    Attributes:
        name: One of the import's fields, `birthday` (a whole date), or `cf:` and a custom field's
            name.
        recipe: What fills it.
    """

    name: str
    recipe: Recipe

    @property
    def custom_type(self) -> str:
        """The type of a custom field in Constant Contact."""
        return self.recipe.type if isinstance(self.recipe, CustomRecipe) else "string"

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices that a custom field has, as far as they are configured."""
        return self.recipe.choices if isinstance(self.recipe, CustomRecipe) else ()

    @property
    def field(self) -> Field:
        """What the import accepts."""
        return field_of(self.name, self.custom_type)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What is read from the source.

    Attributes:
        fields: In canonical order.
        unmapped: The source's columns that are not used.
    """

    fields: tuple[MappedField, ...]
    unmapped: tuple[str, ...]

    @property
    def import_names(self) -> frozenset[str]:
        """The fields of the import that may be filled."""
        names = {mapped.name for mapped in self.fields}
        return frozenset(names | {BIRTHDAY_MONTH, BIRTHDAY_DAY} if BIRTHDAY in names else names)

    @property
    def has_sms(self) -> bool:
        """Whether contacts may carry a number for text messages."""
        return any(mapped.name == SMS_NUMBER for mapped in self.fields)


def map_columns(header: Sequence[str], rules: Rules) -> ColumnMapping:
    """Decide what is read from a source with this header.

    What the configuration names goes first; then, if it allows that, columns with well-known names
    fill the fields that are left, the first of several.

    Raises:
        ConfigurationError: a field that the API doesn't know or that can't be mapped, fields that
            exclude each other, too many custom fields, a date format that can't be read, or
            nobody said who agreed to be written to.
        SourceError: a mapped column is missing or there twice, or none holds e-mail addresses.
    """
    mapping = rules.mapping
    _refuse_impossible(mapping)
    fields: dict[str, Recipe] = dict(mapping.columns)
    fields |= {CUSTOM_PREFIX + name: recipe for name, recipe in mapping.custom_fields.items()}
    if mapping.auto:
        fields = _with_well_known(header, fields, mapping.ignore)
    if EMAIL not in fields:
        if any(re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", column.strip()) for column in header):
            raise SourceError(
                "The first line of the source holds an address, so it is no header line: put one "
                "with the columns' names above it."
            )
        raise SourceError(
            "The source has no column that is known to hold e-mail addresses; name it under "
            f'[mapping.columns]: email = "…". Its columns are: {_listed(header)}.'
        )
    rules.refuse_without_consent()
    read = [column for recipe in fields.values() for column in recipe.columns]
    wanted = list(dict.fromkeys([*read, *rules.further_columns]))
    _refuse_missing(header, wanted)
    names = sorted(fields, key=canonical_position)
    return ColumnMapping(
        fields=tuple(MappedField(name, fields[name]) for name in names),
        unmapped=tuple(column for column in header if column not in wanted),
    )


def _refuse_impossible(mapping: FieldMapping) -> None:
    problems = [
        *_unknown_fields(mapping.columns),
        *_clashes(mapping.columns),
        *(
            f"{half} is mapped alone; a birthday needs its month and its day"
            for half in _lone_halves(mapping.columns)
        ),
        *_lone_sms(mapping.columns),
        *_unknown_region(mapping.phone_region),
        *_custom_field_problems(mapping.custom_fields),
        *_not_to_own(mapping),
        *_unknown_currencies(mapping.custom_fields),
    ]
    if problems:
        raise ConfigurationError("The mapping of columns can't be used:", tuple(problems))
    compiled(mapping.date_formats)
    for recipe in (*mapping.columns.values(), *mapping.custom_fields.values()):
        compiled(recipe.date_formats)


def _unknown_fields(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name in REFUSED:
            yield f"mapping.columns.{name} can't be mapped: {REFUSED[name]}"
        elif name.startswith(CUSTOM_PREFIX):
            yield f"mapping.columns.{name}: custom fields belong under [mapping.custom_fields]"
        elif name not in FIELDS and name != BIRTHDAY:
            near = difflib.get_close_matches(name, [*FIELDS, BIRTHDAY], n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(FIELDS)}"
            yield f"mapping.columns.{name} is not a contact field; {hint}"


def _clashes(names: Iterable[str]) -> Iterator[str]:
    mapped = set(names)
    for some, others, reason in CONFLICTS:
        one = [name for name in some if name in mapped]
        other = [name for name in others if name in mapped]
        if one and other:
            yield f"{one[0]} and {other[0]} can't both be mapped: {reason}"


def _lone_halves(names: Iterable[str]) -> set[str]:
    halves = {BIRTHDAY_MONTH, BIRTHDAY_DAY}.intersection(names)
    return halves if len(halves) == 1 else set()


def _lone_sms(names: Iterable[str]) -> Iterator[str]:
    if len({SMS_NUMBER, SMS_CONSENT_DATE}.intersection(names)) == 1:
        yield (
            f"{SMS_NUMBER} and {SMS_CONSENT_DATE} belong together: text messages are only for "
            "people who agreed to them on a known day"
        )


def _unknown_region(region: str | None) -> Iterator[str]:
    if region is not None and not known_region(region):
        yield f"mapping.phone_region: {region} is no country with phone numbers; write US or DE"


def _custom_field_problems(names: Iterable[str]) -> Iterator[str]:
    names = list(names)
    if len(names) > MAX_CUSTOM_FIELDS:
        yield (
            f"{len(names)} custom fields are mapped; Constant Contact takes {MAX_CUSTOM_FIELDS} "
            "a contact"
        )
    for name in names:
        if not name or len(name) > CUSTOM_FIELD_NAME_LONGEST:
            yield (
                f"mapping.custom_fields: “{name}” can't be a custom field's name, which has 1 to "
                f"{CUSTOM_FIELD_NAME_LONGEST} characters"
            )
        elif " " in name:
            # The contract's CustomField: name.
            yield (
                f"mapping.custom_fields: “{name}” is a custom field's label; in its name there "
                f"are underscores for blanks: write {name.replace(' ', '_')}"
            )


def _unknown_currencies(fields: Mapping[str, CustomRecipe]) -> Iterator[str]:
    for name, recipe in fields.items():
        if recipe.currency is not None and not is_currency(recipe.currency):
            yield f"mapping.custom_fields.{name}: {recipe.currency} is no currency; write USD"


def _not_to_own(mapping: FieldMapping) -> Iterator[str]:
    """What can't be Constant Contact's own: a name that is none would own nothing, unnoticed."""
    option = "mapping.owned_by_constant_contact"
    known = [*FIELDS, BIRTHDAY, *(CUSTOM_PREFIX + name for name in mapping.custom_fields)]
    for name in mapping.owned_by_constant_contact:
        if name == EMAIL:
            yield f"{option}: the address names the contact, and is the source's"
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{option}: {name} is not a contact field, nor a mapped custom field{hint}"


def _with_well_known(
    header: Sequence[str], fields: dict[str, Recipe], ignore: Sequence[str]
) -> dict[str, Recipe]:
    """Add the columns whose names speak for themselves, where nothing speaks against it."""
    found = dict(fields)
    used = {column for recipe in fields.values() for column in recipe.columns}
    for column in header:
        field = well_known_field(column)
        if field is None or field in found or column in used or column in ignore:
            continue
        if not any(_clashes([*found, field])):
            found[field] = Recipe(column=column)
    for half in _lone_halves(found):
        del found[half]
    return found


def _refuse_missing(header: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in header]
    if missing:
        near = difflib.get_close_matches(missing[0], header, n=1)
        raise SourceError(
            f"The source has no column “{missing[0]}”, which the configuration maps; "
            + (f"did you mean “{near[0]}”?" if near else f"its columns are: {_listed(header)}.")
        )
    for column in wanted:
        places = [str(place) for place, name in enumerate(header, 1) if name == column]
        if len(places) > 1:
            raise SourceError(
                f"The source has {len(places)} columns named “{column}” (number "
                f"{' and '.join(places)}); rename all but one, so that it is clear which is meant."
            )


def _listed(header: Sequence[str]) -> str:
    return ", ".join(f"“{column}”" for column in header)
