"""Which files are read, and that each is whole and of today."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source
from sync.source import Place, open_source
from sync.source.files import find_files

NOW = 1_800_000_000.0


class Time:
    """A clock that moves when somebody sleeps, and does things then."""

    def __init__(self) -> None:
        self.now = NOW
        self.on_sleep: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


def write(path: Path, text: str = "email\na@example.com\n", *, age: float = 0) -> Path:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (NOW - age, NOW - age))
    return path


def found(time: Time, **options: object) -> list[str]:
    source = Source.model_validate(options)
    return [file.path.name for file in find_files(source, clock=time.clock, sleep=time.sleep)]


def test_a_pattern_gives_the_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        write(tmp_path / name)
    (tmp_path / "d.csv").mkdir()
    assert found(Time(), path=tmp_path / "*.csv") == ["a.csv", "b.csv"]
    with pytest.raises(SourceError, match="No file is named like"):
        found(Time(), path=tmp_path / "*.xlsx")


def test_the_newest_of_a_pattern_is_the_one_that_changed_last(tmp_path: Path) -> None:
    write(tmp_path / "2026-01.csv", age=10)
    write(tmp_path / "2026-02.csv", age=50)
    assert found(Time(), path=tmp_path / "*.csv", files="newest") == ["2026-01.csv"]


def test_brackets_in_a_name_are_a_name(tmp_path: Path) -> None:
    write(tmp_path / "contacts [new].csv")
    assert found(Time(), path=tmp_path / "contacts [new].csv") == ["contacts [new].csv"]


def test_a_file_that_has_been_still_for_long_enough_is_not_waited_for(tmp_path: Path) -> None:
    time = Time()
    assert found(time, path=write(tmp_path / "a.csv", age=31), settle=30) == ["a.csv"]
    assert time.now == NOW


def test_a_file_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    time = Time()
    path = write(tmp_path / "a.csv")
    rows = iter(range(3))

    def grow() -> None:
        if next(rows, None) is not None:
            path.write_text(path.read_text() + "b@example.com\n")

    time.on_sleep = grow
    assert found(time, path=path, settle=5) == ["a.csv"]
    assert 6 <= time.now - NOW < 10


def test_a_file_that_never_settles_is_a_sentence(tmp_path: Path) -> None:
    time = Time()
    path = write(tmp_path / "a.csv")
    time.on_sleep = lambda: os.utime(path, (time.now, time.now))
    with pytest.raises(SourceError, match="still being written after 100 seconds"):
        found(time, path=path, settle=5)


def test_without_its_marker_an_export_is_not_done(tmp_path: Path) -> None:
    path, marker = write(tmp_path / "a.csv"), tmp_path / "a.done"
    with pytest.raises(SourceError, match=r"is not there, so the export of a\.csv is not done"):
        found(Time(), path=path, marker=marker)
    write(marker, age=60)
    with pytest.raises(SourceError, match="is older than"):
        found(Time(), path=path, marker=marker)
    write(marker)
    assert found(Time(), path=path, marker=marker) == ["a.csv"]


def test_yesterdays_file_is_a_sentence_and_no_silence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", age=27 * 3600)
    with pytest.raises(
        SourceError, match=r"last written 27\.0 hours ago, and at most 26\.0 hours are allowed"
    ):
        found(Time(), path=path, max_age="PT26H")
    assert found(Time(), path=path, max_age="PT28H") == ["a.csv"]


def test_a_file_that_changes_while_it_is_read_ends_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    source = open_source(Source(path=path))
    chunks = source.chunks()
    next(chunks)
    path.write_text("email\nb@example.com\nc@example.com\n")
    with pytest.raises(SourceError, match="changed while it was being read"):
        next(chunks)


def test_rows_of_several_files_have_numbers_of_their_own_and_a_place(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "email,city\na@example.com,Bath\nb@example.com,x,y\n")
    write(tmp_path / "b.csv", "city,email\n\nKöln,c@example.com\n")
    source = open_source(Source(path=tmp_path / "*.csv"))
    chunks = list(source.chunks())
    rows = [int(row) for chunk in chunks for row in chunk.rows]
    faults = [fault.row for chunk in chunks for fault in chunk.faults]
    assert (rows, faults) == ([2, 6], [3])
    assert chunks[1].frame.to_dict("list") == {"email": ["c@example.com"], "city": ["Köln"]}
    assert source.place(2) == Place("a.csv", 2)
    assert source.place(3) == Place("a.csv", 3)
    assert source.place(6) == Place("b.csv", 3)
    assert "2 files in" in source.description


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("email\nx@example.com\n", "lacks “city”, unlike a.csv"),
        ("email,city,zip\nx@example.com,1,2\n", "has the further column “zip”"),
    ],
)
def test_files_of_other_columns_are_a_sentence(tmp_path: Path, header: str, sentence: str) -> None:
    write(tmp_path / "a.csv", "email,city\na@example.com,Bath\n")
    write(tmp_path / "b.csv", header)
    with pytest.raises(SourceError, match=sentence):
        open_source(Source(path=tmp_path / "*.csv"))


def test_a_sheet_of_a_csv_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.sheet is for Excel workbooks"):
        open_source(Source(path=write(tmp_path / "a.csv"), sheet="One"))
