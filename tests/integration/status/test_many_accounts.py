"""The page, /healthz and /metrics of many accounts."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sync.progress import Shown
from tests.integration.status.agency_site import AgencySite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[AgencySite]:
    with ExitStack() as stack:
        yield AgencySite(tmp_path / "config", stack, "anna", "bert", "cleo")


def test_the_page_shows_first_who_needs_a_person(site: AgencySite) -> None:
    page = site.get("/").text
    assert "All is well with 3 accounts." in page
    site.people_know("cleo", "sync")
    site.has_broken("zora", "lists.names is missing")
    page = site.get("/").text
    assert "2 of 4 accounts need a person." in page
    rows = re.findall(r'<tr><td class="name">(?:<a [^>]*>)?(\w+)', page)
    assert rows == ["zora", "cleo", "anna", "bert"]
    assert 'href="/accounts/cleo"' in page
    assert "lists.names is missing" in page
    site.charges["anna"].live.shown = Shown("Comparing")
    assert "Syncing: Comparing." in site.get("/").text


def test_each_account_has_a_page_of_its_own(site: AgencySite) -> None:
    page = site.get("/accounts/bert").text
    assert "Account bert" in page
    assert "1 contact sent, 0 unchanged." in page
    assert 'href="/"' in page
    assert site.get("/accounts/nobody").status_code == 404


def test_a_monitor_hears_of_the_accounts_that_need_a_person(site: AgencySite) -> None:
    assert site.get("/healthz").text == "ok\n"
    site.people_know("bert", "sync")
    site.has_broken("zora", "It is wrong.")
    answer = site.get("/healthz")
    assert answer.status_code == 503
    assert answer.text == "zora: It is wrong.\nbert: 1 contact sent, 0 unchanged.\n"
    assert site.get("/accounts/anna/healthz").status_code == 200
    assert site.get("/accounts/bert/healthz").status_code == 503


def test_the_metrics_have_each_account_as_a_label(site: AgencySite) -> None:
    site.has_broken("zora", "It is wrong.")
    found = {
        (sample.name, sample.labels["account"]): sample.value
        for family in text_string_to_metric_families(site.get("/metrics").text)
        for sample in family.samples
    }
    names = ("anna", "bert", "cleo", "zora")
    assert [found["contact_sync_healthy", name] for name in names] == [1, 1, 1, 0]
    assert ("contact_sync_last_success_timestamp_seconds", "anna") in found
    assert ("contact_sync_syncing", "zora") not in found
