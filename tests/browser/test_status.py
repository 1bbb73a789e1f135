"""The status page in a real browser."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from sync.errors import ExitCode
from sync.progress import Shown
from tests.browser.looks import SCHEMES, WIDTHS, assert_fits, look_at
from tests.integration.status.agency_site import AgencySite
from tests.integration.status.conftest import Site


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_has_contrast(
    browser: webdriver.Chrome, site: Site, width: int, scheme: str
) -> None:
    for number in range(5):
        site.ran(ExitCode.DONE, f"{number:,} contacts sent, 1,000,000 unchanged, 2 rejected.")
    site.ran(ExitCode.UNAVAILABLE, "Constant Contact can't be reached: " + "x" * 200)
    site.live = Shown("Reading who unsubscribed, was deleted or left a list", 500, 1_000_000)
    look_at(browser, width, scheme)
    browser.get(site.url)
    assert browser.title == "contact-sync: well"
    assert browser.find_elements(By.CSS_SELECTOR, "img, script, iframe, form") == []
    assert_fits(browser, width)
    site.people_know("sync", "UNAVAILABLE")
    browser.get(site.url)
    assert browser.title == "contact-sync: a person is needed"
    assert_fits(browser, width)


def test_a_screen_reader_finds_headings_rows_and_the_progress_by_name(
    browser: webdriver.Chrome, site: Site
) -> None:
    site.ran(ExitCode.DONE, "2 contacts sent.")
    site.live = Shown("Sending and confirming", 5, 10)
    browser.get(site.url)
    progress = browser.find_element(By.TAG_NAME, "progress")
    assert (progress.aria_role, progress.accessible_name) == (
        "progressbar",
        "Sending and confirming",
    )
    assert [each.text for each in browser.find_elements(By.TAG_NAME, "h2")] == [
        "Now",
        "The last runs",
    ]
    assert len(browser.find_elements(By.CSS_SELECTOR, "th[scope=col]")) == 3


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_all_accounts_fits_and_leads_to_each(
    browser: webdriver.Chrome, tmp_path: Path, width: int, scheme: str
) -> None:
    with ExitStack() as stack:
        site = AgencySite(tmp_path / "config", stack, "north", "a-brand.of-a-very-long-name")
        site.has_broken("south", "The configuration south.toml is wrong: " + "x" * 200)
        look_at(browser, width, scheme)
        browser.get(site.url)
        assert browser.title == "contact-sync: a person is needed"
        assert_fits(browser, width)
        rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
        assert rows[0].text.startswith("south")
        browser.find_element(By.LINK_TEXT, "north").click()
        assert_fits(browser, width)
        browser.find_element(By.LINK_TEXT, "All accounts").click()
        assert browser.current_url == f"{site.url}/"
