"""What each account wants of its application's requests, as the state database keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog
from sqlalchemy import Connection, and_, or_, select, update

from sync.api.fairness import Claim, fair_share
from sync.errors import ContactSyncError
from sync.settings import Settings
from sync.state.schema import api_claim
from sync.state.store import Store
from sync.state.stores import Stores
from sync.state.upsert import upsert

_log = structlog.get_logger()


def want(store: Store, application: str, accounts: Mapping[str, datetime | None]) -> None:
    """Note when the accounts' next syncs begin; None for one that wants no requests any more.

    Raises StateError.
    """
    rows = [
        {
            "application": application,
            "account": account,
            "wants_at": at,
            "utc_day": "",
            "used": 0,
        }
        for account, at in accounts.items()
    ]
    with store.shared.write() as connection:
        upsert(connection, api_claim, rows, update=["wants_at"])


def want_all(stores: Stores, wishes: Iterable[tuple[Settings, datetime]]) -> None:
    """The same for many accounts, in one transaction for each application.

    What can't be noted is logged: each account has the claim of its own run all the same.
    """
    known: dict[tuple[str, str], list[tuple[Settings, datetime]]] = {}
    for settings, at in wishes:
        place = settings.shared_state_url, settings.oauth.client_id
        known.setdefault(place, []).append((settings, at))
    for (_, application), wished in known.items():
        times = {settings.account.name: at for settings, at in wished}
        try:
            want(stores.shared(wished[0][0]), application, times)
        except ContactSyncError as error:
            _log.warning("claims not noted", accounts=len(times), reason=str(error))


@dataclass(frozen=True, slots=True)
class Beside:
    """An account's claim beside those of the others that want requests today."""

    mine: Claim
    others: tuple[Claim, ...]

    def rest(self, most: int, used: int) -> int:
        """How many of the day's `most` requests the account may still use.

        `used` is how many all accounts have used, those included that want none any more.
        """
        by_these = [self.mine.used, *(other.used for other in self.others)]
        share = fair_share(most - used + sum(by_these), by_these)
        return min(max(0, most - used), max(0, share - self.mine.used) if self.others else most)


class Claims:
    """One account's claim among those of its application.

    Each method is part of a transaction that its caller has begun in the shared database.
    """

    def __init__(self, application: str, account: str) -> None:
        self._application = application
        self._account = account
        self._mine = and_(api_claim.c.application == application, api_claim.c.account == account)

    def read(self, connection: Connection, now: datetime) -> "Beside":
        """The account's own claim, and those of the others that want requests today."""
        today = datetime.combine(now.date(), time(), now.tzinfo)
        is_today = and_(
            api_claim.c.wants_at >= today, api_claim.c.wants_at < today + timedelta(days=1)
        )
        rows = connection.execute(
            select(api_claim)
            .where(api_claim.c.application == self._application)
            .where(or_(is_today, api_claim.c.account == self._account))
        ).all()
        mine = Claim(self._account, 0, now)
        others = []
        for row in rows:
            used = row.used if row.utc_day == _day(now) else 0
            # A sync that began yesterday and goes on wants requests today, too.
            wants_at = row.wants_at if row.wants_at and row.wants_at >= today else now
            claim = Claim(row.account, used, wants_at, row.asked_at, row.served_at)
            if row.account == self._account:
                mine = claim
            else:
                others.append(claim)
        return Beside(mine, tuple(others))

    def ask(self, connection: Connection, now: datetime) -> None:
        """Note that the account waits for its turn."""
        self._there(connection, now)
        connection.execute(update(api_claim).where(self._mine).values(asked_at=now))

    def count(self, connection: Connection, now: datetime, mine: Claim) -> None:
        """Note that the account, whose claim is this so far, sends a request now."""
        self._there(connection, now)
        connection.execute(
            update(api_claim)
            .where(self._mine)
            .values(
                wants_at=mine.wants_at,
                utc_day=_day(now),
                used=mine.used + 1,
                asked_at=None,
                served_at=now,
            )
        )

    def _there(self, connection: Connection, now: datetime) -> None:
        upsert(
            connection,
            api_claim,
            [
                {
                    "application": self._application,
                    "account": self._account,
                    "wants_at": now,
                    "utc_day": _day(now),
                    "used": 0,
                }
            ],
        )


def _day(now: datetime) -> str:
    return now.date().isoformat()
