"""What the engine's tests run as processes of their own."""

from datetime import timedelta
from pathlib import Path

from sync.api.limits import Limits
from sync.api.session import ApiSession
from sync.settings import Settings, load_settings
from sync.state.store import open_store
from sync.stop import Stop
from tests.integration.engine.tokens import Tokens


def ask(config: Path, token: str, times: int) -> None:
    """Ask for the account's lists so often, as fast as the limits allow."""
    settings: Settings = load_settings(config)
    stop = Stop()
    with open_store(settings) as store:
        limits = Limits(
            store,
            settings.oauth.client_id,
            per_second=settings.api.requests_per_second,
            per_day=settings.api.requests_per_day,
            stop=stop,
        )
        session = ApiSession(
            settings.api.base_url, Tokens(token), limits, stop, timeout=timedelta(seconds=10)
        )
        for _ in range(times):
            session.get("/contact_lists")
        session.close()
