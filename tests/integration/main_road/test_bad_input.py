"""What a person can do wrong: a sentence, an exit code of its own, and nothing sent."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.errors import ExitCode
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Done, Office


def _no_file(office: Office) -> None:
    office.contacts.unlink()


def _empty(office: Office) -> None:
    office.contacts.write_bytes(b"")


def _header_only(office: Office) -> None:
    office.contacts.write_text("email,first name\n")


def _no_address(office: Office) -> None:
    office.contacts.write_text("name,city\nAda,London\n")


def _binary(office: Office) -> None:
    office.contacts.write_bytes(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 8)


def _wrong_encoding(office: Office) -> None:
    office.contacts.write_bytes("email,first name\nzoe@example.com,Zoë\n".encode("cp1252"))
    office.configure(source='path = "contacts.csv"\nencoding = "utf-8"')


def _folder(office: Office) -> None:
    office.contacts.unlink()
    office.contacts.mkdir()


def _pipe(office: Office) -> None:
    office.contacts.unlink()
    os.mkfifo(office.contacts)


def _column_missing(office: Office) -> None:
    office.configure(mapping='columns = { first_name = "Vorname" }')


SOURCES: dict[str, tuple[Callable[[Office], None], str]] = {
    "no file": (_no_file, "contacts.csv"),
    "an empty file": (_empty, "empty"),
    "no e-mail column": (_no_address, "e-mail"),
    "a binary file": (_binary, "contacts.csv"),
    "a wrong encoding": (_wrong_encoding, "utf-8"),
    "a folder": (_folder, "folder"),
    "a pipe": (_pipe, "is a pipe"),
    "a mapped column missing": (_column_missing, "Vorname"),
}


@pytest.mark.parametrize("fault", SOURCES)
def test_a_bad_source_is_told_in_a_sentence_and_nothing_is_sent(office: Office, fault: str) -> None:
    spoil, word = SOURCES[fault]
    spoil(office)
    done = office.run("--dry-run" if fault == "no file" else "--run-now")
    assert_sentence(done, ExitCode.SOURCE)
    assert word in done.err
    assert office.imports() == []


def test_a_source_without_rows_is_stopped_by_the_guard(office: Office) -> None:
    _header_only(office)
    done = office.run("--run-now")
    assert_sentence(done, ExitCode.GUARD)
    assert "no rows under it" in done.err
    assert office.imports() == []


CONFIGURATIONS = {
    "a wrong type": ({"source": 'path = "contacts.csv"\nchunk_rows = "many"'}, "source.chunk_rows"),
    "an unknown option": (
        {"source": 'path = "contacts.csv"\ndelimeter = ";"'},
        "did you mean delimiter?",
    ),
}


@pytest.mark.parametrize("fault", CONFIGURATIONS)
def test_a_wrong_configuration_is_told_with_its_place(make_office: MakeOffice, fault: str) -> None:
    sections, words = CONFIGURATIONS[fault]
    office = make_office()
    office.configure(**sections)
    done = office.run("--run-now")
    assert done.code == ExitCode.CONFIGURATION
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_configuration_that_cannot_be_read_is_told(make_office: MakeOffice) -> None:
    office = make_office()
    office.config.write_text("this is = not [ TOML")
    assert_sentence(office.run("check"), ExitCode.CONFIGURATION)
    office.config.write_bytes(gzip.compress(b"x"))
    assert_sentence(office.run("check"), ExitCode.CONFIGURATION)
    office.config.unlink()
    done = office.run("status")
    assert_sentence(done, ExitCode.CONFIGURATION)
    assert "contact-sync init" in done.err


def test_a_variable_that_sets_nothing_is_refused(make_office: MakeOffice) -> None:
    done = make_office().run("status", environment={"CONTACT_SYNC_SORCE__PATH": "x.csv"})
    assert done.code == ExitCode.CONFIGURATION
    assert "did you mean CONTACT_SYNC_SOURCE?" in done.err


def test_a_secret_that_others_can_read_is_refused(office: Office) -> None:
    (office.folder / "client_secret").chmod(0o644)
    done = office.run("check")
    assert done.code == ExitCode.CONFIGURATION
    assert "chmod 600" in done.out


def test_a_wrong_command_line_is_told(make_office: MakeOffice) -> None:
    assert_sentence(make_office().run("--nonsense"), ExitCode.USAGE)


def test_a_run_without_authorization_says_what_to_run(make_office: MakeOffice) -> None:
    done = make_office().run("--run-now")
    assert_sentence(done, ExitCode.AUTHORIZATION)
    assert "contact-sync authorize" in done.err


def test_a_state_that_cannot_be_written_is_told(make_office: MakeOffice) -> None:
    office = make_office(state=['directory = "contacts.csv/state"'])
    assert_sentence(office.run("--run-now"), ExitCode.STATE)


def test_a_state_that_is_no_database_is_told(make_office: MakeOffice) -> None:
    office = make_office()
    (office.folder / "state").mkdir()
    (office.folder / "state" / "state.db").write_bytes(b"no database " * 1000)
    done = office.run("status")
    assert_sentence(done, ExitCode.STATE)
    assert "not a database" in done.err


def test_a_service_that_is_down_is_told(office: Office, tmp_path: Path) -> None:
    office.configure(api='base_url = "http://127.0.0.1:9/v3"\ntimeout = 1')
    done = office.run("check")
    assert done.code == ExitCode.UNAVAILABLE
    assert "can't be reached" in done.out


def assert_sentence(done: Done, code: ExitCode) -> None:
    """The exit code, and one line on standard error that is no traceback."""
    assert done.code == code, done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert "Traceback" not in done.err
    assert done.err.strip().endswith((".", "?"))


def test_a_check_tells_each_fault_once(make_office: MakeOffice) -> None:
    office = make_office()
    office.contacts.unlink()
    done = office.run("check")
    assert done.code == ExitCode.SOURCE
    assert done.out.count("contacts.csv") == 1
    assert "✓ state" in done.out
    assert "✗ token" in done.out
