"""A sync that hangs is told to people, once, while the other accounts go on."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sync import service
from sync.sandbox import Sandbox
from sync.service import Worker
from sync.settings import load_accounts
from sync.state.stores import Stores
from tests.agency import Agency
from tests.hanging import Hanging
from tests.integration.alerts.conftest import Posts


def test_an_account_that_hangs_is_told_of_once(
    tmp_path: Path, sandbox: Sandbox, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_HEARTBEAT", timedelta(seconds=1))
    sandbox.settings = replace(sandbox.settings, second_consent_kills_earlier=False)
    hanging = Hanging(tmp_path, posts, monkeypatch)
    shared = {"alerts": f'webhook_url = "{posts.url}"', "worker": "parallel_runs = 2"}
    agency = Agency(tmp_path / "config", sandbox, shared)
    agency.has("fine")
    agency.has("hung", api=f'base_url = "{hanging.url}"\ntimeout = 600')
    agency.authorize("fine", "hung")
    accounts = load_accounts(agency.folder)
    with closing(Stores()) as stores, capture_logs() as log:
        worker = Worker(accounts, stores, reread=lambda: accounts, manager=hanging.manager)
        hanging.serve(worker.serve, lambda: "sync done" in {entry["event"] for entry in log})
    [(kind, text)] = posts.alerts
    assert kind == "first"
    assert text.startswith("The sync has shown no sign of life since ")
    assert "systemctl restart contact-sync" in text
    hung = [entry["account"] for entry in log if entry["event"] == "sync shows no sign of life"]
    assert hung == ["hung"]
    assert [*sandbox.people.audience()] == ["fine.0@example.com"]
