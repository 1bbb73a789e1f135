"""The sandbox's own pages in a real browser: whole on a telephone and on a screen."""

from datetime import timedelta

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from sync.sandbox import Sandbox
from tests.sandbox.client import Client

PAGES = ("", "catalog", "activity", "log", "application", "switches")
EMAIL = "somebody-with.a-long-address@a-company.example.com"


@pytest.fixture
def furnished(sandbox: Sandbox) -> str:
    """An account with a bit of everything; the page of its one person."""
    client = Client(sandbox)
    tag = sandbox.people.add_tag("A tag whose name is longer than most names of tags")
    sandbox.people.add_list("A list whose name is longer than what fits on a telephone")
    sandbox.people.add_field("Member no")
    sandbox.people.add_segment("Everybody")
    lists = [one.list_id for one in sandbox.people.lists()]
    row = {"email": EMAIL, "first_name": "Ada", "cf:Member_no": "4711" * 20}
    client.import_contacts(row, {"email": "bad"}, list_ids=lists)
    contact = client.found(EMAIL)["contact_id"]
    body = {"first_name": "Ada", "update_source": "Account", "taggings": [tag.tag_id]}
    client.put(f"/contacts/{contact}", body)
    client.get("/contacts", include="custom_fields,list_memberships,phone_numbers,taggings")
    sandbox.advance(timedelta(seconds=1))
    return f"person/{contact}"


@pytest.mark.parametrize("width", [380, 1200])
def test_every_page_fits(
    browser: webdriver.Chrome, sandbox: Sandbox, furnished: str, width: int
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    for page in (*PAGES, furnished):
        browser.get(f"{sandbox.admin_url}/{page}")
        assert browser.title.endswith("(sandbox)"), page
        for element in browser.find_elements(By.CSS_SELECTOR, "h1, p, td, th, li, button, input"):
            if element.is_displayed():
                assert element.rect["x"] + element.rect["width"] <= width, (page, element.text)


def test_buttons_play_the_recipient(
    browser: webdriver.Chrome, sandbox: Sandbox, furnished: str
) -> None:
    browser.get(f"{sandbox.admin_url}/{furnished}")
    assert "A tag whose name is longer" in browser.page_source
    press(browser, "//li[contains(., 'General')]//button")
    assert [one["lists"] for one in sandbox.people.audience().values()] == [
        ["A list whose name is longer than what fits on a telephone"]
    ]
    press(browser, "//button[contains(., 'User deletes')]")
    assert "Deleted on" in browser.page_source
    press(browser, "//nav/a[. = 'People']")
    assert "1 contact, 1 of them deleted." in browser.page_source


def press(browser: webdriver.Chrome, path: str) -> None:
    """Click, and wait for the next page."""
    element = browser.find_element(By.XPATH, path)
    element.click()
    WebDriverWait(browser, 30).until(staleness_of(element))
