"""The benchmark still runs: its server speaks what the program calls."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.bench import compare, ours
from tests.bench.measured import measure
from tests.bench.people import make_people
from tests.bench.server import Served, running

CONTACTS = 2_000


def test_the_days_of_the_real_program_are_measured(tmp_path: Path) -> None:
    people = make_people(tmp_path, CONTACTS)
    days = {day: (cost, served) for day, cost, served in ours.days(people, "sqlite")}
    sent = {day: served.contacts for day, (_, served) in days.items()}
    assert sent == {ours.FIRST: CONTACTS, ours.UNCHANGED: 0, ours.CHANGED: 2, ours.FEWER: 2}
    for cost, _ in days.values():
        assert cost.cpu_seconds > 0
        assert 50 < cost.peak_mb < 1_000  # the libraries alone are more than that


@pytest.mark.skipif(not all(map(find_spec, compare.PACKAGES)), reason="no yardsticks")
def test_each_yardstick_brings_all_contacts(tmp_path: Path) -> None:
    served = {
        what: served.contacts
        for what, _, served in compare.yardsticks(make_people(tmp_path, CONTACTS))
    }
    assert served == {
        compare.LIMIT: 0,
        **dict.fromkeys((compare.DRT, compare.DLT, compare.DLT_ARROW), CONTACTS),
    }


def test_contacts_that_do_not_arrive_end_the_benchmark(tmp_path: Path) -> None:
    with running() as server, pytest.raises(SystemExit, match="brought 0 contacts"):
        server.measure([sys.executable, "-c", ""], folder=tmp_path, contacts=1)


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such contact"):
        measure([sys.executable, "-c", "raise SystemExit('no such contact')"], folder=tmp_path)


def test_the_peak_is_of_the_command_and_not_of_who_asks(tmp_path: Path) -> None:
    assert measure([sys.executable, "-c", ""], folder=tmp_path).peak_mb < 30
    much = measure([sys.executable, "-c", "b'x' * 200_000_000"], folder=tmp_path)
    assert 200 < much.peak_mb < 260


def test_the_server_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with running() as server:
        asked = f"import urllib.request as u; u.urlopen('{server.url}/v3/contact_tags')"
        with pytest.raises(SystemExit, match="501"):
            server.measure([sys.executable, "-c", asked], folder=tmp_path, contacts=0)
        assert server.served().since(Served()).requests == 1
