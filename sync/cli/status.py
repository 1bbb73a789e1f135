"""`contact-sync status`."""

from contextlib import closing
from datetime import datetime

import typer

from sync.api.limits import used_today
from sync.auth.vault import PairStatus, open_vault
from sync.cli.options import AccountOption, ConfigOption, accounts_of
from sync.cli.terminal import number, output, say, table
from sync.clock import span, utc_now
from sync.errors import ContactSyncError
from sync.schedule import attempts_of, local_time, next_start
from sync.settings import Accounts, Settings
from sync.state import hosts, kept_plans
from sync.state.outbox import Outbox
from sync.state.runs import RunRecord, Runs, is_under_way
from sync.state.store import Store, open_store
from sync.state.stores import Stores
from sync.status.facts import Facts, Need, Standing, Unreadable, by_need, gather

_RUNS_SHOWN = 10


def command(
    context: typer.Context, config: ConfigOption = None, account: AccountOption = None
) -> None:
    """Show the last runs, the token, and the next run.

    Also how much of today's quota is used, and what waits in the outbox. Of a configuration folder:
    every account, those first that need a person.
    """
    accounts = accounts_of(context, config, account)
    if accounts.many:
        _show_all(accounts)
    else:
        _show_one(accounts.any_settings)


def _show_all(accounts: Accounts) -> None:
    standings: list[Standing] = [
        Unreadable(name, str(error)) for name, error in accounts.broken.items()
    ]
    with closing(Stores()) as stores:
        for name, settings in accounts.settings.items():
            try:
                with stores.opened(settings) as store:
                    standings.append(gather(settings, store, utc_now))
            except ContactSyncError as error:
                standings.append(Unreadable(name, str(error), Need.FAILING))
    needed = sum(not standing.well for standing in standings)
    say(
        f"{number(len(standings), 'account')}; for {needed or 'none'} of them a person is needed.",
        "yellow" if needed else "green",
    )
    shown = table("account", "last success (UTC)", "next (UTC)", "how it stands")
    for standing in by_need(standings):
        done, coming = "-", "-"
        if isinstance(standing, Facts):
            ended = standing.last_done.finished_at if standing.last_done else None
            done = f"{ended:%Y-%m-%d %H:%M}" if ended else "none yet"
            coming = f"{standing.next_start.at:%Y-%m-%d %H:%M}"
        told = ": ".join(filter(None, (standing.need.meaning, standing.trouble)))
        shown.add_row(standing.account, done, coming, told)
    output.print(shown)
    if accounts.any_settings.cluster.enabled:
        with open_store(accounts.any_settings) as store:
            show_hosts(store, utc_now())
    say("More of one of them: contact-sync status --account NAME")


def _show_one(settings: Settings) -> None:
    now = utc_now()
    with open_store(settings) as store:
        account = settings.account.name
        say(f"Account {account}, state in {store.address}")
        for line in _token_lines(open_vault(settings, store).status(), now):
            say(line)
        _show_next_run(settings, store, now)
        _show_quota(settings, store, now)
        _show_outbox(Outbox(store, account))
        _show_plan(store, account)
        show_hosts(store, now)
        runs = Runs(store, account).last(_RUNS_SHOWN)
        open_ended = bool(runs) and runs[0].finished_at is None
        _show_runs(runs, goes_on=open_ended and is_under_way(store, account))


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


def _show_next_run(settings: Settings, store: Store, now: datetime) -> None:
    account = settings.account.name
    start = next_start(settings.schedule, account, now, attempts_of(store, account))
    shown = local_time(settings.schedule, start.at)
    say(
        f"Next run: {shown:%Y-%m-%d %H:%M %Z}, in {span(start.at - now)}, {start.why}, if the "
        "worker is running"
    )


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


def _show_plan(store: Store, account: str) -> None:
    with store.read() as connection:
        plan = kept_plans.newest(connection, account, dry_runs=False)
    if plan is not None:
        say(
            f"Plan of run {plan.run_id} waits for a person: contact-sync plan show {plan.run_id}",
            "yellow",
        )


def show_hosts(store: Store, now: datetime) -> None:
    """Show the workers of a cluster, if there are any."""
    for host in hosts.present(store):
        silent = f"not heard of for {span(now - host.seen_at)}"
        doing = "; ".join(host.doing) or "waits for what is due"
        say(
            f"Host {host.name}, process {host.pid}, version {host.version}: "
            f"{silent if host.is_silent(now) else doing}"
        )


def _show_runs(runs: list[RunRecord], *, goes_on: bool) -> None:
    if not runs:
        say("No run yet; start one with contact-sync --run-now.")
        return
    shown = table("run", "began (UTC)", "took", "outcome")
    for place, run in enumerate(runs):
        took = span(run.finished_at - run.started_at) if run.finished_at else "-"
        now = "not finished" if goes_on and place == 0 else "killed, or ended with its machine"
        outcome = run.message or f"{now} (process {run.pid} on {run.host})"
        if run.counts.news:
            outcome += f" Newly seen there: {run.counts.news}."
        outcome = " ".join((outcome, *run.notes))
        shown.add_row(str(run.id), f"{run.started_at:%Y-%m-%d %H:%M:%S}", took, outcome)
    output.print(shown)
