"""Which source column fills which contact field."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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
    canonical_position,
)
from sync.contact.header_names import well_known_field
from sync.errors import ConfigurationError, SourceError
from sync.settings.options import FieldMapping, Lists


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What is read from the source.

    Attributes:
        fields: Pairs of contact field and source column, in canonical order; the field is one of
            the import's, `birthday` (a whole date), or `cf:` and a custom field's name.
        list_column: The column that names a further list of each contact.
        unmapped: The source's columns that are not used.
    """

    fields: tuple[tuple[str, str], ...]
    list_column: str | None
    unmapped: tuple[str, ...]


def map_columns(header: Sequence[str], mapping: FieldMapping, lists: Lists) -> ColumnMapping:
    """Decide what is read from a source with this header.

    What the configuration names goes first; then, if it allows that, columns with well-known names
    fill the fields that are left, the first of several.

    Raises:
        ConfigurationError: a field that the API doesn't know or that can't be mapped, fields that
            exclude each other, too many custom fields, or a date format that can't be read.
        SourceError: a mapped column is missing or there twice, or none holds e-mail addresses.
    """
    _refuse_impossible(mapping)
    fields = dict(mapping.columns)
    fields |= {CUSTOM_PREFIX + name: column for name, column in mapping.custom_fields.items()}
    if mapping.auto:
        fields = _with_well_known(header, fields)
    if EMAIL not in fields:
        raise SourceError(
            "The source has no column that is known to hold e-mail addresses; name it under "
            f'[mapping.columns]: email = "…". Its columns are: {_listed(header)}.'
        )
    wanted = [*fields.values(), *filter(None, [lists.column])]
    _refuse_missing(header, wanted)
    return ColumnMapping(
        fields=tuple(sorted(fields.items(), key=lambda pair: canonical_position(pair[0]))),
        list_column=lists.column,
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
        *_custom_field_problems(mapping.custom_fields),
    ]
    if problems:
        raise ConfigurationError("The mapping of columns can't be used:", tuple(problems))
    compiled(mapping.date_formats)


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


def _with_well_known(header: Sequence[str], fields: dict[str, str]) -> dict[str, str]:
    """Add the columns whose names speak for themselves, where nothing speaks against it."""
    found = dict(fields)
    for column in header:
        field = well_known_field(column)
        if field is None or field in found or column in fields.values():
            continue
        if not any(_clashes([*found, field])):
            found[field] = column
    for half in _lone_halves(found):
        del found[half]
    return found


def _refuse_missing(header: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [column for column in dict.fromkeys(wanted) if column not in header]
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
