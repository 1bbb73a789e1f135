"""The report in a real browser: readable on a telephone and on a screen, by day and by night."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from sync.errors import ExitCode
from sync.report.html import Findings, Standing, write_report
from sync.report.rejects import Entry, Kind
from sync.state.runs import Counts, RunRecord
from tests.browser.looks import assert_fits, look_at

BEGAN = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
COUNTS = Counts(
    rows_read=1_000_000,
    new=90_204,
    changed=11_000,
    unchanged=893_000,
    rejected=3_755,
    opted_out=412,
    withheld=1_033,
    duplicates=2_041,
)
REASON = "<img src=x onerror=\"document.title='run'\"> " + "x" * 300


def write(path: Path) -> str:
    """A report of a large run with every kind of reject; returns its address."""
    run = RunRecord(
        id=12,
        started_at=BEGAN,
        finished_at=BEGAN + timedelta(minutes=9),
        host="here",
        pid=1,
        dry_run=False,
        exit_code=ExitCode.DONE_WITH_REJECTS,
        message="101,204 contacts sent, 893,000 unchanged, 2,310 rejected.",
        counts=COUNTS,
        report=path,
        rejects=Path("/var/lib/contact-sync/reports/default-run-000012-rejects.csv"),
    )
    keys = [(kind, f"a_long_code_of_{kind.name.lower()}") for kind in Kind]
    samples: dict[tuple[Kind, str], Sequence[Entry]] = {
        (kind, code): [Entry(kind, row, "a@b", "city", "x", code, REASON) for row in (7, 8)]
        for kind, code in keys
    }
    days = [replace(run, id=12 - day, audience=day * 97_000 % 900_000) for day in range(90)]
    findings = Findings("/data/exports/*.csv", dict.fromkeys(keys, 2), samples)
    standing = Standing(312, 10_000, BEGAN + timedelta(days=1), BEGAN + timedelta(days=180))
    write_report(path, days, findings, standing)
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1200])
def test_the_report_fits_and_has_contrast(
    browser: webdriver.Chrome, tmp_path: Path, width: int, scheme: str
) -> None:
    look_at(browser, width, scheme)
    browser.get(write(tmp_path / "report.html"))

    assert browser.title == "contact-sync: run 12"
    assert browser.find_elements(By.CSS_SELECTOR, "img, script, link, iframe") == []
    assert_fits(browser, width)


def test_the_picture_shows_every_row_once(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.get(write(tmp_path / "report.html"))
    legend = browser.find_elements(By.CSS_SELECTOR, ".legend li")
    shown = [int(item.text.split()[0].replace(",", "")) for item in legend]
    assert sum(shown) == COUNTS.rows_read
    assert len(browser.find_elements(By.CSS_SELECTOR, ".bar span")) == len(shown)


def test_the_trends_are_pictures_with_words_for_who_does_not_see_them(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    browser.get(write(tmp_path / "report.html"))
    figures = browser.find_elements(By.TAG_NAME, "figure")
    names = [figure.accessible_name for figure in figures]
    assert names[0] == "Contacts there: between 0 and 889,000, at last 0"
    assert len(names) == 4
    for figure in figures:
        line = figure.find_element(By.TAG_NAME, "polyline")
        assert len((line.get_attribute("points") or "").split()) == 90
