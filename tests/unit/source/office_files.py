"""What files of offices are made of, and what comes of one."""

import io
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import openpyxl
import orjson
import pyarrow as pa
from openpyxl.chart import BarChart
from pyarrow import parquet

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import check
from sync.settings.options import Consent, FieldMapping, Source
from sync.source import open_source

RULES = Rules(Consent(all_rows_have_consent=True), FieldMapping())


@dataclass(frozen=True)
class Case:
    """A file and what comes of it.

    Attributes:
        sent: Pairs of address and city.
        told: Pairs of row and code of what is no contact, or goes with a warning.
        refused: Words of the sentence by which the whole file is refused.
        said: Words of the source's description.
    """

    data: bytes
    sent: Sequence[tuple[str, str | None]] = ()
    told: Sequence[tuple[int, str]] = ()
    refused: str = ""
    said: str = ""
    name: str = "contacts.csv"
    options: dict[str, Any] = field(default_factory=dict)


def text(*lines: str, encoding: str = "utf-8", end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode(encoding)


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return data.getvalue()


def tarred(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("contacts.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def workbook(*rows: list[Any], styled: Callable[[Any], None] = lambda sheet: None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "People"
    for row in rows:
        sheet.append(row)
    styled(sheet)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def damaged(book: bytes) -> bytes:
    """A workbook that is a good ZIP file, of which a sheet ends in the middle."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as good, zipfile.ZipFile(data, "w") as bad:
        for name in good.namelist():
            part = good.read(name)
            bad.writestr(name, part[: len(part) // 2] if "/sheet" in name else part)
    return data.getvalue()


def as_parquet(**columns: Any) -> bytes:
    data = io.BytesIO()
    parquet.write_table(pa.table(columns), data)
    return data.getvalue()


def five_digits(sheet: Any) -> None:
    sheet["B2"].number_format = "00000"


def hidden_first(sheet: Any) -> None:
    other = sheet.parent.create_sheet("Lists", 0)
    other.append(["choices"])
    other.sheet_state = "hidden"


def chart_first(sheet: Any) -> None:
    sheet.parent.create_chartsheet("Chart", 0).add_chart(BarChart())


def second_sheet(sheet: Any) -> None:
    sheet.parent.create_sheet("Old").append(["nothing"])


def outcome(options: Source) -> tuple[list[tuple[str, str | None]], list[tuple[int, str]], str]:
    source = open_source(options)
    mapping = map_columns(source.header, RULES)
    sent: list[tuple[str, str | None]] = []
    told: list[tuple[int, str]] = []
    for chunk in source.chunks():
        checked = check(chunk, mapping, RULES)
        bodies = [orjson.loads(body) for body in checked.contacts["body"].to_pylist()]
        sent += [(body["email"], body.get("city")) for body in bodies]
        told += [(problem.row, problem.code) for problem in checked.problems]
        told += [(fault.row, "row") for fault in chunk.faults]
    return sent, told, source.description
