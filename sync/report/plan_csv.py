"""A plan as a CSV file: one line a contact, with each changed field's old and new value."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sync.report.csv_file import CsvFile
from sync.state.planned import FieldChange, PlannedChange

_HEADING = (
    "email",
    "what",
    "fields",
    "old values",
    "new values",
    "lists before",
    "lists after",
    "tags before",
    "tags after",
)
_BETWEEN = " | "


def write_plan(path: Path, changes: Iterable[PlannedChange]) -> int:
    """Write the file; returns how many contacts are in it. Raises StateError."""
    file = CsvFile(path, "plan's file", _HEADING, advice="name another, or see to its disk")
    count = 0
    try:
        for change in changes:
            file.write(_cells(change))
            count += 1
    finally:
        file.close(keep=True)
    return count


def _cells(change: PlannedChange) -> Iterator[str]:
    yield change.email
    yield change.what
    yield ", ".join(each.name for each in change.fields)
    yield _BETWEEN.join(_value(each, each.old) for each in change.fields if each.old is not None)
    yield _BETWEEN.join(_value(each, each.new) for each in change.fields if each.new is not None)
    for names in (change.lists_before, change.lists_after, change.tags_before, change.tags_after):
        yield _BETWEEN.join(names)


def _value(change: FieldChange, value: str) -> str:
    return f"{change.name}={value}"
