"""Removing what is older than it is kept."""

from datetime import datetime, timedelta
from pathlib import Path

import structlog

# The names of what runs leave, so that nothing else in the folder is touched.
_OURS = ("*-run-[0-9]*.html", "*-run-[0-9]*-rejects.csv", "*-run-[0-9]*-drift.csv")
_log = structlog.get_logger()


def remove_old(folder: Path, keep_days: int, now: datetime) -> None:
    """Remove reports and rejects files that were written more than `keep_days` ago.

    One that can't be removed is a warning, and no run's failure.
    """
    oldest = (now - timedelta(days=keep_days)).timestamp()
    for pattern in _OURS:
        for file in folder.glob(pattern):
            _remove_when_older(file, oldest)


def _remove_when_older(file: Path, oldest: float) -> None:
    try:
        if file.stat().st_mtime < oldest:
            file.unlink()
    except FileNotFoundError:
        return  # another run's cleaning was faster
    except OSError as error:
        _log.warning("an old report can't be removed", file=str(file), reason=error.strerror)
