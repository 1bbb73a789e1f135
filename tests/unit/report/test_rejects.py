"""The rejects file and the report: safe to open, and complete."""

import csv
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sync.errors import ExitCode, StateError
from sync.report.cleanup import remove_old
from sync.report.html import Findings, Standing, write_report
from sync.report.rejects import Entry, Kind, RejectsFile
from sync.state.runs import Counts, RunRecord

NASTY = ("=1+1", "+49 30", "-2", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1+1", "＠SUM(A1)")


def entry(value: str) -> Entry:
    return Entry(
        kind=Kind.REJECTED,
        row=7,
        email="a@example.com",
        field="city",
        value=value,
        code="code",
        reason="<script>alert(1)</script>",
    )


@pytest.mark.parametrize("value", NASTY)
def test_no_cell_is_a_formula(tmp_path: Path, value: str) -> None:
    path = tmp_path / "rejects.csv"
    with RejectsFile(path) as rejects:
        rejects.add(entry(value))
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["value"] == f"'{value}"
    assert row["row"] == "7"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
@pytest.mark.parametrize("before", [";", '; "', "\r\n ", "\t"])
def test_no_cell_holds_a_formula_for_who_separates_by_semicolons(
    tmp_path: Path, sign: str, before: str
) -> None:
    path = tmp_path / "rejects.csv"
    with RejectsFile(path) as rejects:
        rejects.add(entry(f"Bath{before}{sign}1+1"))
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["value"] == f"Bath{before}'{sign}1+1"
    text = path.read_text(encoding="utf-8-sig")
    cells = [cell.strip(' "') for line in text.splitlines() for cell in re.split("[;\t]", line)]
    assert not [cell for cell in cells if cell.startswith(sign)]


def test_every_kind_is_told_in_a_file_that_spreadsheets_read(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    with RejectsFile(path) as rejects:
        rejects.place = lambda row: ("second.csv", row - 5)
        for kind in Kind:
            rejects.add(replace(entry('Zoë, "the" first\nof two lines'), kind=kind))
    content = path.read_bytes()
    assert content.startswith("\ufeffkind,row,email".encode())
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines(keepends=True)))
    assert [row["kind"] for row in rows] == [kind.value for kind in Kind]
    assert {row["value"] for row in rows} == {'Zoë, "the" first\nof two lines'}
    assert {(row["file"], row["row"]) for row in rows} == {("second.csv", "2")}
    assert path.stat().st_mode & 0o077 == 0
    assert rejects.reasons == {(kind, "code"): 1 for kind in Kind}


def test_a_full_disk_is_told_before_anything_is_added(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    path.symlink_to("/dev/full")
    with pytest.raises(StateError, match="No space left"):
        RejectsFile(path)


def test_a_disk_that_becomes_full_is_told(tmp_path: Path) -> None:
    rejects = RejectsFile(tmp_path / "rejects.csv")
    with Path("/dev/full").open("w") as full:
        os.dup2(full.fileno(), rejects._file._file.fileno())
    rejects.add(entry("x"))
    with pytest.raises(StateError, match="No space left"):
        rejects.close()


def test_a_file_without_an_entry_is_removed(tmp_path: Path) -> None:
    with RejectsFile(tmp_path / "rejects.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StateError, match=r"report\.directory"),
        RejectsFile(tmp_path / "file" / "x"),
    ):
        pass


def test_the_report_stands_alone_and_shows_text_as_text(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    run = RunRecord(
        id=1,
        started_at=now,
        finished_at=now + timedelta(minutes=3),
        host="here",
        pid=1,
        dry_run=False,
        exit_code=ExitCode.DONE_WITH_REJECTS,
        message="1 contact sent & <b>done</b>.",
        counts=Counts(rows_read=3, new=1, rejected=2),
        report=None,
        rejects=None,
    )
    key = (Kind.REJECTED, "code")
    path = tmp_path / "report.html"
    findings = Findings("contacts.csv", {key: 2}, {key: [entry("x")]})
    write_report(path, [run], findings, Standing(0, 10_000, None, None))
    page = path.read_text(encoding="utf-8")
    assert "<b>done</b>" not in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|url\(|https?://", page)
    assert path.stat().st_mode & 0o077 == 0


def test_only_old_files_of_ours_are_removed(tmp_path: Path) -> None:
    ours = tmp_path / "default-run-000001.html"
    others = tmp_path / "notes.html"
    for file in (ours, others):
        file.touch()
    remove_old(tmp_path, 90, datetime.now(UTC) + timedelta(days=89))
    assert ours.exists()
    remove_old(tmp_path, 90, datetime.now(UTC) + timedelta(days=91))
    assert not ours.exists()
    assert others.exists()


def test_what_cannot_be_removed_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "default-run-000001.html").mkdir()
    remove_old(tmp_path, 1, datetime.now(UTC) + timedelta(days=9))
    said = capsys.readouterr()
    assert "can't be removed" in said.out + said.err
