"""`contact-sync status`."""

from datetime import datetime

import typer

from sync.api.limits import used_today
from sync.auth.vault import PairStatus, open_vault
from sync.check import span
from sync.cli.options import ConfigOption, settings_of
from sync.cli.terminal import number, output, say, table
from sync.clock import utc_now
from sync.schedule import next_run
from sync.settings import Settings
from sync.state.outbox import Outbox
from sync.state.runs import RunRecord, Runs
from sync.state.store import Store, open_store

_RUNS_SHOWN = 10


def command(context: typer.Context, config: ConfigOption = None) -> None:
    """Show the last runs, the token, and the next run.

    Also how much of today's quota is used, and what waits in the outbox.
    """
    settings = settings_of(context, config)
    now = utc_now()
    with open_store(settings) as store:
        account = settings.account.name
        say(f"Account {account}, state in {store.address}")
        for line in _token_lines(open_vault(settings, store).status(), now):
            say(line)
        _show_next_run(settings, now)
        _show_quota(settings, store, now)
        _show_outbox(Outbox(store, account))
        _show_runs(Runs(store, account).last(_RUNS_SHOWN))


def _token_lines(status: PairStatus, now: datetime) -> list[str]:
    lines = [*_pair_lines(status, now)]
    if status.problem:
        lines.append(f"       {status.problem}")
    if status.warning:
        lines.append(f"       {status.warning}")
    if status.refresh_in_flight_since is not None:
        lines.append(
            f"       a refresh began at {status.refresh_in_flight_since:%Y-%m-%d %H:%M} UTC and "
            "isn't finished; the next start settles it"
        )
    if status.rescued_pair_waits:
        lines.append(
            "       a renewed pair waits in the rescue file, since the database could not be "
            "written; the next start takes it in"
        )
    return lines


def _pair_lines(status: PairStatus, now: datetime) -> list[str]:
    if not status.exists or status.issued_at is None or status.expires_at is None:
        return ["Token: none yet; run contact-sync authorize."]
    left = status.expires_at - now
    life = f"expires in {span(left)}" if left.total_seconds() > 0 else "expired"
    lines = [
        f"Token: access token of {status.issued_at:%Y-%m-%d %H:%M} UTC, "
        f"{span(now - status.issued_at)} old, {life}; generation {status.generation}"
    ]
    dies = status.refresh_token_dies_at
    if dies is not None and status.lost_at is None:
        days = max(0, (dies - now).days)
        lines.append(
            f"       refresh token good until {dies:%Y-%m-%d} ({days} days) if it is not used "
            "before; each refresh starts the 180 days anew"
        )
    return lines


def _show_next_run(settings: Settings, now: datetime) -> None:
    due = next_run(settings.schedule, now)
    say(f"Next run: {due:%Y-%m-%d %H:%M %Z}, in {span(due - now)}, if the worker is running")


def _show_quota(settings: Settings, store: Store, now: datetime) -> None:
    used = used_today(store, settings.oauth.client_id, now)
    say(f"Quota: {used:,} of {settings.api.requests_per_day:,} requests used this UTC day")


def _show_outbox(outbox: Outbox) -> None:
    waiting = outbox.open()
    if waiting:
        contacts = sum(entry.contacts for entry in waiting)
        say(
            f"Outbox: {number(len(waiting), 'import')} with {number(contacts, 'contact')} to be "
            "confirmed"
        )


def _show_runs(runs: list[RunRecord]) -> None:
    if not runs:
        say("No run yet; start one with contact-sync --run-now.")
        return
    shown = table("run", "began (UTC)", "took", "outcome")
    for run in runs:
        took = span(run.finished_at - run.started_at) if run.finished_at else "-"
        outcome = run.message or f"not finished (process {run.pid} on {run.host})"
        shown.add_row(str(run.id), f"{run.started_at:%Y-%m-%d %H:%M:%S}", took, outcome)
    output.print(shown)
