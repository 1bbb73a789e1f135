"""Logging, always on standard error, in the form that its reader wants.

A person at a terminal reads lines; the journal gets a line with its priority, since it keeps the
time and the unit itself; anything else gets one JSON object a line. What libraries log through
Python's own logging goes the same way.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableSequence
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# syslog(3)'s numbers, as sd-daemon(3) has them at a line's begin.
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def configure_logging(*, verbose: bool, quiet: bool = False) -> None:
    """Set the format and the level: warnings when quiet, everything when verbose, else info."""
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    rendering = _rendering(sys.stderr, os.environ)
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(common, rendering)


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written there goes to the journal (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        file = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


def _rendering(stream: TextIO, environment: Mapping[str, str]) -> list[Processor]:
    """The last processors. Tracebacks are without local variables, which may be secrets."""
    if stream.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    if is_journal(stream, environment):
        return [structlog.processors.format_exc_info, _for_journal]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _for_journal(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """The event, then what belongs to it; each line with the priority."""
    event.pop("timestamp", None)
    priority = _PRIORITIES.get(event.pop("level", "info"), _PRIORITIES["info"])
    traceback = event.pop("exception", None)
    said = str(event.pop("event", ""))
    more = [f"{name}={_word(value)}" for name, value in sorted(event.items())]
    text = " ".join((said, *more)) + (f"\n{traceback}" if traceback else "")
    return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def _word(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(character in text for character in ' "=\n') else text


class _Libraries(logging.StreamHandler[TextIO]):
    """What libraries log."""


def _configure_libraries(
    common: MutableSequence[Processor], rendering: MutableSequence[Processor]
) -> None:
    """Only warnings and worse, also when verbose: else urllib3 tells addresses that are secret."""
    handler = _Libraries(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each, _Libraries)]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
