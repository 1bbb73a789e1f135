"""Whole syncs of the real program at its most talkative: no secret in anything that it leaves."""

import base64
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sync.auth.authorize import begin, code_from_pasted
from sync.auth.token_endpoint import TokenEndpoint
from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Fault, Sandbox
from sync.settings import load_settings
from sync.state.store import open_store
from tests.integration.auth.conftest import visit
from tests.integration.main_road.office import Office

_EACH_PATIENCE_SECONDS = 120


@pytest.mark.timeout(600)
def test_whole_syncs_leave_no_secret_anywhere(tmp_path: Path, sandbox: Sandbox) -> None:
    office = Office(tmp_path / "office", sandbox)
    settings = load_settings(office.config)
    pair_of_the_application = f"{sandbox.client_id}:{settings.client_secret}".encode()
    secrets = {settings.client_secret, base64.b64encode(pair_of_the_application).decode()}

    request = begin(settings)
    code = code_from_pasted(request, sandbox.press_allow(request.url))
    answer = TokenEndpoint(settings).exchange_code(code, request.verifier)
    secrets |= {request.state, request.verifier or "", code} - {""}
    with open_store(settings) as store:
        open_vault(settings, store, create_key=True).keep(answer, encoded_account_id=None)
    secrets |= set(settings.vault_key_file.read_text().split())
    secrets |= _tokens(office)

    with office.contacts.open("a") as contacts:
        contacts.write("not an address,Grace\n")
    written: dict[str, bytes] = {}
    codes = []
    codes.append(_run(office, "success", written))
    sandbox.revoke_access_tokens()
    codes.append(_run(office, "refused access token", written))
    secrets |= _tokens(office)
    kept = office.contacts.read_text()
    office.contacts.unlink()
    codes.append(_run(office, "no source", written))
    office.contacts.write_text(kept)
    sandbox.add_fault(Fault(kind="status", path="/v3/*", status=503, count=None))
    codes.append(_run(office, "service down", written, stop_after=10))
    sandbox.clear_faults()
    # The new pair's answer is lost, and the old one's second try is refused.
    sandbox.revoke_access_tokens()
    sandbox.add_fault(Fault(kind="reset", path="*/token", after_work=True, count=1))
    codes.append(_run(office, "answer lost", written))
    with open_store(settings) as store:
        pair = visit(settings, sandbox)
        secrets |= {pair.access_token, pair.refresh_token or ""} - {""}
        open_vault(settings, store).keep(pair, encoded_account_id=None)
    sandbox.withdraw_consent()
    codes.append(_run(office, "consent withdrawn", written))

    rejects, lost = ExitCode.DONE_WITH_REJECTS, ExitCode.AUTHORIZATION
    assert [*codes[:3], *codes[4:]] == [rejects, rejects, ExitCode.SOURCE, lost, lost]
    assert codes[3] not in (ExitCode.DONE, rejects, ExitCode.BUG)  # stopped at any point
    assert len(secrets) >= 8
    for file in office.folder.rglob("*"):
        if file.is_file() and file.name not in ("vault.key", "client_secret"):
            written[str(file)] = file.read_bytes()
    assert any(name.endswith("state.db") for name in written)
    assert any(name.endswith(".html") for name in written)
    assert any("rejects" in name for name in written)
    leaks = [
        (name, secret[:4])
        for name, data in written.items()
        for secret in secrets
        if secret.encode() in data
    ]
    assert not leaks


def _run(
    office: Office,
    what: str,
    written: dict[str, bytes],
    *,
    stop_after: float = _EACH_PATIENCE_SECONDS,
) -> int:
    """A sync with --verbose; its output, its processes and the write-ahead log are noted."""
    process = subprocess.Popen(
        office.command("--verbose", "--run-now"),
        env=office.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, office, what, written, over))
    watcher.start()
    try:
        try:
            out, err = process.communicate(timeout=stop_after)
        except subprocess.TimeoutExpired:
            # It waits for the service, as it should; what it says when it is stopped counts too.
            process.terminate()
            out, err = process.communicate(timeout=_EACH_PATIENCE_SECONDS)
    finally:
        process.kill()
        over.set()
        watcher.join()
    written[f"{what}: stdout"], written[f"{what}: stderr"] = out, err
    assert written[f"{what}: process {process.pid} cmdline"]
    return process.returncode


def _watch(
    pid: int, office: Office, what: str, written: dict[str, bytes], over: threading.Event
) -> None:
    while not over.is_set():
        for number in _family(pid):
            for name in ("cmdline", "environ"):
                try:
                    data = Path(f"/proc/{number}/{name}").read_bytes()
                except OSError:
                    continue
                if data:
                    written[f"{what}: process {number} {name}"] = data
        for log in office.folder.rglob("*-wal"):
            try:
                written[f"{what}: {log} {log.stat().st_size}"] = log.read_bytes()
            except OSError:
                continue
        time.sleep(0.02)


def _family(pid: int) -> list[int]:
    """A process and those that it started."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            text = children.read_text()
        except OSError:
            continue
        found += [int(child) for child in re.findall(r"\d+", text)]
    return found


def _tokens(office: Office) -> set[str]:
    """The pair as it is now."""
    settings = load_settings(office.config)
    with open_store(settings) as store:
        pair = open_vault(settings, store)._custody.pair()
    return {pair.access_token, pair.refresh_token}
