"""A disk that is full: a sentence, nothing lost, and the next run goes on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.test_bad_input import assert_sentence

PEOPLE = 20_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1":
            pytest.fail(done.stderr)
        pytest.skip(f"no tmpfs can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_state_that_is_full_stops_before_anything_is_sent(
    make_office: MakeOffice, small_disk: Path, sandbox: Sandbox
) -> None:
    office = make_office(state=[f'directory = "{small_disk}"'])
    office.authorize()
    office.contacts.write_text(
        "email,city\n" + "".join(f"p{n}@example.com,Town {n}\n" for n in range(PEOPLE))
    )
    done = office.run("--run-now")
    assert_sentence(done, ExitCode.STATE)
    assert "full" in done.err
    assert office.imports() == []
    assert office.run("status").code == ExitCode.DONE

    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert len(sandbox.people.audience()) == PEOPLE


def test_a_full_disk_for_reports_stops_before_anything_is_sent(
    make_office: MakeOffice, small_disk: Path
) -> None:
    office = make_office(report=[f'directory = "{small_disk}"'])
    office.authorize()
    fill(small_disk / "something")
    done = office.run("--run-now")
    assert_sentence(done, ExitCode.STATE)
    assert "report.directory" in done.err
    assert office.imports() == []

    (small_disk / "something").unlink()
    assert office.run("--run-now").code == ExitCode.DONE


def fill(file: Path) -> None:
    """Write until nothing more goes."""
    with file.open("wb", buffering=0) as written, suppress(OSError):
        while True:
            written.write(bytes(4096))
