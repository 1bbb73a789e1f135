"""The feedback as a CSV file: written whole beside the old one, then put in its place."""

import os
from collections.abc import Iterable
from dataclasses import astuple, fields
from datetime import datetime
from pathlib import Path

from sync.errors import StateError
from sync.feedback.failure import FeedbackFailed
from sync.report.csv_file import CsvFile
from sync.state.feedback import Line


def write_file(path: Path, pages: Iterable[list[Line]]) -> None:
    """Put a new file in the place of the old one; raises FeedbackFailed, and leaves the old one."""
    fresh = path.with_name(f".{path.name}.new")
    heading = [field.name for field in fields(Line)]
    try:
        file = CsvFile(fresh, "feedback file", heading, advice="see to feedback.file and its disk")
        try:
            for page in pages:
                for line in page:
                    file.write([_cell(value) for value in astuple(line)])
        except BaseException:
            file.close(keep=False)
            raise
        file.close(keep=True)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
        fresh.replace(path)
    except StateError as error:
        raise FeedbackFailed(str(error)) from None
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise FeedbackFailed(
            f"The feedback file {path} can't be written: {error.strerror}; see to feedback.file."
        ) from None


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return "" if value is None else str(value)
