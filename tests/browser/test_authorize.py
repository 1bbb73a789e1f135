"""A person's visit in a real browser: the program, the service's page, the loopback page."""

import re
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.office import Office

_PATIENCE_SECONDS = 30


@pytest.fixture
def new_office(tmp_path: Path, sandbox: Sandbox) -> Office:
    """One that nobody has authorized."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sandbox.settings = replace(sandbox.settings, any_loopback_redirect=True)
    redirect = f'redirect_uri = "http://localhost:{port}/callback"'
    return Office(tmp_path / "office", sandbox, options={"oauth": [redirect]})


def test_allow_lands_on_a_page_that_may_be_closed_and_the_pair_is_stored(
    browser: webdriver.Chrome, new_office: Office
) -> None:
    with new_office.start("authorize", "--no-browser") as process:
        page = _press(browser, process, "allow")
        out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == ExitCode.DONE, err
    assert "may be closed" in page
    assert "Authorized for Sandbox Company" in out
    shown = new_office.run("status")
    assert "generation 1" in shown.out
    assert "refresh token good until" in shown.out
    assert new_office.run("check").code == ExitCode.DONE


def test_deny_is_said_in_the_browser_and_on_the_terminal(
    browser: webdriver.Chrome, new_office: Office
) -> None:
    with new_office.start("authorize", "--no-browser") as process:
        page = _press(browser, process, "deny")
        _, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == ExitCode.AUTHORIZATION
    assert "was not allowed" in page
    assert "press Allow" in err
    assert "Traceback" not in err
    assert "none yet" in new_office.run("status").out


def _press(browser: webdriver.Chrome, process: subprocess.Popen[str], decision: str) -> str:
    """Open the address that the program shows, press a button; return what the browser ends on."""
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if re.match(r"https?://", line))
    next(line for line in process.stdout if line.startswith("Waiting"))
    browser.get(address)
    browser.find_element(By.CSS_SELECTOR, f'button[value="{decision}"]').click()
    WebDriverWait(browser, _PATIENCE_SECONDS).until(
        lambda shown: shown.current_url.startswith("http://localhost:")
    )
    for name, values in parse_qs(urlsplit(browser.current_url).query).items():
        assert name == "error" or values[0] not in browser.page_source, f"the page shows the {name}"
    return browser.find_element(By.TAG_NAME, "body").text
