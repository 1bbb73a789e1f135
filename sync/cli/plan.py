"""`contact-sync plan`: looking at a plan that waits, and going on with it."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sync.approving import group_names
from sync.cli.opened import WaitOption, opened_run
from sync.cli.options import EXIT_CODES, AccountOption, ConfigOption, settings_of
from sync.cli.summary import show_counts, show_forecast, show_stopped, show_summary
from sync.cli.terminal import number, output, say, table
from sync.clock import utc_now
from sync.contact.remote import place_of
from sync.errors import UsageError
from sync.outlook import outlook_of
from sync.report.plan_csv import write_plan
from sync.settings import Settings
from sync.state import kept_plans
from sync.state.kept_plans import KeptPlan
from sync.state.planned import FieldChange, GroupNames, PlannedChange, What, planned
from sync.state.runs import Runs
from sync.state.store import Store, open_store

_SAMPLES = 3

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Look at a plan that was stopped, and approve it.",
)


@app.command("show", short_help="Show what a plan would do, and why.", epilog=EXIT_CODES)
def show_command(
    context: typer.Context,
    run: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="The run that planned. Default: the newest plan."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write every contact of the plan to a file."),
    ] = None,
    config: ConfigOption = None,
    account: AccountOption = None,
) -> None:
    """Show why a plan was stopped and what it would do, with some samples.

    A dry run's plan can be looked at as well. The file has a line for each contact that is new,
    changed, opted out or gone: its address, the fields with their old and new values, and the lists
    and tags before and after.
    """
    settings = settings_of(context, config, account)
    with open_store(settings) as store:
        _show(settings, store, _plan(settings, store, run), csv)


@app.command("approve", short_help="Go on with a plan that the guard stopped.", epilog=EXIT_CODES)
def approve_command(
    context: typer.Context,
    run: Annotated[int, typer.Argument(metavar="N", help="The run that planned.")],
    config: ConfigOption = None,
    account: AccountOption = None,
    wait: WaitOption = 0,
) -> None:
    """Go on with a plan that the guard has stopped, exactly as it was made.

    Whoever unsubscribed, was deleted or left the lists since is left out; nobody is added.
    """
    with opened_run(settings_of(context, config, account)) as carried_out:
        recording = carried_out.approve(run, wait=timedelta(minutes=wait))
    show_summary(recording)
    raise typer.Exit(recording.exit_code)


def show_stopped_run(settings: Settings, store: Store) -> None:
    """Print what the last run had found in the source when the guard stopped it."""
    run = Runs(store, settings.account.name).last(1)[0]
    with store.read() as connection:
        kept = kept_plans.find(connection, settings.account.name, run.id)
    cost = outlook_of(settings, store, kept, run.counts, utc_now()) if kept else None
    show_stopped(run, cost)


def _plan(settings: Settings, store: Store, run: int | None) -> KeptPlan:
    account = settings.account.name
    with store.read() as connection:
        if run is None:
            found = kept_plans.newest(connection, account, dry_runs=True)
        else:
            found = kept_plans.find(connection, account, run)
    if found is None:
        which = "No plan waits" if run is None else f"There is no plan of a run {run}"
        raise UsageError(
            f"{which}: one is kept when the guard has stopped a run, and after each --dry-run."
        )
    if found.settled_by is not None:
        become = "was approved as" if found.approved else "has been replaced by that of"
        raise UsageError(
            f"The plan of run {run} is not there any more: it {become} run {found.settled_by}."
        )
    return found


def _show(settings: Settings, store: Store, plan: KeptPlan, csv: Path | None) -> None:
    made_by = Runs(store, settings.account.name).find(plan.run_id)
    if made_by is None:
        raise UsageError(f"The record of run {plan.run_id} is not there any more.")
    say(f"Plan of run {plan.run_id}, {made_by.started_at:%Y-%m-%d %H:%M} UTC, of {plan.source}")
    say(made_by.message, "bold")
    show_counts(made_by.counts)
    names, account = group_names(settings, store, plan), settings.account.name
    for what in What:
        _show_samples(account, store, plan, what, names)
    show_forecast(outlook_of(settings, store, plan, made_by.counts, utc_now()))
    if csv is not None:
        with store.read() as connection:
            changes = (
                change
                for what in What
                for change in planned(
                    connection, account, plan.staged_as, what, names, place_of=place_of
                )
            )
            count = write_plan(csv, changes)
        say(f"All of it: {csv} ({number(count, 'contact')})")


def _show_samples(
    account: str, store: Store, plan: KeptPlan, what: What, names: GroupNames
) -> None:
    with store.read() as connection:
        changes = list(
            planned(
                connection,
                account,
                plan.staged_as,
                what,
                names,
                place_of=place_of,
                limit=_SAMPLES,
            )
        )
    if not changes:
        return
    shown = table(f"{what}, for example", "fields", "lists")
    for change in changes:
        shown.add_row(change.email, "\n".join(map(_field, change.fields)), _lists(change))
    output.print(shown)


def _field(change: FieldChange) -> str:
    if change.old is None:
        return f"{change.name}: {change.new}"
    return f"{change.name}: {change.old} → {change.new or '(empty)'}"


def _lists(change: PlannedChange) -> str:
    before, after = ", ".join(change.lists_before), ", ".join(change.lists_after)
    return after if before == after or not before else f"{before} → {after or '(none)'}"
