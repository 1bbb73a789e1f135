"""The page, /healthz and /metrics of a worker, over HTTP."""

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from sync import status
from sync.errors import ConfigurationError, ExitCode
from sync.progress import Shown
from sync.sandbox import Sandbox
from sync.state.runs import Counts
from sync.status.server import StatusServer
from tests.integration.status.conftest import Site, SiteWith


def test_a_monitor_is_told_when_a_person_is_needed(site: Site) -> None:
    assert (site.get("/healthz").status_code, site.get("/healthz").text) == (200, "ok\n")
    site.ran(ExitCode.UNAVAILABLE, "It is down.")
    assert site.get("/healthz").status_code == 200  # it is tried again
    site.people_know("sync", "UNAVAILABLE")
    answer = site.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "It is down.\n")
    assert "A person is needed." in site.get("/").text


def test_the_page_tells_all_that_a_person_wants_to_know(site: Site) -> None:
    site.ran(ExitCode.DONE, "7 contacts sent, 3 unchanged.")
    page = site.get("/").text
    for part in (
        "All is well.",
        "7 contacts sent, 3 unchanged.",
        "on schedule",
        "of 10,000",
        "Refresh token",
    ):
        assert part in page
    assert "<progress" not in page
    site.live = Shown("Sending and confirming", 500, 2_000)
    page = site.get("/").text
    assert "Sending and confirming, 500 of 2,000" in page
    assert '<progress max="2000" value="500"' in page


def test_the_metrics_are_prometheus_own(site: Site) -> None:
    site.ran(ExitCode.DONE, "", Counts(rows_read=12, new=7, unchanged=5, confirmed=7))
    answer = site.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["contact_sync_healthy", None] == 1
    assert found["contact_sync_last_run_contacts", "new"] == 7
    assert found["contact_sync_last_run_duration_seconds", None] >= 120
    assert found["contact_sync_quota_limit_requests", None] == 10_000
    soon = found["contact_sync_next_sync_timestamp_seconds", None] - site.clock().timestamp()
    assert 0 < soon <= 24 * 3600
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert sample.labels["account"] == site.account


def test_reports_are_shown_only_when_that_is_allowed(site: Site, site_with: SiteWith) -> None:
    number = site.ran(ExitCode.DONE, "")
    assert "/reports/" not in site.get("/").text
    assert site.get(f"/accounts/default/reports/{number}").status_code == 404
    open_site = site_with(show_reports=True)
    number = open_site.ran(ExitCode.DONE, "")
    assert f'href="/accounts/default/reports/{number}"' in open_site.get("/").text
    answer = open_site.get(f"/accounts/default/reports/{number}")
    assert "The report" in answer.text
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert open_site.get(f"/accounts/default/reports/{number + 1}").status_code == 404


def test_every_answer_has_safe_headers_and_nothing_can_be_changed(site: Site) -> None:
    for path in ("/", "/style.css", "/healthz", "/metrics", "/nowhere"):
        headers = site.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers
        assert "Set-Cookie" not in headers
        for method in ("POST", "PUT", "DELETE"):
            refused = requests.request(method, site.url + path, timeout=10)
            assert refused.status_code in (404, 405)


def test_a_stranger_s_name_for_this_machine_is_not_answered(site: Site) -> None:
    assert site.get("/", Host="evil.example.com").status_code == 421
    assert site.get("/", Host=f"localhost:{site.server.port}").status_code == 200


def test_no_secret_is_told(site: Site, sandbox: Sandbox) -> None:
    site.ran(ExitCode.DONE, "")
    pair = site.vault._custody.pair()
    key = site.settings.vault_key_file.read_text().strip()
    for path in ("/", "/healthz", "/metrics"):
        text = site.get(path).text
        for secret in (pair.access_token, pair.refresh_token, key, sandbox.client_secret):
            assert secret not in text


def test_a_state_that_cannot_be_read_is_a_sentence(site: Site) -> None:
    database = site.settings.state.directory / "state.db"
    site.store.close()
    database.write_bytes(b"no database at all, " * 500)
    for more in ("-wal", "-shm"):
        database.with_name(database.name + more).unlink(missing_ok=True)
    answer = site.get("/healthz")
    assert answer.status_code == 503
    assert answer.text.startswith("The state database")
    assert "Traceback" not in answer.text


def test_a_port_in_use_is_a_sentence(site: Site, site_with: SiteWith) -> None:
    with pytest.raises(ConfigurationError, match="status page can't listen"):
        site_with(port=site.server.port)


def test_the_readme_names_every_metric_and_no_other(site: Site) -> None:
    site.ran(ExitCode.DONE, "")
    text = site.get("/metrics").text
    served = {family.name for family in text_string_to_metric_families(text)}
    readme = (Path(status.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"contact_sync_[a-z_]+[a-z]", readme)) == served


def test_an_answer_that_ends_while_the_page_is_stopped_does_no_harm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = StatusServer(site.watched)
    server.start()
    wake = server._server.trigger._physical_pull

    def wake_late() -> None:
        wake()  # as the thread of an answer does, which is woken a moment earlier
        server._thread.join(timeout=10)
        wake()

    monkeypatch.setattr(server._server.trigger, "_physical_pull", wake_late)
    server.stop()
    assert not server._thread.is_alive()


def test_a_page_that_is_stopped_while_it_answers_ends_in_peace(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many times, since it is a matter of moments."""
    failed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    for _ in range(300):
        server = StatusServer(site.watched)
        server.start()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port)).close()
        server.stop()
    assert failed == []
