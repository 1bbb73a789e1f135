"""The log in the form that its reader wants, with nothing of libraries lost or told too much."""

import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, os, sys, warnings, structlog
if sys.argv[1] == "journal":
    file = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{file.st_dev}:{file.st_ino}"
from sync.logs import configure_logging
configure_logging(verbose="verbose" in sys.argv)
structlog.contextvars.bind_contextvars(run=7, account="default", step="Reading")
log = structlog.get_logger()
log.info("step ended", seconds=1.5)
log.debug("request")
log.error("sync failed", reason="It is down.\\nReally.")
logging.getLogger("urllib3.connectionpool").debug("GET /secret-path")
logging.getLogger("apscheduler").warning("a job is late")
warnings.warn("an old call", stacklevel=1)
try:
    secret = "s3cret"
    raise ValueError("broken")
except ValueError:
    log.exception("fault")
"""
ROOT = Path(__file__).parents[2]


def log(*arguments: str, stderr: int = subprocess.PIPE) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JOURNAL_STREAM": "1:1"},
        text=True,
        check=True,
    )
    return done.stderr or ""


def test_elsewhere_each_line_is_an_object_with_all_that_belongs_to_it() -> None:
    lines = [json.loads(line) for line in log("file").splitlines()]
    step, failed, late, old, fault = lines
    belonging = {"run": 7, "account": "default", "step": "Reading"}
    assert step.items() >= {**belonging, "event": "step ended", "seconds": 1.5}.items()
    assert failed["reason"] == "It is down.\nReally."
    assert (
        late.items()
        >= {
            **belonging,
            "event": "a job is late",
            "level": "warning",
            "logger": "apscheduler",
        }.items()
    )
    assert "an old call" in old["event"]
    assert "ValueError: broken" in fault["exception"]
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_the_journal_gets_each_line_with_its_priority() -> None:
    lines = log("journal").splitlines()
    assert lines[0] == "<6>step ended account=default run=7 seconds=1.5 step=Reading"
    assert lines[1].endswith("reason='It is down.\\nReally.' run=7 step=Reading")
    assert lines[2].startswith("<4>a job is late")
    assert all(line.startswith(("<3>", "<4>", "<6>")) for line in lines)
    assert lines[-1] == "<3>ValueError: broken"


def test_a_terminal_gets_lines_for_people() -> None:
    ours, theirs = pty.openpty()
    log("terminal", stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "step ended" in shown
    assert "{" not in shown


@pytest.mark.parametrize("where", ["file", "journal"])
def test_even_verbose_it_tells_no_address_and_no_value_of_a_variable(where: str) -> None:
    text = log(where, "verbose")
    assert "request" in text
    assert "secret" not in text.replace('secret = "s3cret"', "")
    assert "s3cret" not in text


def test_configuring_it_twice_tells_nothing_twice() -> None:
    from sync.logs import configure_logging

    before = logging.getLogger().handlers[:]
    try:
        configure_logging(verbose=False)
        once = len(logging.getLogger().handlers)
        configure_logging(verbose=True)
        assert len(logging.getLogger().handlers) == once
    finally:
        logging.getLogger().handlers = before
        logging.captureWarnings(capture=False)
