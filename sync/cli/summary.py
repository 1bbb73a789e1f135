"""The table at the end of a run."""

from rich.table import Table

from sync.cli.terminal import number, output, say, table
from sync.recording import Recording
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
    if recording.resumed:
        say(f"Settled first: {number(recording.resumed, 'contact')} of an interrupted run.")
    say(recording.message, "bold")
    if recording.record and recording.record.rejects:
        say(f"Rejects: {recording.record.rejects}")
    if recording.record and recording.record.report:
        say(f"Report:  {recording.record.report}")


def show_stopped(run: RunRecord) -> None:
    """Print what a run had found in the source when the guard stopped it."""
    say()
    output.print(_rows_table(run.counts, "", sent=False, partial=False))
    if run.report:
        say(f"Report:  {run.report}")


def _rows_table(counts: Counts, source: str, *, sent: bool, partial: bool) -> Table:
    table = Table(title=source or None, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_row("rows read", f"{counts.rows_read:,}", style="bold")
    table.add_row("= new", f"{counts.new:,}")
    table.add_row("+ changed", f"{counts.changed:,}")
    table.add_row("+ unchanged", f"{counts.unchanged:,}")
    parts = ((counts.opted_out, "opted out"), (counts.withheld, "not allowed to be sent"))
    told = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    of_these = f" ({told})" if told else ""
    table.add_row(f"+ rejected{of_these}", f"{counts.rejected:,}")
    table.add_row("+ duplicates", f"{counts.duplicates:,}", end_section=True)
    if sent:
        table.add_row("confirmed by Constant Contact", f"{counts.confirmed:,}")
        table.add_row("refused by Constant Contact", f"{counts.refused:,}")
    if not partial:
        table.add_row("no longer in the source, kept there", f"{counts.gone:,}")
    table.add_row("API requests", f"{counts.requests:,}")
    return table


def _reasons_table(recording: Recording) -> Table:
    shown = table("kind", "reason", "count", "for example")
    shown.columns[2].justify = "right"
    for (kind, code), count in sorted(recording.rejects.reasons.items()):
        sample = recording.rejects.samples[(kind, code)][0]
        shown.add_row(kind.value, code, f"{count:,}", f"row {sample.row}: {sample.reason}")
    return shown
