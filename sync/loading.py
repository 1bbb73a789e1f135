"""From the source's rows to staged contacts and rejects, chunk by chunk."""

from collections.abc import Sequence
from dataclasses import dataclass

from sync import memory
from sync.ahead import one_ahead
from sync.contact.canonical import fingerprint
from sync.contact.findings import Severity
from sync.contact.mapping import ColumnMapping
from sync.contact.merging import merged_body
from sync.contact.ownership import divided
from sync.contact.rules import Rules, rules_of
from sync.contact.suppression import Suppressed, read_suppressed
from sync.destination import Destination
from sync.progress import Progress
from sync.rechecking import Piece, pieces
from sync.rejections import from_fault, from_problem
from sync.report.rejects import Entry, RejectsFile
from sync.settings import Settings
from sync.source import ContactSource, open_source, suppressed_lines
from sync.state.checked_rows import CheckedRows
from sync.state.duplicates import Merged
from sync.state.staging import Ready, Staging, little_memory
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
    checked_rows: CheckedRows | None,
    store: Store,
    progress: Progress,
    stop: Stop,
) -> Loaded:
    """Read the source to its end; each row is staged, or in the rejects file with its reason.

    Rows that are among the `checked_rows` of the last reading are not checked again; None when not
    the whole source is read. Raises SourceError, StateError or StopRequested.
    """
    rows = rejected = withheld = warnings = 0
    with store.read() as connection:
        staging = Staging(connection, run_id)
    # Checked and made ready in one thread: it is many short steps, after each of which it would
    # wait for the interpreter's lock. The database stages in few long ones, without that lock.
    for piece in one_ahead(pieces(source, mapping, rules, checked_rows)):
        stop.check()
        staged = _stage(staging, piece, destination, checked_rows, store)
        for entry in _told(piece):
            rejects.add(entry)
        warnings += sum(problem.severity is Severity.WARNING for problem in piece.problems)
        rows += len(piece)
        rejected += len(piece) - staged
        withheld += piece.withheld
        progress.advance(len(piece))
    if checked_rows is not None:
        with store.write() as connection:
            checked_rows.finish(connection)
    memory.give_back()
    return Loaded(rows, rejected, withheld, warnings)


def _stage(
    staging: Staging,
    piece: Piece,
    destination: Destination,
    checked_rows: CheckedRows | None,
    store: Store,
) -> int:
    """Stage the contacts of a piece, and keep what they came to; returns how many they are."""
    # What is lost with the machine is read again.
    with store.write(durable=False) as connection, little_memory(connection):

        def stage(contacts: Ready) -> int:
            lists = destination.list_sets(connection, contacts.lists.different)
            tags = destination.tag_sets(connection, contacts.tags.different)
            return staging.add(connection, contacts, lists, tags)

        known, contacts, rows = piece.known, piece.contacts, piece.rows
        if known is not None:
            stage(known.contacts(rows))
        first_body = 0 if contacts is None else stage(contacts)
        if checked_rows is not None and contacts is not None and piece.lines is not None:
            checked_rows.keep(connection, int(rows[0]), known, piece.lines, contacts, first_body)
        elif checked_rows is not None and known is not None:
            checked_rows.use(known, rows)
    return len(contacts or ()) + len(known or ())


def merge_bodies(bodies: Sequence[str], owned: Sequence[str] = ()) -> Merged:
    """One contact of the rows of an address; `owned` are the fields that Constant Contact owns."""
    body, start = divided(merged_body(bodies), owned)
    encoded = body.encode()
    adds = 0 if start is None else len(start.encode()) - 1
    return Merged(body, len(encoded), fingerprint(encoded), start, adds)


def _told(piece: Piece) -> list[Entry]:
    """What is told of a piece's rows, in their order."""
    faults = [from_fault(fault) for fault in piece.faults]
    problems = [from_problem(each, piece.keys.get(each.row, "")) for each in piece.problems]
    return sorted(faults + problems, key=lambda entry: entry.row)
