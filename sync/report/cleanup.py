"""Removing what is older than it is kept."""

from datetime import datetime, timedelta
from pathlib import Path

# The names of reports and rejects files, so that nothing else in the folder is touched.
_OURS = ("*-run-[0-9]*.html", "*-run-[0-9]*-rejects.csv")


def remove_old(folder: Path, keep_days: int, now: datetime) -> None:
    """Remove reports and rejects files that were written more than `keep_days` ago."""
    oldest = (now - timedelta(days=keep_days)).timestamp()
    for pattern in _OURS:
        for file in folder.glob(pattern):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
