"""`contact-sync map`."""

from typing import Annotated

import orjson
import pandas as pd
import typer
from rich.table import Table

from sync.cli.options import ConfigOption, settings_of
from sync.cli.terminal import output, say
from sync.contact.fields import BIRTHDAY, BIRTHDAY_DAY, BIRTHDAY_MONTH
from sync.contact.mapping import ColumnMapping, MappedField, map_columns
from sync.contact.rules import Rules
from sync.contact.validation import Checked, check
from sync.loading import configured_rules, open_configured
from sync.source import Chunk

_SAMPLES = 3
_LONGEST = 40


def command(
    context: typer.Context,
    config: ConfigOption = None,
    rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many of the first rows are looked at.")
    ] = 1000,
) -> None:
    """Show what each source column goes to.

    Three sample values of each field before and after, what is not mapped, and who may be sent.
    Nothing is sent and nothing is stored.
    """
    settings = settings_of(context, config)
    source = open_configured(settings)
    rules = configured_rules(settings)
    mapping = map_columns(source.header, rules)
    chunk = next(source.chunks(), None)
    say(source.description, "bold")
    if chunk is None or not len(chunk.rows):
        say("It has no rows that can be read.")
        return
    first = Chunk(chunk.frame.head(rows), chunk.rows[:rows])
    checked = check(first, mapping, rules)
    output.print(_fields_table(first, mapping, checked))
    _tell_others(source.header, mapping, rules)
    _tell_rows(first, checked)


def _fields_table(chunk: Chunk, mapping: ColumnMapping, checked: Checked) -> Table:
    table = Table("source", "contact field", "before", "after")
    for column in table.columns[2:]:
        column.no_wrap = True  # else the samples would not stand beside each other
    bodies = {
        int(row): orjson.loads(body)
        for row, body in zip(checked.contacts["row"], checked.contacts["body"], strict=True)
    }
    for field in mapping.fields:
        before, after = _samples(chunk, field, bodies)
        table.add_row(str(field.recipe), field.name, "\n".join(before), "\n".join(after))
    return table


def _samples(
    chunk: Chunk, field: MappedField, bodies: dict[int, dict[str, object]]
) -> tuple[list[str], list[str]]:
    """The first different values of a field, and what the contacts have of them."""
    before: list[str] = []
    after: list[str] = []
    columns = list(field.recipe.columns)
    for at, row in enumerate(chunk.rows.tolist()):
        cells = [str(_cell(chunk.frame, column, at)).strip() for column in columns]
        written = " + ".join(cell for cell in cells if cell)
        if (columns and not written) or _short(written) in before or row not in bodies:
            continue
        before.append(_short(written))
        after.append(_short(_value(field, bodies[row])))
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
        (rules.lists.column, "names a further list"),
        (rules.consent.column, "says who agreed to be written to"),
        (rules.duplicates.column, "says which of several rows is the newest"),
        (rules.key_column, "is shown in the rejects file"),
    )
    for column, use in uses:
        if column is not None:
            say(f"“{column}” {use}.")
    if rules.consent.all_rows_have_consent:
        say("All rows are declared to have agreed to be written to.")
    unused = ", ".join(f"“{column}”" for column in mapping.unmapped)
    say(f"Not mapped: {unused}." if unused else f"All {len(header)} columns are used.")


def _tell_rows(chunk: Chunk, checked: Checked) -> None:
    sent, seen = len(checked.contacts), len(chunk.rows)
    left = f"; {seen - sent:,} would not be sent" if seen != sent else ""
    say(f"Of the first {seen:,} rows {sent:,} are contacts{left}.")
    told: set[str] = set()
    for problem in checked.problems:
        if problem.code not in told:
            told.add(problem.code)
            say(f"  {problem.code}, such as row {problem.row}: {problem.reason}")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
