"""Opening the connection to the API, as the configuration says."""

from sync.api.claims import Claims
from sync.api.limits import Limits
from sync.api.session import ATTEMPTS, ApiSession, TokenSource
from sync.clock import Clock, utc_now
from sync.errors import AuthorizationNeeded
from sync.settings import Settings
from sync.state.store import Store
from sync.stop import Stop


def open_session(
    settings: Settings,
    store: Store,
    tokens: TokenSource,
    stop: Stop,
    clock: Clock = utc_now,
    *,
    attempts: int = ATTEMPTS,
    fairly: bool = False,
) -> ApiSession:
    """A session of the configured application, within its limits.

    A run uses them `fairly`, beside those of other accounts; a person who only looks needs little.
    """
    application = settings.oauth.client_id
    limits = Limits(
        store,
        application,
        per_second=settings.api.requests_per_second,
        per_day=settings.api.requests_per_day,
        reserved=settings.api.requests_reserved,
        stop=stop,
        clock=clock,
        claims=Claims(application, settings.account.name) if fairly else None,
    )
    return ApiSession(
        settings.api.base_url,
        tokens,
        limits,
        stop,
        timeout=settings.api.timeout,
        clock=clock,
        attempts=attempts,
    )


class TokenUnusable(AuthorizationNeeded):
    """A dry run's token was answered with 401, and a dry run refreshes none."""


class OneToken:
    """Hands out one token, if there is one, and renews none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def access_token(self) -> str:
        """The token; raises TokenUnusable."""
        if self._token is None:
            raise TokenUnusable("There is no valid access token, and a dry run refreshes none.")
        return self._token

    def renew(self, rejected: str) -> str:  # noqa: ARG002 (the protocol's signature)
        """Raises TokenUnusable."""
        raise TokenUnusable("The access token is not accepted, and a dry run refreshes none.")
