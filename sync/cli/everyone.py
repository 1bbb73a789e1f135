"""What is done for every account of a configuration folder, a few of them at a time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from sync.alerts import telling_outcome
from sync.api.claims import want_all
from sync.auth.vault import open_vault
from sync.cli.terminal import number, output, say, table
from sync.clock import utc_now
from sync.errors import ContactSyncError, ExitCode, urgency, worst
from sync.run import Run
from sync.settings import Accounts, Settings
from sync.state.stores import Stores
from sync.stop import Stop

_WELL = (ExitCode.DONE, ExitCode.DONE_WITH_REJECTS)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended with an account."""

    account: str
    exit_code: ExitCode
    message: str


def run_all(accounts: Accounts, *, dry_run: bool, wait: timedelta, stop: Stop) -> int:
    """Sync or plan every account, show what came of each, and return the worst exit code."""
    with closing(Stores()) as stores:
        if not dry_run:
            # Each of them has its share of today's requests, also the last one to begin.
            now = utc_now()
            want_all(stores, [(settings, now) for settings in accounts.settings.values()])
        run = partial(_run, stores=stores, dry_run=dry_run, wait=wait, stop=stop)
        ended = [
            Ended(name, error.exit_code, str(error)) for name, error in accounts.broken.items()
        ]
        for one in ended:
            _tell(one)
        for one in for_each(accounts, run):
            _tell(one)
            ended.append(one)
    _summarise(ended)
    return int(worst(each.exit_code for each in ended))


def for_each(accounts: Accounts, work: Callable[[Settings], _T]) -> Iterator[_T]:
    """Do it for each account whose configuration is right; what is done first comes first."""
    at_once = accounts.any_settings.worker.parallel_runs
    with ThreadPoolExecutor(at_once, thread_name_prefix="account") as pool:
        under_way = [pool.submit(work, settings) for settings in accounts.settings.values()]
        for done in as_completed(under_way):
            yield done.result()


def _run(
    settings: Settings, *, stores: Stores, dry_run: bool, wait: timedelta, stop: Stop
) -> Ended:
    name = settings.account.name
    try:
        stop.check()
        with stores.opened(settings) as store:
            run = Run(settings, store, open_vault(settings, store), stop=stop)
            if dry_run:
                recording = run.dry_run(wait=wait)
            else:
                with telling_outcome(settings, store, attended=output.is_terminal):
                    recording = run.sync(wait=wait)
    except ContactSyncError as error:
        return Ended(name, error.exit_code, str(error))
    except Exception as fault:  # noqa: BLE001 (a fault of ours with one account is no other's)
        structlog.get_logger().exception("fault", account=name)
        return Ended(name, ExitCode.BUG, f"A fault in contact-sync: {type(fault).__name__}.")
    return Ended(name, recording.exit_code, recording.message)


def _tell(ended: Ended) -> None:
    say(f"{ended.account}: {ended.message}", None if ended.exit_code in _WELL else "red")


def _summarise(ended: Sequence[Ended]) -> None:
    """The accounts that did not end well once more, the worst first, and how many did."""
    ill = [each for each in ended if each.exit_code not in _WELL]
    say()
    if ill:
        shown = table("account", "exit code", "what went wrong")
        for each in sorted(ill, key=lambda each: (urgency(each.exit_code), each.account)):
            shown.add_row(each.account, str(each.exit_code.value), each.message)
        output.print(shown)
    say(
        f"{number(len(ended), 'account')}: {len(ended) - len(ill):,} done, {len(ill):,} not.",
        "bold",
    )
