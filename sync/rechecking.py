"""Rows that are, cell for cell, what they were at the last reading are not checked again."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib.metadata import version
from inspect import getfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync import contact, settings, text_bytes
from sync.contact.findings import Problem
from sync.contact.mapping import ColumnMapping
from sync.contact.rules import Rules
from sync.contact.text import literal, text_column
from sync.contact.validation import Checked, check
from sync.source import Chunk, ContactSource, RowFault
from sync.state import checked_rows, staging
from sync.state.checked_rows import FEW, CheckedRows, Found
from sync.text_bytes import raw_bytes

# Between cells, and for one that has no text; a chunk with either in it is always checked.
_BETWEEN, _NULL = "\x1f", "\x1e"
# So many rows, few of each chunk, are checked together: a check is many steps for any number.
_TOGETHER = 1_000
# What they know of the world decides what a row comes to.
_PACKAGES = ("babel", "email-validator", "idna", "phonenumbers", "pyarrow")
# So do these: not the program's version, since between two of them there may be many changes.
_FILES = (
    *sorted(Path(getfile(contact)).parent.glob("*.py")),
    *(Path(getfile(settings)).with_name(name) for name in ("groups.py", "mapping.py")),
    *(Path(getfile(module)) for module in (checked_rows, staging, text_bytes)),
    Path(__file__),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of the source, and what became of them.

    Attributes:
        rows: The numbers of all rows of the chunk, by whose places `known` and `lines` go.
        known: What was found of them, and was not checked again.
        checked: How many others there were, which were checked or could not be read.
        contacts: What these came to; None when there are none.
        faults, problems: What is told of them; by `keys` what the company calls rows with problems.
        withheld: How many of them the company itself doesn't allow to be sent.
        lines: The texts by which the known ones and these contacts are known the next time, null
            for one of which something was told; None when they are not to be kept.
    """

    rows: npt.NDArray[np.int64]
    known: Found | None
    checked: int = 0
    contacts: staging.Ready | None = None
    faults: tuple[RowFault, ...] = ()
    problems: tuple[Problem, ...] = ()
    keys: Mapping[int, str] = field(default_factory=dict)
    withheld: int = 0
    lines: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.known or ()) + self.checked


def basis_of(configuration: str, mapping: ColumnMapping) -> str:
    """What, beside its cells, decides what a row comes to; `configuration` is its digest.

    The list of those who are never sent is no part of it, since it is looked at each time.
    """
    recipes = [f"{each.name} {each.recipe.model_dump_json()}" for each in mapping.fields]
    text = "\n".join([_PROGRAM, configuration, *recipes])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _digest(files: Iterable[Path], packages: Iterable[str]) -> str:
    versions = [sys.version, *(f"{package} {version(package)}" for package in packages)]
    digest = blake2b("\n".join(versions).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


# Once, since a program that goes on while another is installed is what it was when it began.
_PROGRAM = _digest(_FILES, _PACKAGES)


def pieces(
    source: ContactSource, mapping: ColumnMapping, rules: Rules, known_rows: CheckedRows | None
) -> Iterator[Piece]:
    """The source's rows, checked as far as they must be, and made ready to be staged.

    What is told of them comes in their order.
    """
    columns = _columns_read(mapping, rules)
    waiting: list[Chunk] = []
    for chunk in source.chunks():
        lines = known = None
        if known_rows is not None and (lines := _lines(chunk.frame, columns)) is not None:
            known = known_rows.find(lines, rules.suppressed.holds)
        fresh = _without(chunk, known)
        few = len(fresh.rows) <= FEW * len(chunk.rows)
        if few:
            yield Piece(chunk.rows, known)
            waiting += [fresh] if len(fresh) else []
        if waiting and (not few or sum(map(len, waiting)) >= _TOGETHER):
            yield _checked(_joined(waiting), mapping, rules)
            waiting = []
        if not few:
            yield _checked(fresh, mapping, rules, rows=chunk.rows, known=known, lines=lines)
    if waiting:
        yield _checked(_joined(waiting), mapping, rules)


def _checked(
    fresh: Chunk,
    mapping: ColumnMapping,
    rules: Rules,
    *,
    rows: npt.NDArray[np.int64] | None = None,
    known: Found | None = None,
    lines: pa.Array | None = None,
) -> Piece:
    rows = fresh.rows if rows is None else rows
    checked = check(fresh, mapping, rules)
    return Piece(
        rows,
        known,
        checked=len(fresh),
        contacts=staging.ready(checked.contacts),
        faults=fresh.faults,
        problems=checked.problems,
        keys=_keys(fresh, checked.problems, rules.key_column),
        withheld=checked.withheld,
        lines=None if lines is None else _lines_to_keep(lines, rows, known, checked),
    )


def _keys(chunk: Chunk, problems: Iterable[Problem], column: str | None) -> dict[int, str]:
    """What the company calls the rows with problems, when the configuration names the column."""
    if column is None:
        return {}
    keys = chunk.frame[column]
    rows = {problem.row for problem in problems}
    return {row: str(keys.iloc[int(np.searchsorted(chunk.rows, row))]) for row in rows}


def _columns_read(mapping: ColumnMapping, rules: Rules) -> tuple[str, ...]:
    mapped = (column for field in mapping.fields for column in field.recipe.columns)
    return tuple(dict.fromkeys([*mapped, *rules.further_columns]))


def _lines(frame: pd.DataFrame, columns: tuple[str, ...]) -> pa.Array | None:
    """Each row's cells as one text; None when there are none, or they can't be told apart in it."""
    if not columns:
        return None
    cells = [text_column(frame[column]) for column in columns]
    for each in cells:
        data = raw_bytes(each)
        if ((data == ord(_BETWEEN)) | (data == ord(_NULL))).any():
            return None
    cells = [pc.fill_null(each, _NULL) if each.null_count else each for each in cells]
    return pc.binary_join_element_wise(*cells, literal(_BETWEEN))


def _without(chunk: Chunk, known: Found | None) -> Chunk:
    """The rows that must be checked."""
    if known is None:
        return chunk
    fresh = np.ones(len(chunk.rows), np.bool_)
    fresh[known.positions] = False
    at = np.flatnonzero(fresh)
    return replace(chunk, frame=chunk.frame.take(at), rows=chunk.rows[at])


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    return Chunk(
        pd.concat([chunk.frame for chunk in chunks]),
        np.concatenate([chunk.rows for chunk in chunks]),
        tuple(fault for chunk in chunks for fault in chunk.faults),
    )


def _lines_to_keep(
    lines: pa.Array, rows: npt.NDArray[np.int64], known: Found | None, checked: Checked
) -> pa.Array | None:
    """The lines of what is known and of the contacts; None when few of these are to be kept."""
    of_contacts = checked.contacts.column("row").to_numpy()
    # Of whom something was told, it must be told each time.
    told = np.isin(of_contacts, [problem.row for problem in checked.problems])
    if len(told) - told.sum() <= FEW * len(rows):
        return None
    if known is None and len(told) == len(lines) and not told.any():
        return lines
    at = pa.array(np.searchsorted(rows, of_contacts), mask=told)
    if known is not None:
        at = pa.concat_arrays([pa.array(known.positions), at])
    return lines.take(at)
