"""From the configuration to the source that it names."""

from pathlib import Path

from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Source, Suppression
from sync.source.chunk import ContactSource
from sync.source.csv_file import CsvSource
from sync.source.files import find_files
from sync.source.packed import ZIP, is_workbook, magic
from sync.source.several import FileSource, Part
from sync.source.text_stream import unreadable
from sync.source.workbook import WorkbookSource

_PARQUET = b"PAR1"


def open_source(
    options: Source, password: str | None = None, *, since: str | None = None
) -> ContactSource:
    """Open the configured source and read its header.

    Args:
        options: What is configured.
        password: The database's, when it is not in its address.
        since: What an earlier run's source had as `newest`: read only what changed since.

    Raises:
        SourceError: it is missing, unreadable, empty, too old, or of no kind that can be read.
        ConfigurationError: the driver is missing, or an option fits no source.
    """
    if options.url is not None:
        # Without a database SQLAlchemy's engines need not be loaded.
        from sync.source.database import DatabaseSource

        return DatabaseSource(options, password, since=since)
    files = find_files(options)
    return FileSource(tuple(Part(file, _open_file(file.path, options)) for file in files))


def suppressed_lines(
    suppression: Suppression, options: Source, password: str | None = None
) -> list[tuple[str, list[str]]]:
    """The lines of each configured list of who is never sent, with the list's name.

    Raises:
        SourceError: one can't be read; nothing may be sent then.
    """
    found: list[tuple[str, list[str]]] = []
    if suppression.path is not None:
        found.append((str(suppression.path), _lines(suppression.path)))
    if suppression.query is not None:
        from sync.source.database import read_column

        found.append(("suppression.query", read_column(options, password, suppression.query)))
    return found


def _open_file(path: Path, options: Source) -> ContactSource:
    start = magic(path)
    if start.startswith(_PARQUET):
        # Without such a file Arrow's part for them need not be loaded.
        from sync.source.parquet import ParquetSource

        return ParquetSource(path, options)
    if start.startswith(ZIP) and is_workbook(path):
        return WorkbookSource(path, options)
    if options.sheet is not None:
        raise ConfigurationError(f"source.sheet is for Excel workbooks, and {path} is none.")
    return CsvSource(path, options)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SourceError(
            f"The suppression list can't be read, so nothing is sent: {unreadable(path, error)}"
        ) from error
    except UnicodeDecodeError:
        raise SourceError(
            f"The suppression list {path} is not UTF-8 text, so nothing is sent."
        ) from None
