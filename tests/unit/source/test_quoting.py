"""Quotation marks within cells: read in either way of writing them, and never garbled unnoticed."""

import csv
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sync.settings.options import Source
from sync.source.csv_file import CsvSource
from sync.source.quoting import Quotes
from sync.source.utf8_stream import Utf8Stream

Rows = list[tuple[int, list[str]]]


def read(path: Path, data: bytes, **options: Any) -> tuple[Rows, list[tuple[int, str]], str]:
    """The rows with their numbers, the faults with their reasons, and the description."""
    path.write_bytes(data)
    source = CsvSource(path, Source.model_validate({"path": path, **options}))
    rows: Rows = []
    faults: list[tuple[int, str]] = []
    for chunk in source.chunks():
        rows += list(zip(chunk.rows.tolist(), chunk.frame.to_numpy().tolist(), strict=True))
        faults += [(fault.row, fault.reason) for fault in chunk.faults]
    return rows, faults, source.description


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_a_backslash_before_quotation_marks_is_found_and_told(
    tmp_path: Path, encoding: str
) -> None:
    # As MySQL's INTO OUTFILE and Spark write them.
    text = 'a,b\n"say \\"hi\\", ö",1\n"5\\"",2\n"C:\\\\temp\\\\",C:\\temp\n\\N,"two\\\nlines"\n'
    rows, faults, said = read(tmp_path / "c.csv", text.encode(encoding))
    assert rows == [
        (2, ['say "hi", ö', "1"]),
        (3, ['5"', "2"]),
        (4, ["C:\\temp\\", "C:\\temp"]),
        (5, ["", "two\nlines"]),
    ]
    assert not faults
    assert "a backslash before quotation marks" in said


def test_a_backslash_at_the_end_of_a_cell_is_one_where_the_file_makes_sense_so(
    tmp_path: Path,
) -> None:
    rows, faults, said = read(tmp_path / "c.csv", b'a,b\n"C:\\temp\\",1\n"a ""b"" \\N",\\N\n')
    assert rows == [(2, ["C:\\temp\\", "1"]), (3, ['a "b" \\N', "\\N"])]
    assert not faults
    assert said.endswith("(utf-8, cells separated by ',')")


def test_the_configuration_goes_first(tmp_path: Path) -> None:
    path, data = tmp_path / "c.csv", b'a,b\n5\\" pipe,1\n"x","\\"y\\""\n'
    found = [(2, ['5" pipe', "1"]), (3, ["x", '"y"'])]
    assert read(path, data, quotes="backslash")[0] == found
    assert [row for row, _ in read(path, data, quotes="doubled")[1]] == [3]


def test_a_row_of_wrong_width_is_told_with_backslashes_too(tmp_path: Path) -> None:
    data = b'a,b\n"\\"x\\"",1,2\n"\\"y\\"",3\n\\"z\n'
    rows, faults, _ = read(tmp_path / "c.csv", data)
    assert rows == [(3, ['"y"', "3"])]
    assert [row for row, _ in faults] == [2, 4]


@pytest.mark.parametrize(
    "row",
    [
        b'"He said "hi" to me",1',
        b'"Joe\'s "5" pipes, inc",1',
        b'"Joe\'s 5" pipes, inc",1',
        b'""x"",1',
        b'"x""" y,1',
    ],
)
def test_a_cell_that_goes_on_after_its_quotation_mark_is_a_reject_by_its_number(
    tmp_path: Path, row: bytes
) -> None:
    data = b'a,b\n1,"2"\n' + row + b'\n3,"4"\n'
    rows, faults, _ = read(tmp_path / "c.csv", data)
    assert rows == [(2, ["1", "2"]), (4, ["3", "4"])]
    assert [number for number, _ in faults] == [3]
    assert faults[0][1].startswith("A cell goes on after its closing quotation mark")


def test_rows_that_a_quotation_mark_has_swallowed_are_counted_in_the_reason(
    tmp_path: Path,
) -> None:
    data = b'a,b\n"5" long,1\n"6"" x,2\n3,"y"\n4,"z"\n'
    rows, faults, _ = read(tmp_path / "c.csv", data)
    assert rows == [(4, ["4", "z"])]
    assert [row for row, _ in faults] == [2, 3]
    assert faults[1][1].endswith("The row spans 2 lines.")


