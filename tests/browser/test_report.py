"""The report in a real browser: readable on a telephone and on a screen, by day and by night."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from sync.errors import ExitCode
from sync.report.html import write_report
from sync.report.rejects import Entry, Kind
from sync.state.runs import Counts, RunRecord

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
    write_report(path, [run, run], "/data/exports/*.csv", dict.fromkeys(keys, 2), samples)
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1200])
def test_the_report_fits_and_has_contrast(
    browser: webdriver.Chrome, tmp_path: Path, width: int, scheme: str
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(write(tmp_path / "report.html"))

    assert browser.title == "contact-sync: run 12"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.find_elements(By.CSS_SELECTOR, "img, script, link, iframe") == []
    for element in browser.find_elements(By.CSS_SELECTOR, "h1, h2, p, td, th, li, small"):
        if element.is_displayed():
            assert element.rect["x"] >= 0
            assert element.rect["x"] + element.rect["width"] <= width
            assert contrast(browser, element) >= 4.5
    assert browser.get_screenshot_as_png().startswith(b"\x89PNG")


def test_the_picture_shows_every_row_once(browser: webdriver.Chrome, tmp_path: Path) -> None:
    browser.get(write(tmp_path / "report.html"))
    legend = browser.find_elements(By.CSS_SELECTOR, ".legend li")
    shown = [int(item.text.split()[0].replace(",", "")) for item in legend]
    assert sum(shown) == COUNTS.rows_read
    assert len(browser.find_elements(By.CSS_SELECTOR, ".bar span")) == len(shown)


def contrast(browser: webdriver.Chrome, element: object) -> float:
    """WCAG 2's contrast of an element's text with the page."""
    colours: list[str] = browser.execute_script(
        "return [getComputedStyle(arguments[0]).color,"
        " getComputedStyle(document.body).backgroundColor]",
        element,
    )
    lighter, darker = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(part) / 255 for part in colour.strip("rgb()").split(","))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
