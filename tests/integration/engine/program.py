"""What the engine's tests run as processes of their own."""

from pathlib import Path

from sync.run import open_session
from sync.settings import Settings, load_settings
from sync.state.store import open_store
from sync.stop import Stop
from tests.integration.engine.tokens import Tokens


def ask(config: Path, token: str, times: int) -> None:
    """Ask for the account's lists so often, as fast as the limits allow."""
    settings: Settings = load_settings(config)
    with open_store(settings) as store:
        session = open_session(settings, store, Tokens(token), Stop())
        for _ in range(times):
            session.get("/contact_lists")
        session.close()
