"""The forecast of a plan, from what the state knows of the account and of earlier imports."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from sync import plan
from sync.api.limits import rest_of_today
from sync.forecast import Forecast, forecast
from sync.settings import Settings
from sync.state import audience, staging
from sync.state.kept_plans import KeptPlan
from sync.state.outbox import usual_duration
from sync.state.runs import Counts
from sync.state.store import Store


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a plan will cost, beside how many of today's requests are left for syncs."""

    forecast: Forecast
    rest: int


def outlook(
    settings: Settings,
    store: Store,
    counts: Counts,
    now: datetime,
    *,
    imports: int,
    reading: int,
    known: int,
) -> Outlook:
    """The cost of a plan of so many imports; reading the account for it took `reading` calls.

    `known` is how many contacts the account has.
    """
    account = settings.account.name
    with store.read() as connection:
        takes = usual_duration(connection, account)
    cost = forecast(
        counts,
        imports=imports,
        known=known,
        reading=reading,
        import_takes=takes,
        options=settings.api,
    )
    most = settings.api.requests_per_day - settings.api.requests_reserved
    return Outlook(cost, rest_of_today(store, settings.oauth.client_id, account, now, most))


def outlook_of(
    settings: Settings, store: Store, kept: KeptPlan, counts: Counts, now: datetime
) -> Outlook:
    """The cost of carrying out a plan that waits."""
    with store.read() as connection:
        imports = _imports(settings, connection, kept)
        known = audience.size(connection, settings.account.name)
    return outlook(
        settings, store, counts, now, imports=imports, reading=counts.requests, known=known
    )


def _imports(settings: Settings, connection: Connection, kept: KeptPlan) -> int:
    to_send = staging.ToSend(connection, kept.staged_as)
    return sum(1 for _ in plan.batches(to_send, settings.api))
