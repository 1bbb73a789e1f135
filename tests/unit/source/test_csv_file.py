"""A CSV file in chunks: every row comes once, or is named with its number."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sync.errors import ConfigurationError, ExitCode, SourceEmpty, SourceError
from sync.settings.options import Source
from sync.source import ContactSource, open_source
from sync.source.csv_file import CsvSource

Rows = list[tuple[int, list[str]]]
Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(data: bytes) -> Path:
        path = tmp_path / "contacts.csv"
        path.write_bytes(data)
        return path

    return write_file


def opened(path: Path, **options: str | None) -> CsvSource:
    return CsvSource(path, Source.model_validate({"path": path, **options}))


def small_chunks(path: Path, rows: int = 3) -> CsvSource:
    return CsvSource(path, Source(path=path).model_copy(update={"chunk_rows": rows}))


def read(source: ContactSource) -> tuple[Rows, Rows]:
    """The rows with their numbers, and the faults with their reasons."""
    rows: Rows = []
    faults: Rows = []
    for chunk in source.chunks():
        assert list(chunk.frame.columns) == list(source.header)
        assert all(str(dtype) == "str" for dtype in chunk.frame.dtypes)
        assert chunk.rows.dtype == "int64"
        rows += list(zip(chunk.rows.tolist(), chunk.frame.to_numpy().tolist(), strict=True))
        faults += [(fault.row, [fault.reason]) for fault in chunk.faults]
    return rows, faults


def test_cells_stay_as_they_are_written(write: Write) -> None:
    source = opened(write(b"ZIP,Phone,Note\n02451,007,NA\n1e5,,null\n"))
    assert read(source)[0] == [(2, ["02451", "007", "NA"]), (3, ["1e5", "", "null"])]


@pytest.mark.parametrize("more", [b"", b"\n\n\n\n", b",\n,\n,\n9,10\n"])
def test_a_chunk_without_rows_is_passed_over(write: Write, more: bytes) -> None:
    path = write(b"a,b\n1,2\n3,4\n5,6\n7,8\n" + more)
    options = Source(path=path).model_copy(update={"chunk_rows": 2})
    rows = read(open_source(options, None))[0]
    assert [cells[0] for _, cells in rows][:4] == ["1", "3", "5", "7"]
    assert len(rows) == 4 + (b"9" in more)


def test_rows_are_numbered_as_a_spreadsheet_shows_them(write: Write) -> None:
    path = write(b'a,b\n1,"x\ny"\n\n3,4\n,\n5,6\n')
    assert read(small_chunks(path))[0] == [(2, ["1", "x\ny"]), (4, ["3", "4"]), (6, ["5", "6"])]


def test_a_row_with_too_many_cells_is_named_and_the_rest_goes_on(write: Write) -> None:
    path = write(b"a,b\n1,2,3\n4,5\n6,7,\n8,9\n1,1\n2,2\n3,3,3,3\n")
    rows, faults = read(small_chunks(path, 2))
    assert [row for row, _ in rows] == [3, 5, 6, 7]
    assert faults == [
        (2, ["The row has 3 cells, but the header has 2."]),
        (4, ["The row has 3 cells, but the header has 2."]),
        (8, ["The row has 4 cells, but the header has 2."]),
    ]


def test_a_row_with_too_few_cells_is_named_and_the_rest_goes_on(write: Write) -> None:
    rows, faults = read(small_chunks(write(b'a,b,c\n1\n1,2,\n"1\n",2\n\n1,2,3\n,,4\n'), 2))
    assert rows == [(3, ["1", "2", ""]), (6, ["1", "2", "3"]), (7, ["", "", "4"])]
    assert faults == [
        (2, ["The row has 1 cell, but the header has 3."]),
        (4, ["The row has 2 cells, but the header has 3."]),
    ]


def test_a_separator_too_many_in_all_rows_is_one_sentence(write: Write) -> None:
    source = opened(write(b"a,b\n" + b"1,2,\n" * 200 + b"5,6\n7\n, \n"))
    rows, faults = read(source)
    assert [row for row, _ in rows] == list(range(2, 203))
    assert {tuple(cells) for _, cells in rows} == {("1", "2", ""), ("5", "6", "")}
    assert faults == [(203, ["The row has 1 cell, but the header has 2."])]
    assert source.description.endswith(
        "each row ends with a separator too many, which is passed over)"
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(write: Write, delimiter: str) -> None:
    source = opened(write(delimiter.join(["a", "b", "c"]).encode() + b"\n1\n"))
    assert source.delimiter == delimiter
    assert source.header == ("a", "b", "c")


def test_a_configured_delimiter_goes_first(write: Write) -> None:
    source = opened(write(b"a,b:c\n1,2:3\n"), delimiter=":")
    assert read(source)[0] == [(2, ["1,2", "3"])]


@pytest.mark.parametrize(
    ("data", "configured", "found"),
    [
        ("é,b\n1,ü\n".encode(), None, "utf-8"),
        ("é,b\n1,ü\n".encode("utf-8-sig"), None, "utf-8-sig"),
        ("é,b\n1,ü\n".encode("cp1252"), "cp1252", "cp1252"),
        ("é,b\n1,ü\n".encode("cp1252"), None, "cp1252"),
        ("é,b\n1,ü\n".encode("utf-16"), None, "utf-16"),
        ("é,b\n1,ü\n".encode("utf-16-le"), None, "utf-16-le"),
        ("é,b\n1,ü\n".encode("utf-32"), None, "utf-32"),
        ("é,b\n1,ü\n".encode("utf-16"), "utf-16", "utf-16"),
    ],
)
def test_encodings(write: Write, data: bytes, configured: str | None, found: str) -> None:
    source = opened(write(data), encoding=configured)
    assert source.encoding == found
    assert source.header == ("é", "b")
    assert read(source)[0] == [(2, ["1", "ü"])]


def test_the_header_may_follow_blank_lines_and_be_untidy(write: Write) -> None:
    source = opened(write('\n\n e-mail , "b" ,\n1,2,3\n'.encode("utf-8-sig")))
    assert source.header == ("e-mail", "b", "")
    assert read(source)[0] == [(4, ["1", "2", "3"])]


def test_repeated_names_are_handed_on(write: Write) -> None:
    source = opened(write(b"a,a,\n1,2,3\n"))
    assert source.header == ("a", "a", "")
    assert read(source)[0] == [(2, ["1", "2", "3"])]


def test_stray_nul_characters_cost_nothing_else(write: Write) -> None:
    path = write(b"a,b\nan\0na,2\n" + b"x,y\n" * 200)
    assert read(opened(path))[0][0] == (2, ["anna", "2"])


def test_a_file_can_be_read_twice(write: Write) -> None:
    source = small_chunks(write(b"a\n1\n2\n"))
    assert read(source) == read(source)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty."),
        (b"\xef\xbb\xbf\n\n  \n", "is empty."),
        (bytes(range(256)) * 20, "is a binary file"),
        (b"PK\x03\x04\x14\0\0\0", "can't be unpacked"),
        (b"\x1f\x8b\x08\0", "can't be unpacked"),
        ("a,b\n1,ü".encode()[:-1], "byte 7, in line 2, is 0xC3"),
        (b"a,b\n1,2\n3,\xc3", "byte 11, in line 3, is 0xC3"),
    ],
)
def test_what_is_no_csv_is_a_sentence(write: Write, data: bytes, sentence: str) -> None:
    with pytest.raises(SourceError) as caught:
        opened(write(data))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"a,b\n", b"a,b\n,\n\n"])
def test_a_header_without_rows_is_the_guard_s_business(write: Write, data: bytes) -> None:
    with pytest.raises(SourceEmpty, match="has a header but no rows under it") as caught:
        opened(write(data))
    assert caught.value.exit_code is ExitCode.GUARD


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file"):
        opened(tmp_path / "none.csv")
    with pytest.raises(SourceError, match="is a folder"):
        opened(tmp_path)


def test_a_file_that_may_not_be_read_is_a_sentence(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(b"a\n1\n")
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(SourceError, match="may not be read"):
        opened(path)


def test_a_wrong_byte_far_into_the_file_is_named_exactly(write: Write) -> None:
    good = "é,b\n" * 200_000
    source = opened(write(good.encode() + b"x,\xff\n"))
    with pytest.raises(SourceError, match=r"byte 1,000,003, in line 200,001, is 0xFF"):
        read(source)


def test_a_wrong_byte_in_a_row_of_wrong_width_is_named_exactly(write: Write) -> None:
    source = opened(write(b"a,b\n" + b"1,2\n" * 100_000 + b"3,4,\xff\n"), encoding="utf-8")
    with pytest.raises(SourceError, match=r"byte 400,009, in line 100,002, is 0xFF"):
        read(source)


def test_a_quote_that_is_never_closed_is_a_sentence(write: Write) -> None:
    source = opened(write(b'a,b\n1,2\n3,"4\n5,6\n'))
    with pytest.raises(SourceError, match="quotation mark opened in row 3 is never closed"):
        read(source)


def test_rows_are_numbered_through_all_blocks_of_a_large_file(write: Write) -> None:
    kinds = [["x" * 20, 'a "b", c'], ["one"], ["1", "2", "3"], ["two\nlines", ""], [""]]
    table = [kinds[at * at % 7 % 5] for at in range(100_000)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["a", "b"], *table])
    rows, faults = read(small_chunks(write(text.getvalue().encode()), 5_000))
    assert rows == [(row, cells) for row, cells in enumerate(table, 2) if len(cells) == 2]
    assert [row for row, _ in faults] == [
        row for row, cells in enumerate(table, 2) if len(cells) != 2 and any(cells)
    ]


@pytest.mark.parametrize("lines", [30_000, 100_000, 300_000])
def test_a_cell_may_be_longer_than_what_is_read_at_once(write: Write, lines: int) -> None:
    long = "x, y\n" * lines
    before = b"1,2\n" * 100_000
    rows, faults = read(opened(write(b"a,b\n" + before + f'3,"{long}"\n4\n5,6\n'.encode())))
    assert rows[-2:] == [(100_002, ["3", long]), (100_004, ["5", "6"])]
    assert [row for row, _ in rows[:-2]] == list(range(2, 100_002))
    assert faults == [(100_003, ["The row has 1 cell, but the header has 2."])]


def test_a_quote_is_missed_however_much_follows(write: Write) -> None:
    source = opened(write(b'a,b\n1,2\n3,"4\n' + b"5,6\n" * 200_000))
    with pytest.raises(SourceError, match="quotation mark opened in row 3 is never closed"):
        read(source)


@pytest.mark.parametrize("last", [b"1,2", b"1,2\n", b"1,2\r", b"1,2\r\n\r\n", b'1,"2"', b"1,2\x1a"])
def test_a_file_may_end_in_any_way(write: Write, last: bytes) -> None:
    assert read(opened(write(b"a,b\n" + last))) == ([(2, ["1", "2"])], [])


def test_blank_rows_only_after_the_first_bytes_are_no_rows(write: Write) -> None:
    source = opened(write(b"a,b\n" + b",\n" * 200_000 + b"1,2"))
    assert read(source)[0] == [(200_002, ["1", "2"])]
    source = opened(write(b"a,b\n" + b",\n" * 200_000))
    with pytest.raises(SourceEmpty, match="no rows"):
        read(source)


@pytest.mark.parametrize(
    "option", [{"encoding": "klingon"}, {"encoding": "rot13"}, {"delimiter": '"'}]
)
def test_options_that_fit_no_file_are_configuration_errors(
    write: Write, option: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError):
        opened(write(b"a\n1\n"), **option)


_CELLS = st.text(
    st.one_of(
        st.sampled_from(list(',;\t|" \n\raß')),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=8,
)


@settings(
    max_examples=200,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    width=st.integers(1, 4),
    table=st.lists(st.lists(_CELLS, min_size=1, max_size=6), min_size=1, max_size=25),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    manner=st.sampled_from(
        [("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]
    ),
    chunk_rows=st.integers(1, 7),
)
def test_each_row_comes_once_or_is_named(
    tmp_path: Path,
    width: int,
    table: list[list[str]],
    delimiter: str,
    manner: tuple[str, Literal[0, 1]],
    chunk_rows: int,
) -> None:
    assume(any(cell.strip() for cells in table for cell in cells))
    written = [cells for cells in table if any(cell.strip() for cell in cells)]
    assume(not all(len(cells) == width + 1 and not cells[-1].strip() for cells in written))
    text = io.StringIO()
    header = [f"column {number}" for number in range(width)]
    writer = csv.writer(text, delimiter=delimiter, lineterminator=manner[0], quoting=manner[1])
    writer.writerows([header, *table])
    path = tmp_path / "table.csv"
    path.write_bytes(text.getvalue().encode())
    options = Source(path=path, delimiter=delimiter).model_copy(update={"chunk_rows": chunk_rows})
    source = CsvSource(path, options)
    rows, faults = read(source)
    assert rows == [
        (row, cells)
        for row, cells in enumerate(table, 2)
        if any(map(str.strip, cells)) and len(cells) == width
    ]
    assert [row for row, _ in faults] == [
        row
        for row, cells in enumerate(table, 2)
        if len(cells) > width or (any(map(str.strip, cells)) and len(cells) < width)
    ]
