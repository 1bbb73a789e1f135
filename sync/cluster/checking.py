"""What `contact-sync check` says of a cluster: its database, its queue, its hosts."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version

from sync.clock import span
from sync.cluster.queue import find_tables
from sync.cluster.worker import refuse_other_states
from sync.errors import ContactSyncError
from sync.settings import Accounts
from sync.state import hosts
from sync.state.hosts import Host
from sync.state.store import Store, open_store
from sync.surroundings import Finding


def findings(accounts: Accounts, now: datetime) -> Iterator[Finding]:
    """Each thing that a cluster needs besides its accounts; nothing is made there."""
    settings = accounts.any_settings
    try:
        refuse_other_states(accounts, settings.state_url)
        with open_store(settings) as store:
            yield Finding("database", f"PostgreSQL, one for all accounts: {store.address}")
            yield _queue(store)
            yield from _hosts(hosts.present(store), now)
    except ContactSyncError as error:
        yield Finding("database", str(error), error.exit_code)


def _queue(store: Store) -> Finding:
    try:
        there = find_tables(store)
    except ContactSyncError as error:
        return Finding("queue", str(error), error.exit_code)
    told = "its tables are there" if there else "the first worker that starts makes its tables"
    return Finding("queue", told)


def _hosts(present: Sequence[Host], now: datetime) -> Iterator[Finding]:
    if not present:
        yield Finding(
            "hosts",
            "no worker is there, so nothing runs by itself: start one on each host with systemctl "
            "enable --now contact-sync@1, or with contact-sync alone.",
            warning=True,
        )
    for host in present:
        worker = f"{host.name}, process {host.pid}"
        if host.is_silent(now):
            yield Finding(
                "hosts",
                f"{worker}, was not heard of for {span(now - host.seen_at)}: it has died, or is "
                "cut off from the database. Others have its accounts, if there are any; see to "
                f"{host.name}. After a day it is forgotten.",
                warning=True,
            )
        elif host.version != version("contact-sync"):
            yield Finding(
                "hosts",
                f"{worker}, has version {host.version}, and this is {version('contact-sync')}: "
                "update all of them before the next restart.",
                warning=True,
            )
        else:
            yield Finding("hosts", f"{worker}, works since {host.began_at:%Y-%m-%d %H:%M} UTC")
