"""Logging: readable on a terminal, one JSON object a line elsewhere; always on standard error."""

import logging
import sys

import structlog


def configure_logging(*, verbose: bool, quiet: bool = False) -> None:
    """Set the format and the level: warnings when quiet, everything when verbose, else info."""
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    terminal = sys.stderr.isatty()
    # Tracebacks without the values of local variables, which may be secrets.
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
