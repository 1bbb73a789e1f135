"""A person's visit at its most talkative: no secret on the terminal, in the page, or in /proc."""

import dataclasses
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.main_road.office import Office


def _echo_of(secret: str) -> Fault:
    content = {"error": "invalid_request", "error_description": f"what is {secret}?"}
    return Fault(kind="status", path="*/token", status=400, body=json.dumps(content))


Spoil = Callable[[Sandbox], object]
ENDINGS: dict[str, tuple[Spoil, ExitCode]] = {
    "success": (lambda sandbox: None, ExitCode.DONE),
    "a new client secret": (lambda sandbox: sandbox.renew_secret(), ExitCode.CONFIGURATION),
    "a token endpoint that is ill": (
        lambda sandbox: sandbox.add_fault(Fault(kind="status", path="*/token", status=503)),
        ExitCode.UNAVAILABLE,
    ),
    "an answer that repeats what was sent": (
        lambda sandbox: sandbox.add_fault(_echo_of(sandbox.client_secret)),
        ExitCode.CONTRACT,
    ),
    "an API that is ill": (
        lambda sandbox: sandbox.add_fault(
            Fault(kind="status", path="/v3/*", status=503, count=None)
        ),
        ExitCode.DONE,
    ),
}


@pytest.fixture
def office(tmp_path: Path, sandbox: Sandbox) -> Office:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sandbox.settings = dataclasses.replace(sandbox.settings, any_loopback_redirect=True)
    redirect = f'redirect_uri = "http://localhost:{port}/callback"'
    return Office(tmp_path / "office", sandbox, options={"oauth": [redirect]})


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_visit_shows_no_secret_anywhere(office: Office, sandbox: Sandbox, ending: str) -> None:
    spoil, code = ENDINGS[ending]
    secret = sandbox.client_secret
    spoil(sandbox)
    with office.start("--verbose", "authorize", "--no-browser") as process:
        assert process.stdout is not None
        out, address = "", ""
        for line in process.stdout:
            out += line
            address = line.strip() if re.match(r"https?://", line) else address
            if line.startswith("Waiting"):
                break
        proc = Path(f"/proc/{process.pid}")
        seen = [(proc / name).read_bytes().decode() for name in ("cmdline", "environ")]
        landed = sandbox.press_allow(address)
        page = requests.get(landed, timeout=30)
        rest, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert page.status_code == 200

    call = sandbox.requests(path="/oauth2/default/v1/token")[-1]
    secrets = {secret, parse_qs(urlsplit(landed).query)["code"][0], call.form["code_verifier"]}
    settings = load_settings(office.config)
    secrets |= set(settings.vault_key_file.read_text().split())
    if code is ExitCode.DONE:
        with open_store(settings) as store:
            pair = open_vault(settings, store)._custody.pair()
        secrets |= {pair.access_token, pair.refresh_token}
    headers = "\n".join(f"{name}: {value}" for name, value in page.headers.items())
    written = [out, rest, err, page.text, headers, *seen]
    written += [
        file.read_bytes().decode("latin-1")
        for file in office.folder.rglob("*")
        if file.is_file() and file.name not in ("client_secret", "vault.key")
    ]
    assert not [(text[:60], secret[:4]) for text in written for secret in secrets if secret in text]
