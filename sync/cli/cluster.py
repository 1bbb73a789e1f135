"""What the commands do in a cluster: `contact-sync` without a command, and a part of `check`."""

from collections.abc import Callable, Iterator
from contextlib import closing

from sync.clock import utc_now
from sync.errors import ConfigurationError
from sync.service_manager import ServiceManager
from sync.settings import Accounts
from sync.state.stores import Stores
from sync.surroundings import Finding


def work(accounts: Accounts, reread: Callable[[], Accounts]) -> None:
    """Be a worker of the cluster until it is stopped."""
    try:
        from sync.cluster import ClusterWorker, refuse_other_states
    except ModuleNotFoundError as missing:
        raise _extra(missing) from None
    settings = accounts.any_settings
    refuse_other_states(accounts, settings.state_url)
    with closing(Stores()) as stores, stores.opened(settings) as store:
        worker = ClusterWorker(accounts, stores, store, reread=reread, manager=ServiceManager())
        worker.serve()


def look(accounts: Accounts) -> Iterator[Finding]:
    """What is found of the cluster; nothing where there is none."""
    if not accounts.any_settings.cluster.enabled:
        return
    try:
        from sync.cluster.checking import findings
    except ModuleNotFoundError as missing:
        error = _extra(missing)
        yield Finding("extra", str(error), error.exit_code)
        return
    yield from findings(accounts, utc_now())


def _extra(missing: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"[cluster] needs {missing.name}: pip install 'contact-sync[cluster]', or set "
        "cluster.enabled = false."
    )