def test_blanks_around_quotation_marks_are_none_of_the_cell(tmp_path: Path) -> None:
    data = b'"a", "b"\n1 , "2, 3" \n "4" , 5\n"x, ""y""",6 "7"\n'
    rows, faults, _ = read(tmp_path / "c.csv", data)
    stripped = [(row, [cell.strip() for cell in cells]) for row, cells in rows]
    assert stripped == [(2, ["1", "2, 3"]), (3, ["4", "5"]), (4, ['x, "y"', '6 "7"'])]
    assert not faults


def strictly(text: str) -> list[list[str] | None]:
    """Python's strict reader; None for another width, and for a fault, behind which it ends."""
    found: list[list[str] | None] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        found.extend(cells if len(cells) == 2 else None for cells in reader)
    except csv.Error:
        found.append(None)
    return found


_PIECES = st.lists(st.sampled_from(['"', '"', ",", "\n", "x", "ö", "yz", '""', ',"', '",']))


@settings(
    max_examples=500,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pieces=_PIECES)
@example(pieces=['"', "x", '"', "yz", '"', "\n"])
def test_up_to_its_first_fault_any_text_is_read_as_the_strict_reader_does(
    tmp_path: Path, pieces: list[str]
) -> None:
    text = "".join(pieces)
    wanted = strictly(text + "\n")
    quotes = Quotes(",", backslash=False, mark=b",,!")
    marked = quotes.follow(text.encode(), final=True).decode()
    first = wanted.index(None) if None in wanted else len(wanted)
    assert strictly(marked + "\n")[:first] == wanted[:first]
    try:
        list(csv.reader(io.StringIO(text + "\n", newline=""), strict=True))
    except csv.Error:
        assert quotes.faults or quotes.open
    else:
        assert not quotes.faults
        assert not quotes.open
        assert marked == text


@settings(max_examples=500, deadline=None, print_blob=True)
@given(
    pieces=st.lists(st.sampled_from(['"', " ", "\\", '\\"', "\\N", ",", "\n", "x", "ö", ',"'])),
    backslash=st.booleans(),
    cuts=st.lists(st.integers(0, 60)),
)
def test_it_does_not_matter_where_the_bytes_are_cut(
    pieces: list[str], backslash: bool, cuts: list[int]
) -> None:
    data = "".join(pieces).encode()
    whole = Quotes(",", backslash=backslash, mark=b",,!")
    expected = whole.follow(data, final=True)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    cut = Quotes(",", backslash=backslash, mark=b",,!")
    found = b"".join(cut.follow(data[start:end]) for start, end in pairwise(places))
    assert found + cut.follow(b"", final=True) == expected
    assert (cut.faults, cut.open) == (whole.faults, whole.open)


_CELLS = st.text(st.sampled_from(list('",;\\ \nxöN')), max_size=8)


@settings(
    max_examples=300,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(table=st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=20), backslash=st.booleans())
def test_what_the_csv_module_writes_in_either_way_is_read_back(
    tmp_path: Path, table: list[tuple[str, str]], backslash: bool
) -> None:
    text = io.StringIO(newline="")
    manner: dict[str, Any] = {"escapechar": "\\", "doublequote": False} if backslash else {}
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, **manner)
    table = [*table, ("1", "2")]
    writer.writerows([("a", "b"), *table])
    way = "backslash" if backslash else "doubled"
    rows, faults, _ = read(tmp_path / "c.csv", text.getvalue().encode(), quotes=way)
    written = [(at, list(cells)) for at, cells in enumerate(table, 2)]
    assert rows == [(at, cells) for at, cells in written if any(map(str.strip, cells))]
    assert not faults


@pytest.mark.parametrize("blanks", [0, 1, 3])
def test_what_is_held_back_makes_no_block_shorter(tmp_path: Path, blanks: int) -> None:
    """Arrow asks for blocks, and gives up on one without a line's end, however short it is."""
    file = tmp_path / "contacts.csv"
    content = b"a,b" + b" " * blanks + b'\n1,"2"\n' * 500
    file.write_bytes(content)
    size = 7  # many of them end with a quotation mark or a blank
    quotes = Quotes(",", backslash=False)
    stream = Utf8Stream(file, "utf-8", checked=True, end="\n,,", quotes=quotes)
    pieces = list(iter(lambda: stream.read(size), b""))
    stream.close()
    assert {len(piece) for piece in pieces[:-1]} == {size}
    assert b"".join(pieces) == content + b"\n,,"
