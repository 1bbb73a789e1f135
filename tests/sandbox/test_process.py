"""The sandbox as a process, and its settings as text."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import requests

from sync.sandbox import Sandbox, SandboxSettings, other_answers
from sync.sandbox.__main__ import main, tell
from sync.sandbox.questions import CLOSED_SETS, EXAMPLES
from sync.sandbox.settings import as_text, choices, with_change

COMMAND = [sys.executable, "-m", "sync.sandbox", "--port", "0"]


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_tells_where_it_is_and_stops_cleanly(number: signal.Signals) -> None:
    process = run("--json", "--redirect-uri", "http://localhost:1/x", "--set", "expires_in=60")
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["redirect_uris"] == ["http://localhost:1/x"]
    settings = requests.get(told["admin_url"] + "/settings", timeout=10).json()
    assert settings["expires_in"] == "60"
    assert requests.get(told["api_url"] + "/contacts", timeout=10).status_code == 401
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_what_a_person_reads_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as sandbox:
        tell(sandbox)
        text = capsys.readouterr().out
        assert "It is a sandbox" in text
        for told in (sandbox.api_url, sandbox.client_id, sandbox.client_secret, sandbox.admin_url):
            assert told in text


@pytest.mark.parametrize("wrong", ["speed=1", "fast=perhaps", "fast", "throttle_body=song"])
def test_a_wrong_setting_is_told_before_the_start(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--set", wrong])
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        main(["--port", str(taken.getsockname()[1])])
    assert "Address already in use" in capsys.readouterr().err


def test_a_file_that_is_no_sandboxs_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, text = tmp_path / "state.db", tmp_path / "notes.txt"
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("CREATE TABLE contact (email TEXT)")
    text.write_text("no database")
    for file in (state, text):
        before = file.read_bytes()
        with pytest.raises(SystemExit):
            main(["--port", "0", "--database", str(file)])
        assert f"{file} can't be used" in capsys.readouterr().err
        assert file.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [text, state]


def test_every_open_question_has_another_answer() -> None:
    base = SandboxSettings()
    others = dict(other_answers(base))
    assert {name.partition("=")[0] for name in others} == {*CLOSED_SETS, *EXAMPLES}
    assert all(settings != base for settings in others.values())
    assert "throttle_body=html" in others


def test_every_setting_can_be_written_and_read_as_text() -> None:
    defaults = SandboxSettings()
    for name, text in as_text(defaults).items():
        assert with_change(defaults, name, text) == defaults
        for choice in choices(name):
            assert as_text(with_change(defaults, name, choice))[name] == choice
