"""From the source's rows to staged contacts and rejects, chunk by chunk."""

from dataclasses import dataclass

import pandas as pd

from sync.contact.mapping import ColumnMapping
from sync.contact.validation import Severity, check
from sync.destination import Destination
from sync.progress import Progress
from sync.rejections import from_fault, from_problem
from sync.report.rejects import RejectsFile
from sync.settings import Settings
from sync.source.csv_file import CsvSource
from sync.state import staging
from sync.state.store import Store
from sync.stop import Stop


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: `rejected` rows are among the `rows`, `warnings` are single cells."""

    rows: int
    rejected: int
    warnings: int


def load(
    run_id: int,
    source: CsvSource,
    mapping: ColumnMapping,
    destination: Destination,
    rejects: RejectsFile,
    *,
    settings: Settings,
    store: Store,
    progress: Progress,
    stop: Stop,
) -> Loaded:
    """Read the source to its end; each row is staged, or in the rejects file with its reason.

    Raises SourceError, StateError or StopRequested.
    """
    rows = rejected = warnings = 0
    for chunk in source.chunks():
        stop.check()
        checked = check(chunk, mapping, settings.mapping, settings.lists)
        with store.write() as connection:
            names = _list_names(checked.contacts)
            staging.stage(
                connection,
                run_id,
                checked.contacts,
                names,
                destination.list_sets(connection, set(names)),
            )
        for fault in chunk.faults:
            rejects.add(from_fault(fault))
        for problem in checked.problems:
            rejects.add(from_problem(problem))
            warnings += problem.severity is Severity.WARNING
        read = len(chunk.rows) + len(chunk.faults)
        rows += read
        rejected += read - len(checked.contacts)
        progress.advance(read)
    return Loaded(rows, rejected, warnings)


def _list_names(contacts: pd.DataFrame) -> list[str | None]:
    names = contacts["list_name"].astype(object)
    return names.where(names.notna(), None).tolist()
