"""From the source's rows to staged contacts and rejects, chunk by chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sync.ahead import one_ahead
from sync.contact.canonical import fingerprint
from sync.contact.mapping import ColumnMapping
from sync.contact.merging import merged_body
from sync.contact.ownership import divided
from sync.contact.rules import Rules, rules_of
from sync.contact.suppression import Suppressed, read_suppressed
from sync.contact.validation import Checked, Severity, check
from sync.destination import Destination
from sync.progress import Progress
from sync.rejections import from_fault, from_problem
from sync.report.rejects import RejectsFile
from sync.settings import Settings
from sync.source import Chunk, ContactSource, open_source, suppressed_lines
from sync.state import staging
from sync.state.duplicates import Merged
from sync.state.store import Store
from sync.stop import Stop


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: `rejected` rows are among the `rows`, `withheld` ones among the rejected.

    `warnings` are single cells.
    """

    rows: int
    rejected: int
    withheld: int
    warnings: int


def open_configured(settings: Settings, *, since: str | None = None) -> ContactSource:
    """The configured source; `since` reads only what changed since then.

    Raises SourceError or ConfigurationError.
    """
    return open_source(settings.source, settings.source_password, since=since)


def configured_rules(settings: Settings) -> Rules:
    """The rules of a run, with the addresses that are never sent; raises SourceError."""
    lines = suppressed_lines(settings.suppression, settings.source, settings.source_password)
    suppressed = Suppressed()
    for origin, some in lines:
        suppressed = suppressed.with_others(read_suppressed(some, origin))
    return rules_of(settings, suppressed)


def load(
    run_id: int,
    source: ContactSource,
    mapping: ColumnMapping,
    rules: Rules,
    destination: Destination,
    rejects: RejectsFile,
    *,
    store: Store,
    progress: Progress,
    stop: Stop,
) -> Loaded:
    """Read the source to its end; each row is staged, or in the rejects file with its reason.

    Raises SourceError, StateError or StopRequested.
    """
    rows = rejected = withheld = warnings = 0
    for chunk, checked, contacts in one_ahead(_made_ready(source, mapping, rules)):
        stop.check()
        # What is lost with the machine is read again.
        with store.write(durable=False) as connection:
            lists = destination.list_sets(connection, contacts.lists.different)
            tags = destination.tag_sets(connection, contacts.tags.different)
            staging.stage(connection, run_id, contacts, lists, tags)
        for fault in chunk.faults:
            rejects.add(from_fault(fault))
        for problem in checked.problems:
            rejects.add(from_problem(problem, _key(chunk, rules.key_column, problem.row)))
            warnings += problem.severity is Severity.WARNING
        read = len(chunk.rows) + len(chunk.faults)
        rows += read
        rejected += read - len(checked.contacts)
        withheld += checked.withheld
        progress.advance(read)
    return Loaded(rows, rejected, withheld, warnings)


def _made_ready(
    source: ContactSource, mapping: ColumnMapping, rules: Rules
) -> Iterator[tuple[Chunk, Checked, staging.Ready]]:
    """The source's chunks, checked and made ready.

    All of it in one thread: it is many short steps, after each of which it would wait for the
    interpreter's lock. The database stages a chunk in few long ones, without that lock.
    """
    for chunk in source.chunks():
        checked = check(chunk, mapping, rules)
        yield chunk, checked, staging.ready(checked.contacts)


def merge_bodies(bodies: Sequence[str], owned: Sequence[str] = ()) -> Merged:
    """One contact of the rows of an address; `owned` are the fields that Constant Contact owns."""
    body, start = divided(merged_body(bodies), owned)
    encoded = body.encode()
    adds = 0 if start is None else len(start.encode()) - 1
    return Merged(body, len(encoded), fingerprint(encoded), start, adds)


def _key(chunk: Chunk, column: str | None, row: int) -> str:
    """What the company calls the row, when the configuration names the column."""
    if column is None:
        return ""
    return str(chunk.frame[column].iloc[int(np.searchsorted(chunk.rows, row))])
