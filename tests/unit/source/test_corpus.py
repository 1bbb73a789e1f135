"""Files as they are found in offices: each is read as a person would, or refused by a sentence.

Each file is made here; the expectation is the contacts' addresses with one field, and what is told
of the rows that are none.
"""

import bz2
import datetime as dt
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from sync.errors import SourceEmpty, SourceError
from sync.settings.options import Source
from tests.unit.source.office_files import (
    Case,
    as_parquet,
    chart_first,
    damaged,
    five_digits,
    hidden_first,
    outcome,
    second_sheet,
    tarred,
    text,
    workbook,
    zipped,
)

ANN = "ann@example.com"
KOELN = [(ANN, "Köln")]
PLAIN = text("email,city", f"{ANN},Köln")

CORPUS = {
    # encodings
    "utf-8": Case(PLAIN, KOELN, said="(utf-8, cells separated by ',')"),
    "utf-8 with a mark": Case(text("email,city", f"{ANN},Köln", encoding="utf-8-sig"), KOELN),
    "a mark before a quoted header": Case(
        text('"email","city"', f'{ANN},"Köln"', encoding="utf-8-sig"), KOELN
    ),
    "utf-16 as Excel's Unicode text": Case(
        text("email\tcity", f"{ANN}\tKöln", encoding="utf-16", end="\r\n"), KOELN, said="utf-16"
    ),
    "utf-16 without a mark": Case(
        text("email,city", f"{ANN},Köln", encoding="utf-16-le"), KOELN, said="utf-16-le"
    ),
    "utf-32": Case(text("email,city", f"{ANN},Köln", encoding="utf-32"), KOELN),
    "windows western": Case(
        text("email;city", f"{ANN};Köln", encoding="cp1252"), KOELN, said="cp1252"
    ),
    "windows western with a euro sign": Case(
        text("email,city,fee", f"{ANN},Köln,5 €", encoding="cp1252"), KOELN, said="cp1252"
    ),
    "windows central european": Case(
        text("email,city", f"{ANN},Łódź", "b@example.com,Żółkiew", encoding="cp1250"),
        [(ANN, "Łódź"), ("b@example.com", "Żółkiew")],
        said="cp1250",
    ),
    "windows cyrillic": Case(
        text(
            "имя,email,city",
            f"Ольга Смирнова,{ANN},Москва",
            "Иван Петров,b@example.com,Казань",
            encoding="cp1251",
        ),
        [(ANN, "Москва"), ("b@example.com", "Казань")],
        said="cp1251",
    ),
    "japanese": Case(
        text("email,city", f"{ANN},東京都新宿区", encoding="cp932"), [(ANN, "東京都新宿区")]
    ),
    "a configured encoding goes first": Case(
        text("email,city", f"{ANN},Köln", encoding="cp850"), KOELN, options={"encoding": "cp850"}
    ),
    "one wrong byte in good utf-8 is damage": Case(
        text("email,city", *[f"{ANN},Köln"] * 30) + b"x@example.com,K\xf6ln\n",
        refused="in line 32, is 0xF6",
    ),
    "utf-8 and windows in one file": Case(
        PLAIN + text("b@example.com,Köln", encoding="cp1252"),
        refused="is UTF-8 in some rows and in another encoding in others",
    ),
    "windows in which some letters could be utf-8": Case(
        text("email,city", *[f"{ANN},Köln"] * 9, f"{ANN},GROß“", encoding="cp1252"),
        [*KOELN * 9, (ANN, "GROß“")],
        said="cp1252",
    ),
    "cut off within a character": Case(
        "email,city\na@example.com,Kö".encode()[:-1], refused="0xC3"
    ),
    # delimiters
    "semicolons": Case(text("email;city", f"{ANN};Köln"), KOELN, said="';'"),
    "tabs": Case(text("email\tcity", f"{ANN}\tKöln"), KOELN),
    "pipes": Case(text("email|city", f"{ANN}|Köln"), KOELN),
    "semicolons with commas in the cells": Case(
        text("email;city;notes", f"{ANN};Köln;a, b, c, d"), KOELN
    ),
    "a line that says what separates": Case(
        text("sep=;", "email;city", f"{ANN};Köln", "broken;x"), KOELN, [(4, "email_invalid")]
    ),
    "the same for one column": Case(text("SEP=;", "email", ANN), [(ANN, None)]),
    "the same as Excel's Unicode text": Case(
        text("sep=\t", "email\tcity", f"{ANN}\tKöln", encoding="utf-16", end="\r\n"), KOELN
    ),
    "the same with a sign that can't separate": Case(
        text("sep=§", "email,city", f"{ANN},Köln"), KOELN
    ),
    "the same against the configuration": Case(
        text("sep=;", "email,city", f"{ANN},Köln"), KOELN, options={"delimiter": ","}
    ),
    "one column": Case(text("email", ANN, "b@example.com"), [(ANN, None), ("b@example.com", None)]),
    "a separator too many in all rows": Case(
        text("email,city", f"{ANN},Köln,", "b@example.com,Bath,"),
        [*KOELN, ("b@example.com", "Bath")],
        said="each row ends with a separator too many",
    ),
    "a separator too many in the header too": Case(text("email,city,", f"{ANN},Köln,"), KOELN),
    # rows
    "carriage returns alone": Case(text("email,city", f"{ANN},Köln", end="\r"), KOELN),
    "mixed line ends": Case(
        b"email,city\r\nann@example.com,K\xc3\xb6ln\nb@example.com,\r\n",
        [*KOELN, ("b@example.com", None)],
    ),
    "no line end at the end": Case(PLAIN.rstrip(b"\n"), KOELN),
    "blank lines everywhere": Case(
        text("", "", "email,city", "", f"{ANN},Köln", ",", "", "broken,x", ""),
        KOELN,
        [(8, "email_invalid")],
    ),
    "lines of blanks": Case(
        text("email,city", "  ", f"{ANN},Köln", " , ", "\u00a0,", "\t", "broken,x"),
        KOELN,
        [(7, "email_invalid")],
    ),
    "a line break within quotes": Case(
        text("email,city", f'{ANN},"Kö\nln"', "broken,x"),
        [(ANN, "Kö ln")],
        [(3, "email_invalid")],
    ),
    "quotes within quotes": Case(
        text("email,city", f'{ANN},"the ""City"""'), [(ANN, 'the "City"')]
    ),
    "a quote within a cell": Case(text("email,city", f'{ANN},5" Bay'), [(ANN, '5" Bay')]),
    "quotes after a backslash": Case(
        text("email,city", f'{ANN},"the \\"City\\""', 'b@example.com,"5\\" Bay, \\\\"'),
        [(ANN, 'the "City"'), ("b@example.com", '5" Bay, \\')],
        said="a backslash before quotation marks",
    ),
    "a backslash before the closing quote": Case(
        text("email,city", f'{ANN},"C:\\"', 'b@example.com,"D:\\"'),
        [(ANN, "C:\\"), ("b@example.com", "D:\\")],
    ),
    "nothing, as MySQL writes it": Case(
        text("email,city,notes", f'{ANN},\\N,"\\""'), [(ANN, None)]
    ),
    "quotes within quotes as they are": Case(
        text("email,city", 'b@example.com,"the "City" of"', f"{ANN},Köln"), KOELN, [(2, "row")]
    ),
    "blanks before and behind quotes": Case(text('"email", "city"', f'"{ANN}" , "Köln"'), KOELN),
    "a quote that is never closed": Case(
        text("email,city", f'{ANN},"Köln', "b@example.com,Bath"),
        refused="quotation mark opened in row 2 is never closed",
    ),
    "stray NUL bytes": Case(b"email,city\nan\0n@example.com,K\xc3\xb6\0ln\n", KOELN),
    "the end mark of DOS": Case(text("email,city", f"{ANN},Köln", end="\r\n") + b"\x1a", KOELN),
    "rows that begin with a mark": Case(
        text("email,city", f"\ufeff{ANN},Köln", encoding="utf-8-sig"), KOELN
    ),
    "two files in one": Case(PLAIN + PLAIN, KOELN * 2, [(3, "email_invalid")]),
    "too many cells": Case(
        text("email,city", "b@example.com,Bath,surplus", f"{ANN},Köln"), KOELN, [(2, "row")]
    ),
    "too few cells": Case(
        text("email,city,zip", "b@example.com,Bath", f"{ANN},Köln,"), KOELN, [(2, "row")]
    ),
    "a footer": Case(text("email,city", f"{ANN},Köln", "(1 rows affected)"), KOELN, [(3, "row")]),
    "only a header": Case(text("email,city"), refused="has a header but no rows"),
    "nothing": Case(b"", refused="is empty"),
    "only blank lines": Case(b"\n\n\r\n", refused="is empty"),
    # headers
    "blank and repeated names": Case(
        text("email,,city,,notes,notes", f"{ANN},1,Köln,2,3,4"), KOELN
    ),
    "a repeated name that is needed": Case(
        text("email,city,city", f"{ANN},Köln,Bath"), refused="2 columns named “city”"
    ),
    "capitals, blanks and no-break spaces": Case(
        text(" E-MAIL ,\u00a0City\u200b", f"{ANN},Köln"), KOELN
    ),
    "no header": Case(text(ANN, "b@example.com"), refused="it is no header line"),
    "a header over two lines": Case(text('"e-\nmail",city', f"{ANN},Köln"), KOELN),
    "a header over two lines that is not known": Case(
        text('"e-\nmail or\r\n phone",city', f"{ANN},Köln"), refused="“e- mail or phone”, “city”"
    ),
    "no column of addresses": Case(text("name,city", "Ann,Köln"), refused="e-mail addresses"),
    # values
    "leading zeros stay": Case(
        text("email,city,zip,phone", f"{ANN},02451,02451,0171 555"), [(ANN, "02451")]
    ),
    "texts as formulas": Case(
        text('="email",city,zip', f'{ANN},="02451",1', 'b@example.com,"=""02451""",1'),
        [(ANN, "02451"), ("b@example.com", "02451")],
    ),
    "formulas are text": Case(
        text("email,city", f"{ANN},=1+1", f'{ANN},"=""a""&""b"""'),
        [(ANN, "=1+1"), (ANN, '="a"&"b"')],
    ),
    "html is text": Case(text("email,city", f"{ANN},<b>Köln</b>"), [(ANN, "<b>Köln</b>")]),
    "emoji and right-to-left text": Case(
        text("email,city", f"{ANN},😀 القاهرة"), [(ANN, "😀 القاهرة")]
    ),
    "NA and null are text": Case(
        text("email,city", f"{ANN},NA", "b@example.com,null"),
        [(ANN, "NA"), ("b@example.com", "null")],
    ),
    "numbers that a spreadsheet has shortened": Case(
        text("email,city,phone", f"{ANN},2.451E+03,1.50856E+10", "b@example.com,E+ Bay,1"),
        [(ANN, None), ("b@example.com", "E+ Bay")],
        [(2, "number_shortened"), (2, "number_shortened")],
    ),
    "failed formulas": Case(
        text("email,city", f"{ANN},#N/A", "b@example.com,#1 Place"),
        [(ANN, None), ("b@example.com", "#1 Place")],
        [(2, "formula_failed")],
    ),
    "addresses as mail programs copy them": Case(
        text(
            "email,city", f'"Ann B. <{ANN}>",Köln', f"mailto:{ANN}?subject=x,Köln", f"<{ANN}>,Köln"
        ),
        KOELN * 3,
    ),
    "two addresses in a cell": Case(
        text("email,city", f"{ANN};b@example.com,Köln", f"{ANN},Köln"),
        KOELN,
        [(2, "email_invalid")],
    ),
    "clutter in addresses": Case(text("email,city", "\u200bANN@Example.com\u00a0 ,Köln"), KOELN),
    # other kinds of files
    "gzip": Case(gzip.compress(PLAIN), KOELN, name="contacts.csv.gz", said="packed as gzip"),
    "gzip cut off": Case(
        gzip.compress(PLAIN * 9)[:-9], refused="can't be unpacked", name="c.csv.gz"
    ),
    "zip": Case(zipped(export_csv=PLAIN), KOELN, name="c.zip", said="packed as export.csv in ZIP"),
    "zip in another encoding": Case(
        zipped(c_csv=text("email;city", f"{ANN};Köln", encoding="cp1252")), KOELN, name="c.zip"
    ),
    "zip of two": Case(zipped(a_csv=PLAIN, b_csv=PLAIN), refused="holds 2 files", name="c.zip"),
    "zip cut off": Case(zipped(a_csv=PLAIN * 99)[:-30], refused="can't be unpacked", name="c.zip"),
    "excel": Case(
        workbook(["email", "city"], [ANN, "Köln"], [None, None], ["broken", 2]),
        KOELN,
        [(4, "email_invalid")],
        name="c.xlsx",
        said="Excel, sheet “People”",
    ),
    "excel numbers that show zeros": Case(
        workbook(["email", "city"], [ANN, 2451], styled=five_digits),
        [(ANN, "02451")],
        name="c.xlsx",
    ),
    "excel numbers, truth and dates": Case(
        workbook(
            ["email", "city"],
            ["a@example.com", 4711.0],
            ["b@example.com", True],
            ["c@example.com", dt.datetime(2020, 1, 2)],  # noqa: DTZ001
        ),
        [("a@example.com", "4711"), ("b@example.com", "true"), ("c@example.com", "2020-01-02")],
        name="c.xlsx",
    ),
    "excel with a header below and a second sheet": Case(
        workbook([], ["", "email", "city"], ["", ANN, "Köln"], styled=second_sheet),
        KOELN,
        name="c.xlsx",
        said="not read: “Old”",
    ),
    "excel with a hidden first sheet": Case(
        workbook(["email", "city"], [ANN, "Köln"], styled=hidden_first),
        KOELN,
        name="c.xlsx",
        said="not read: “Lists”",
    ),
    "excel with a chart before the sheet": Case(
        workbook(["email", "city"], [ANN, "Köln"], styled=chart_first), KOELN, name="c.xlsx"
    ),
    "excel with blanks in an empty row": Case(
        workbook(["email", "city"], [" ", None], [ANN, "Köln", " "], ["broken"]),
        KOELN,
        [(4, "email_invalid")],
        name="c.xlsx",
    ),
    "excel with a damaged sheet": Case(
        damaged(workbook(["email", "city"], *[[ANN, "Köln"]] * 2_000)),
        refused="damaged or was cut off",
        name="c.xlsx",
    ),
    "excel with a formula that nobody has computed": Case(
        workbook(["email", "city"], [ANN, '="Kö"&"ln"']),
        [(ANN, None)],
        name="c.xlsx",
        said="formulas that were never computed are empty cells",
    ),
    "excel with a failed formula": Case(
        workbook(["email", "city"], [ANN, "#REF!"]),
        [(ANN, None)],
        [(2, "formula_failed")],
        name="c.xlsx",
    ),
    "excel with a surplus cell": Case(
        workbook(["email", "city"], [ANN, "Köln"], ["b@example.com", "Bath", "x"]),
        KOELN,
        [(3, "row")],
        name="c.xlsx",
    ),
    "excel without that sheet": Case(
        workbook(["email"]),
        refused="has no sheet “Leads”",
        name="c.xlsx",
        options={"sheet": "Leads"},
    ),
    "excel with only a header": Case(workbook(["email"]), refused="no rows", name="c.xlsx"),
    "excel called csv": Case(workbook(["email", "city"], [ANN, "Köln"]), KOELN),
    "old excel": Case(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, refused="an old Excel workbook"),
    "parquet": Case(
        as_parquet(email=[ANN, None], city=["Köln", "Bath"]),
        KOELN,
        [(2, "email_missing")],
        name="c.parquet",
    ),
    "parquet with types": Case(
        as_parquet(
            email=["a@example.com", "b@example.com"],
            city=pa.array([2451, None], pa.int64()),
            birthday=pa.array([dt.date(2000, 2, 29), None]),
        ),
        [("a@example.com", "2451"), ("b@example.com", None)],
        name="c.parquet",
    ),
    "parquet with several values in a cell": Case(
        as_parquet(email=[ANN], city=pa.array([["Köln", "Bath"]])),
        [(ANN, "Köln, Bath")],
        name="c.parquet",
    ),
    "parquet with text in another encoding": Case(
        as_parquet(email=[ANN], city=["Kooeln"]).replace(b"Kooeln", b"K\xf6\xf6eln"),
        refused="can't be read",
        name="c.parquet",
    ),
    "parquet cut off": Case(
        as_parquet(email=[ANN])[:-9], refused="can't be read", name="c.parquet"
    ),
    "excel with a password": Case(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, refused="one with a password", name="c.xlsx"
    ),
    "an opendocument spreadsheet": Case(
        zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", content_xml=b"<x/>"),
        refused="is an OpenDocument spreadsheet; save it as an Excel workbook",
        name="c.ods",
    ),
    "bzip2": Case(bz2.compress(PLAIN * 9), refused="packed with bzip2", name="c.csv.bz2"),
    "xz": Case(lzma.compress(PLAIN * 9), refused="packed with xz", name="c.csv.xz"),
    "tar": Case(tarred(PLAIN), refused="is a tar archive", name="c.tar.gz"),
    "a page called xls": Case(
        b"\n<html><table><tr><td>email</td></tr></table></html>", refused="HTML", name="c.xls"
    ),
    "json": Case(b'[{"email": "a@example.com"}]', refused="a JSON document", name="c.json"),
    "json lines": Case(b'{"email": "a@example.com"}\n' * 2, refused="a JSON document"),
    "a pdf": Case(b"%PDF-1.7 ...", refused="a PDF document"),
    "random bytes": Case(bytes(range(256)) * 20, refused="a binary file"),
}


@pytest.mark.parametrize("case", CORPUS.values(), ids=CORPUS.keys())
def test_each_file_of_an_office_has_its_outcome(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data)
    options = Source.model_validate({"path": path, **case.options})
    if case.refused:
        with pytest.raises((SourceError, SourceEmpty)) as caught:
            outcome(options)
        assert case.refused in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    sent, told, said = outcome(options)
    assert sent == list(case.sent)
    assert told == list(case.told)
    assert case.said in said


def test_there_are_many_of_them() -> None:
    assert len(CORPUS) >= 40
