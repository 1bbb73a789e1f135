"""A real browser, or the reason why there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

from sync.sandbox import Sandbox
from tests.conftest import SettingsFor
from tests.integration.status.conftest import Site

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a profile of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        _without("there is no chromium with its chromedriver here")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    try:
        opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    except WebDriverException as error:
        _without(f"chromium doesn't start: {error.msg}")
    yield opened
    opened.quit()


def _without(reason: str) -> NoReturn:
    if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def site(settings_for: SettingsFor, sandbox: Sandbox) -> Iterator[Site]:
    """A served status page."""
    with ExitStack() as stack:
        yield Site(settings_for, sandbox, stack)
