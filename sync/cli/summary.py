"""The table at the end of a run."""

from rich.table import Table

from sync.cli.terminal import number, output, say, table
from sync.outlook import Outlook
from sync.recording import Recording
from sync.report.changes import beyond_imports
from sync.report.drift import DriftFile
from sync.state.runs import Counts, RunRecord


def show_summary(recording: Recording) -> None:
    """Print what became of each row, why, and where to read more."""
    counts = recording.counts
    say()
    output.print(
        _rows_table(counts, recording.source, sent=not recording.dry_run, partial=recording.partial)
    )
    if not counts.balanced:
        say("The counts do not add up: this is a fault in contact-sync, please report it.", "red")
    if recording.rejects.reasons:
        output.print(_reasons_table(recording))
    _show_drift(recording.drift)
    if recording.offline:
        say(
            "Planned without Constant Contact, since there is no valid access token: who "
            "unsubscribed meanwhile is not known."
        )
    if recording.dry_run and recording.batches:
        say(
            f"A sync would send {number(recording.batches, 'import')} with "
            f"{number(recording.payload_bytes, 'byte')}."
        )
    if recording.dry_run and recording.outlook:
        show_forecast(recording.outlook)
    if recording.resumed:
        say(f"Settled first: {number(recording.resumed, 'contact')} of an interrupted run.")
    if counts.news:
        say(f"Newly seen there: {counts.news}.")
    for note in recording.notes:
        say(note, "yellow")
    say(recording.message, "bold")
    _show_files(recording)


def show_verified(recording: Recording) -> None:
    """Print what was found otherwise than sent, and where to read more."""
    say()
    _show_drift(recording.drift)
    say(recording.message, "bold")
    _show_files(recording)


def show_stopped(run: RunRecord, outlook: Outlook | None = None) -> None:
    """Print what a run had found in the source when the guard stopped it."""
    say()
    show_counts(run.counts)
    if outlook:
        show_forecast(outlook)
    if run.report:
        say(f"Report:  {run.report}")


def show_counts(counts: Counts) -> None:
    """Print what a plan makes of the rows."""
    output.print(_rows_table(counts, "", sent=False, partial=False))


def show_forecast(outlook: Outlook) -> None:
    """Print what a plan will cost."""
    cost = outlook.forecast
    takes = "as one is assumed to take" if cost.assumed else "as the last ones took"
    minutes = max(1, round(cost.duration.total_seconds() / 60))
    billable = f"{cost.billable:+,}" if cost.billable else "as many as now"
    say(
        f"Forecast: about {number(cost.calls, 'API request')} ({cost.reading:,} to read, "
        f"{cost.imports:,} imports, {cost.polls:,} to confirm, {cost.changes:,} for other changes) "
        f"of the {outlook.rest:,} left today; about {number(minutes, 'minute')}, {takes}; active "
        f"(billed) contacts: {billable} at most."
    )
    if cost.calls > outlook.rest:
        say("That is more than is left today: the rest follows after 00:00 UTC.", "yellow")


def _show_files(recording: Recording) -> None:
    if recording.record and recording.record.rejects:
        say(f"Rejects: {recording.record.rejects}")
    if recording.record and recording.record.report:
        say(f"Report:  {recording.record.report}")


def _show_drift(drift: DriftFile | None) -> None:
    if drift is None or not drift.by_field:
        return
    shown = table("field", "count", "for example", "here", "there", "what was done")
    shown.columns[1].justify = "right"
    for field, count in sorted(drift.by_field.items()):
        sample = drift.samples[field][0]
        shown.add_row(
            field, f"{count:,}", sample.address, sample.ours, sample.theirs, sample.done.value
        )
    output.print(shown)
    say(f"Drift:   {drift.path}")


def _rows_table(counts: Counts, source: str, *, sent: bool, partial: bool) -> Table:
    table = Table(title=source or None, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_row("rows read", f"{counts.rows_read:,}", style="bold")
    table.add_row("= new", f"{counts.new:,}")
    new_address = f" ({counts.readdressed:,} by a new address)" if counts.readdressed else ""
    table.add_row(f"+ changed{new_address}", f"{counts.changed:,}")
    table.add_row("+ unchanged", f"{counts.unchanged:,}")
    parts = ((counts.opted_out, "opted out"), (counts.withheld, "not allowed to be sent"))
    told = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    of_these = f" ({told})" if told else ""
    table.add_row(f"+ rejected{of_these}", f"{counts.rejected:,}")
    table.add_row("+ duplicates", f"{counts.duplicates:,}", end_section=True)
    if sent:
        table.add_row("confirmed by Constant Contact", f"{counts.confirmed:,}")
        table.add_row("refused by Constant Contact", f"{counts.refused:,}")
    elif counts.refused:
        table.add_row("refused before by Constant Contact", f"{counts.refused:,}")
    for what, count in beyond_imports(counts, done=sent, whole=not partial):
        table.add_row(what, f"{count:,}")
    table.add_row("API requests", f"{counts.requests:,}")
    return table


def _reasons_table(recording: Recording) -> Table:
    shown = table("kind", "reason", "count", "for example")
    shown.columns[2].justify = "right"
    for (kind, code), count in sorted(recording.rejects.reasons.items()):
        sample = recording.rejects.samples[(kind, code)][0]
        shown.add_row(kind.value, code, f"{count:,}", f"row {sample.row}: {sample.reason}")
    return shown
