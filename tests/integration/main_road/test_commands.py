"""What the commands print, whatever reads it: status, the summary, a dry run, a stopped run."""

import json
import re
import subprocess
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from sync.auth.vault import open_vault
from sync.errors import ExitCode
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.state.runs import Runs
from sync.state.store import open_store
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

PEOPLE = "".join(f"p{n}@example.com,P{n}\n" for n in range(40))
HALF = "".join(PEOPLE.splitlines(keepends=True)[:20])


def test_status_before_anything_after_a_run_and_after_a_loss(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office()
    before = office.run("status")
    assert before.code == ExitCode.DONE
    assert "Token: none yet; run contact-sync authorize." in before.out
    assert "No run yet" in before.out
    assert "Next run: " in before.out
    pair = str(office.folder / "pair")
    for command in (("tokens", "export", pair), ("adopt",), ("rotate-key",)):
        done = office.run(*command)
        assert done.code == ExitCode.AUTHORIZATION, done.err
        assert "Nobody has authorized the account default yet" in done.err

    office.authorize()
    office.run("--run-now")
    after = office.run("status").out
    assert "expires in 23 h 59 min; generation 1" in after
    assert "refresh token good until" in after
    assert "1 contact sent, 0 unchanged." in after
    assert re.search(r"Quota: \d+ of 10,000 requests used", after)

    sandbox.withdraw_consent()
    assert office.run("--run-now").code == ExitCode.AUTHORIZATION
    lost = office.run("status")
    assert lost.code == ExitCode.DONE
    assert "is lost" in lost.out
    assert "contact-sync authorize" in lost.out


def test_a_dry_run_with_an_expired_token_plans_offline_and_refreshes_none(
    office: Office, sandbox: Sandbox
) -> None:
    office.run("--run-now")
    office.contacts.write_text("email,first name\nada@example.com,Ada\nbob@example.com,Bob\n")
    lasting = sandbox.settings
    sandbox.settings = replace(lasting, expires_in=timedelta(seconds=1))
    office.authorize()
    sandbox.settings = lasting
    time.sleep(1.5)
    asked = len(sandbox.requests())
    done = office.run("--dry-run")
    assert done.code == ExitCode.DONE, done.err
    assert "Planned without Constant Contact" in done.out
    assert "1 contact would be sent; nothing was" in done.out
    assert {entry.method for entry in sandbox.requests()[asked:]} <= {"GET"}
    asked = len(sandbox.requests())

    assert office.run("--run-now").code == ExitCode.DONE
    assert any(entry.path.endswith("/token") for entry in sandbox.requests()[asked:])


def test_a_run_that_the_guard_stopped_shows_what_it_found(office: Office) -> None:
    office.contacts.write_text("email,first name\n" + PEOPLE)
    assert office.run("--run-now").code == ExitCode.DONE
    posted = len(office.imports())
    office.contacts.write_text("email,first name\n" + HALF)
    done = office.run("--run-now")
    assert done.code == ExitCode.GUARD
    assert "guard.max_shrink_percent" in done.err
    assert "contact-sync plan approve 2" in done.err
    assert "rows read" in done.out
    assert "Report: " in done.out
    assert len(office.imports()) == posted
    assert "contact-syncplanapprove2" in _unfolded(office.run("status").out)
    assert office.run("plan", "approve", "2").code == ExitCode.DONE


def test_the_record_holds_the_counts_of_the_summary(office: Office) -> None:
    office.contacts.write_text(
        "email,first name\n" + PEOPLE + "p1@example.com,Twice\nno address,X\n"
    )
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE_WITH_REJECTS
    with open_store(load_settings(office.config)) as store:
        counts = Runs(store, "default").last(1)[0].counts
    assert counts.balanced
    assert (counts.rows_read, counts.new, counts.rejected, counts.duplicates) == (42, 40, 1, 1)
    assert re.search(r"rows read +│ +42 │", done.out)


def test_whoever_stops_reading_does_not_stop_the_run(office: Office, sandbox: Sandbox) -> None:
    program = " ".join(office.command("--run-now"))
    done = subprocess.run(
        ["bash", "-c", f"{program} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        env=office.variables(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    assert done.stderr == ""
    assert set(sandbox.people.audience()) == {"ada@example.com"}


def test_a_terminal_that_has_no_ticks_is_no_fault(office: Office) -> None:
    done = office.run("check", environment={"PYTHONIOENCODING": "ascii"})
    assert done.code == ExitCode.DONE, done.err
    assert "? token: issued" in done.out


def test_verbose_logs_each_request_as_one_object_a_line(office: Office) -> None:
    done = office.run("--verbose", "--run-now")
    assert done.code == ExitCode.DONE
    lines = [json.loads(line) for line in done.err.splitlines()]
    requests = [line["request"] for line in lines if line["event"] == "request"]
    assert "POST /activities/contacts_json_import" in requests
    assert {line["run"] for line in lines if line["event"] == "request"} == {1}


def test_another_run_is_waited_for(office: Office, sandbox: Sandbox) -> None:
    settings = load_settings(office.config)
    with open_store(settings) as store, store.locks.hold("default.run", wait=timedelta(0)):
        refused = office.run("--run-now")
        assert refused.code == ExitCode.BUSY
        assert "another process holds it" in refused.err
        waiting = office.start("--run-now", "--wait", "1")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.communicate(timeout=4)
        assert office.imports() == []
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == ExitCode.DONE, err
    assert len(office.imports()) == 1


def test_nothing_secret_is_told_by_the_person_s_commands(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office()
    pasted = []

    def answer(address: str) -> str:
        pasted.append(sandbox.press_allow(address))
        return pasted[0] + "\n"

    settings = load_settings(office.config)
    told = [office.paste(answer)]
    told += [office.run("--verbose", command) for command in ("check", "status", "map")]
    with open_store(settings) as store:
        pair = open_vault(settings, store)._custody.pair()
    secrets = {
        re.findall(r"code=([^&]+)", pasted[0])[0],
        settings.client_secret,
        settings.vault_key_file.read_text().strip(),
        pair.access_token,
        pair.refresh_token,
    }
    assert all(done.code == ExitCode.DONE for done in told)
    written = "".join(done.out + done.err for done in told)
    assert not any(secret in written for secret in secrets)


def test_status_tells_a_run_that_was_killed_from_one_that_goes_on(
    office: Office, sandbox: Sandbox
) -> None:
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(minutes=10))
    process = office.start("--run-now")
    while not office.imports():
        assert process.poll() is None
    assert "notfinished(process" in _unfolded(office.run("status").out)
    process.kill()
    process.communicate(timeout=60)
    assert "killed,orendedwithitsmachine" in _unfolded(office.run("status").out)


def _unfolded(table: str) -> str:
    return "".join(re.findall(r"│([^│]*)│$", table, re.MULTILINE)).replace(" ", "")
