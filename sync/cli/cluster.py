"""`contact-sync` without a command on a host of a cluster."""

from collections.abc import Callable
from contextlib import closing

from sync.errors import ConfigurationError
from sync.service_manager import ServiceManager
from sync.settings import Accounts
from sync.state.stores import Stores


def work(accounts: Accounts, reread: Callable[[], Accounts]) -> None:
    """Be a worker of the cluster until it is stopped."""
    try:
        from sync.cluster import ClusterWorker, refuse_other_states
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"[cluster] needs {missing.name}: pip install 'contact-sync[cluster]', or set "
            "cluster.enabled = false."
        ) from None
    settings = accounts.any_settings
    refuse_other_states(accounts, settings.state_url)
    with closing(Stores()) as stores, stores.opened(settings) as store:
        worker = ClusterWorker(accounts, stores, store, reread=reread, manager=ServiceManager())
        worker.serve()
