"""`contact-sync map`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import orjson
import pandas as pd
import typer
from rich.table import Table

from sync.cli.options import AccountOption, ConfigOption, settings_of
from sync.cli.terminal import output, say
from sync.contact.fields import BIRTHDAY, BIRTHDAY_DAY, BIRTHDAY_MONTH
from sync.contact.mapping import ColumnMapping, MappedField, map_columns
from sync.contact.rules import Rules
from sync.contact.validation import Checked, check
from sync.loading import configured_rules, open_configured
from sync.settings.options import Consent, Lists, Tags
from sync.source import Chunk

_EVERYBODY = Consent(all_rows_have_consent=True)
_SAMPLES = 3
_LONGEST = 40
_SHORTEST_SAMPLE = 12
# The lines and blanks of a row of four cells.
_FRAME = 13


def command(
    context: typer.Context,
    config: ConfigOption = None,
    account: AccountOption = None,
    rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many of the first rows are looked at.")
    ] = 1000,
) -> None:
    """Show what each source column goes to.

    Three sample values of each field before and after, what is not mapped, and who may be sent.
    Nothing is sent and nothing is stored. Without [consent] it says so after it has shown all.
    """
    settings = settings_of(context, config, account)
    source = open_configured(settings)
    rules = configured_rules(settings)
    # Whoever has yet to say who agreed may see what each column goes to before.
    shown = rules if rules.say_who_agreed else replace(rules, consent=_EVERYBODY)
    mapping = map_columns(source.header, shown)
    first = _first(next(source.chunks()), rows)
    say(source.description, "bold")
    checked = check(first, mapping, rules)
    output.print(_fields_table(first, mapping, rules, checked))
    _tell_others(source.header, mapping, rules)
    _tell_rows(first, checked, "" if rules.say_who_agreed else " if these people agreed")
    rules.refuse_without_consent()


def _first(chunk: Chunk, count: int) -> Chunk:
    """So many rows from the start, those included that can't be read."""
    numbers = sorted([*chunk.rows.tolist(), *(fault.row for fault in chunk.faults)])[:count]
    last = numbers[-1] if numbers else 0
    whole = chunk.rows <= last
    faults = tuple(fault for fault in chunk.faults if fault.row <= last)
    return Chunk(chunk.frame[whole], chunk.rows[whole], faults)


def _fields_table(chunk: Chunk, mapping: ColumnMapping, rules: Rules, checked: Checked) -> Table:
    table = Table("source", "contact field", "before", "after")
    for column in table.columns:
        column.no_wrap = True  # else the samples would not stand beside each other
    contacts = checked.contacts.to_pylist()
    bodies = {contact["row"]: orjson.loads(contact["body"]) for contact in contacts}
    for field in mapping.fields:
        values = {row: _value(field, body) for row, body in bodies.items()}
        before, after = _samples(chunk, field.recipe.columns, values)
        table.add_row(str(field.recipe), field.name, "\n".join(before), "\n".join(after))
    for name, options in (("lists", rules.lists), ("tags", rules.tags)):
        if not options.names and options.column is None:
            continue
        values = {contact["row"]: "; ".join(contact[name]) or "(none)" for contact in contacts}
        columns = (options.column,) if options.column else ()
        before, after = _samples(chunk, columns, values, with_empty=True)
        table.add_row(_origin(options), name, "\n".join(before), "\n".join(after))
    _shorten_samples(table, output.width)
    return table


def _shorten_samples(table: Table, width: int) -> None:
    """Let the names be read whole on a narrow terminal: what gives way are the samples."""
    source, field, *samples = table.columns
    names = sum(max(len(str(cell)) for cell in column.cells) for column in (source, field))
    for column in samples:
        column.max_width = max((width - names - _FRAME) // len(samples), _SHORTEST_SAMPLE)


def _origin(options: Lists | Tags) -> str:
    fixed = ", ".join(f"“{name}”" for name in options.names)
    return " + ".join(filter(None, [options.column, f"{fixed} for all" if fixed else ""]))


def _samples(
    chunk: Chunk, columns: Sequence[str], values: Mapping[int, str], *, with_empty: bool = False
) -> tuple[list[str], list[str]]:
    """The first different cells of these columns, and what the contacts have of them."""
    before: list[str] = []
    after: list[str] = []
    for at, row in enumerate(chunk.rows.tolist()):
        cells = [str(_cell(chunk.frame, column, at)).strip() for column in columns]
        written = " + ".join(cell for cell in cells if cell)
        if row not in values or (columns and not written and not with_empty):
            continue
        if _short(written) not in before:
            before.append(_short(written))
            after.append(_short(values[row]))
        if len(before) == _SAMPLES:
            break
    return before, after


def _cell(frame: pd.DataFrame, column: str, at: int) -> object:
    return frame[column].iloc[at]


def _value(field: MappedField, body: dict[str, object]) -> str:
    if field.name == BIRTHDAY:
        parts = [body.get(name) for name in (BIRTHDAY_MONTH, BIRTHDAY_DAY)]
        return "month {}, day {}".format(*parts) if all(parts) else "(left out)"
    return str(body.get(field.name, "(left out)"))


def _tell_others(header: tuple[str, ...], mapping: ColumnMapping, rules: Rules) -> None:
    uses = (
        (rules.consent.column, "says who agreed to be written to"),
        (rules.duplicates.column, "says which of several rows is the newest"),
        (rules.key_column, "tells who has a new address, and is shown in the rejects file"),
    )
    for column, use in uses:
        if column is not None:
            say(f"“{column}” {use}.")
    if rules.consent.all_rows_have_consent:
        say("All rows are declared to have agreed to be written to.")
    unused = ", ".join(f"“{column}”" for column in mapping.unmapped)
    say(f"Not mapped: {unused}." if unused else f"All {len(header)} columns are used.")


def _tell_rows(chunk: Chunk, checked: Checked, condition: str) -> None:
    sent, seen = len(checked.contacts), len(chunk.rows) + len(chunk.faults)
    if seen == 1:
        say(f"The first row would {f'be sent{condition}' if sent else 'not be sent'}.")
    else:
        would = f"{sent:,} would be sent{condition}, and {seen - sent:,} would not"
        say(f"Of the first {seen:,} rows {would}.")
    told: set[tuple[str, str]] = set()
    for problem in checked.problems:
        if (problem.code, problem.field) not in told:
            told.add((problem.code, problem.field))
            value = f" “{_short(problem.value)}”" if problem.value else ""
            where = f"{problem.field}{value}" if problem.field else ""
            place = f"row {problem.row}{f' ({where})' if where else ''}"
            say(f"  {problem.code}, such as {place}: {problem.reason}")
    for fault in chunk.faults[:1]:
        say(f"  row_unreadable, such as row {fault.row}: {fault.reason}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
