"""What a person sees while a run goes on: on a terminal, and where there is none."""

import os
import pty
import re
import struct
import subprocess
import termios
from dataclasses import replace
from datetime import timedelta
from fcntl import ioctl

from sync.errors import ExitCode
from sync.sandbox import Sandbox
from tests.integration.main_road.conftest import MakeOffice
from tests.integration.main_road.office import Office

COLUMNS = 80
PEOPLE = 900


def on_a_terminal(office: Office, *arguments: str) -> tuple[int, list[str]]:
    """Run the program on a terminal of 80 columns; every line that it ever showed."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        office.command(*arguments),
        env=office.variables({"TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the program has closed its side
            break
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown.decode())
    text = re.sub(r"\n+(?=\S)", "\n", plain)
    return process.wait(timeout=60), re.split(r"[\r\n]+", text)


def people(first: str) -> str:
    rows = "".join(f"p{n}@example.com,{first},{n}\n" for n in range(PEOPLE))
    return f"email,first name,group\n{rows}"


def test_a_terminal_shows_what_how_many_how_fast_and_how_long_still(
    make_office: MakeOffice, sandbox: Sandbox
) -> None:
    office = make_office(api=["batch_contacts = 100", "batches_in_flight = 1"])
    office.authorize()
    office.contacts.write_text(people("Ada"))
    sandbox.settings = replace(sandbox.settings, processing_time=timedelta(seconds=0.5))
    code, lines = on_a_terminal(office, "--run-now")
    assert code == ExitCode.DONE, lines
    joined = re.sub(r"\s+", " ", " ".join(lines))
    assert re.search(r"Sending and confirming \S* ?\S* ?[1-9]\d* of 900, [\d,]+/s", joined), joined
    assert re.search(r"\d of 900, [\d,]+/s \d\d:\d\d", joined), "how long still"
    assert "900 of 900" in joined
    assert max(len(line) for line in lines if "━" in line or "of 900" in line) <= COLUMNS


def test_without_a_terminal_each_step_is_a_plain_line(office: Office) -> None:
    office.contacts.write_text(people("Ada"))
    assert office.run("--run-now").code == ExitCode.DONE
    office.contacts.write_text(people("Grace"))
    office.configure(guard="max_changed_percent = 100")
    done = office.run("--run-now")
    assert done.code == ExitCode.DONE, done.err
    assert "\nSending and confirming (900 contacts)\n" in done.out
    assert "\x1b" not in done.out
