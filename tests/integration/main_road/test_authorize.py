"""The person's one visit through the real command line, and what can go wrong with it."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office
from tests.integration.main_road.test_bad_input import assert_sentence


@pytest.fixture
def stranger(make_office: MakeOffice) -> Office:
    """An office without authorization."""
    return make_office()


def test_the_address_pasted_in_a_pipe_authorizes(stranger: Office, sandbox: Sandbox) -> None:
    done = stranger.paste(lambda address: sandbox.press_allow(address) + "\n")
    assert done.code == ExitCode.DONE, done.err
    assert "Authorized for Sandbox Company" in done.out
    assert done.err == ""
    assert stranger.run("check").code == ExitCode.DONE


def test_the_browser_comes_back_to_this_machine(stranger: Office, sandbox: Sandbox) -> None:
    with stranger.start("authorize", "--no-browser") as process:
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            if line.startswith(sandbox.authorize_url):
                address = line.strip()
            if line.startswith("Waiting"):
                landed = requests.get(sandbox.press_allow(address), timeout=30)
        assert landed.status_code == 200
    assert process.returncode == ExitCode.DONE


Ending = Callable[[Sandbox, str], str]


def _denied(sandbox: Sandbox, address: str) -> str:
    return sandbox.press_allow(address, allow=False)


def _other_state(sandbox: Sandbox, address: str) -> str:
    return sandbox.press_allow(address).replace("state=", "state=another")


def _late(sandbox: Sandbox, address: str) -> str:
    ended = sandbox.press_allow(address)
    sandbox.advance(timedelta(minutes=6))
    return ended


def _without_code(sandbox: Sandbox, address: str) -> str:
    return re.sub(r"code=[^&]*&?", "", sandbox.press_allow(address))


def _the_page_itself(sandbox: Sandbox, address: str) -> str:
    return address


WRONG: dict[str, tuple[Ending, ExitCode, str]] = {
    "denied": (_denied, ExitCode.AUTHORIZATION, "was not allowed"),
    "of another visit": (_other_state, ExitCode.AUTHORIZATION, "its state differs"),
    "too late": (_late, ExitCode.AUTHORIZATION, "for five minutes"),
    "without a code": (_without_code, ExitCode.AUTHORIZATION, "holds no code"),
    "of the page itself": (_the_page_itself, ExitCode.AUTHORIZATION, "holds no code"),
    "junk": (lambda _, __: "hello", ExitCode.USAGE, "not the address"),
    "nothing": (lambda _, __: "", ExitCode.USAGE, "not the address"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_ending_is_told_in_a_sentence(
    stranger: Office, sandbox: Sandbox, what: str
) -> None:
    ending, code, words = WRONG[what]
    done = stranger.paste(lambda address: ending(sandbox, address) + "\n")
    assert_sentence(done, code)
    assert words in done.err
    with open_store(load_settings(stranger.config)) as store:
        assert not open_vault(load_settings(stranger.config), store).status().exists


def test_a_code_works_once(make_office: MakeOffice, sandbox: Sandbox) -> None:
    office = make_office()
    used = []

    def answer(address: str) -> str:
        ended = sandbox.press_allow(address)
        used.append(parse_qs(urlsplit(ended).query)["code"][0])
        return ended + "\n"

    def answer_again(address: str) -> str:
        state = parse_qs(urlsplit(address).query)["state"][0]
        return f"http://localhost:8085/callback?code={used[0]}&state={state}\n"

    assert office.paste(answer).code == ExitCode.DONE
    done = office.paste(answer_again)
    assert_sentence(done, ExitCode.AUTHORIZATION)
    assert "a code works once" in done.err


def test_a_redirect_that_is_not_registered_is_told(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office(oauth=['redirect_uri = "http://localhost:9999/other"'])

    def answer(address: str) -> str:
        state = parse_qs(urlsplit(address).query)["state"][0]
        assert requests.get(address, timeout=30).status_code == 400
        return f"http://localhost:9999/other?code={sandbox.issue_code()}&state={state}\n"

    done = office.paste(answer)
    assert_sentence(done, ExitCode.AUTHORIZATION)
    assert "oauth.redirect_uri" in done.err


def test_a_wrong_client_secret_is_a_configuration_error(stranger: Office, sandbox: Sandbox) -> None:
    (stranger.folder / "client_secret").write_text("of-yesterday")
    done = stranger.paste(lambda address: sandbox.press_allow(address) + "\n")
    assert_sentence(done, ExitCode.CONFIGURATION)
    assert "client secret" in done.err
