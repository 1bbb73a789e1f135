"""The lists, or tags, of each row: by fixed names, by what a column says, or both."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.findings import Finding, Severity
from sync.contact.text import text_column, tidy
from sync.settings.groups import LONGEST, MOST, Lists, Tags

Names = tuple[str, ...]
Kind = Literal["list", "tag"]


@dataclass(frozen=True, slots=True)
class _Cell:
    """What one value of the column comes to; `faults` are those codes of `_REASONS` that hold."""

    names: Names
    faults: frozenset[str]


def names_of_rows(
    frame: pd.DataFrame, options: Lists | Tags, kind: Kind
) -> tuple[pa.DictionaryArray, tuple[Finding, ...]]:
    """The names for each row, the fixed ones first, and what could not be taken.

    Each different value is looked at once. A row without any list is rejected, since an import
    puts its contacts on at least one.
    """
    fixed = tuple(dict.fromkeys(options.names))
    if options.column is None:
        return _chosen([fixed], np.zeros(len(frame), np.int64)), ()
    cells = tidy(text_column(frame[options.column])).dictionary_encode()
    texts = [*cells.dictionary.to_pylist(), ""]
    at = pc.fill_null(cells.indices, len(texts) - 1).to_numpy(zero_copy_only=False)
    found = [_read(text, options, fixed, kind) for text in texts]
    faulty = {code for cell in found for code in cell.faults}
    findings = tuple(
        _finding(code, kind, options.column, at, texts, [code in cell.faults for cell in found])
        for code in _REASONS
        if code in faulty
    )
    return _chosen([cell.names for cell in found], at), findings


def _read(text: str, options: Lists | Tags, fixed: Names, kind: Kind) -> _Cell:
    wanted = list(dict.fromkeys(filter(None, _translated(text, options))))
    short = [name for name in wanted if len(name) <= LONGEST]
    names = tuple(dict.fromkeys([*fixed, *short]))
    holds = {
        "too_long": len(short) < len(wanted),
        "too_many": len(names) > MOST,
        "none": kind == "list" and not names,
    }
    return _Cell(names[:MOST], frozenset(code for code, there in holds.items() if there))


def _translated(text: str, options: Lists | Tags) -> Iterator[str]:
    by_key = {key.strip().casefold(): name.strip() for key, name in options.values.items()}
    for part in text.split(options.separator) if options.separator else [text]:
        value = part.strip()
        yield by_key.get(value.casefold(), value)


_REASONS = {
    "too_long": f"A {{kind}}'s name has at most {LONGEST} characters; the contact goes without it.",
    "too_many": f"A contact has at most {MOST} {{kind}}s; it goes without the others.",
    "none": "The column “{column}” names no list here, and none is set for all (lists.names).",
}
_CODES = {"too_long": "{kind}_name_too_long", "too_many": "too_many_{kind}s", "none": "no_list"}


def _finding(
    code: str,
    kind: Kind,
    column: str,
    at: npt.NDArray[np.int64],
    texts: list[str],
    faulty: list[bool],
) -> Finding:
    positions = np.flatnonzero(np.array(faulty, np.bool_)[at])
    return Finding(
        Severity.REJECT if code == "none" else Severity.WARNING,
        kind,
        _CODES[code].format(kind=kind),
        _REASONS[code].format(kind=kind, column=column),
        positions,
        [texts[each] for each in at[positions].tolist()],
    )


def _chosen(sets: list[Names], at: npt.NDArray[np.int64]) -> pa.DictionaryArray:
    """For each row the set at its place."""
    names = pa.array([list(some) for some in sets], pa.list_(pa.large_string()))
    return pa.DictionaryArray.from_arrays(pa.array(at, pa.int64()), names)
