"""What each account wants of its application's requests, as the state database keeps it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial

import structlog
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select, update

from sync.api.fairness import GONE_AFTER, Claim, fair_share, is_next
from sync.errors import ContactSyncError
from sync.settings import Settings
from sync.state.column_types import Instant
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
    for shared, application, times in _by_application(stores, wishes):
        try:
            want(shared(), application, times)
        except ContactSyncError as error:
            _log.warning("claims not noted", accounts=len(times), reason=str(error))


def want_missing(stores: Stores, wishes: Iterable[tuple[Settings, datetime]]) -> None:
    """The same for those of them that seem to want none.

    A run that a person began ends so, since it knows of no worker. Without this its account would
    have no share of the next day's requests before its own sync begins, and whoever begins earlier
    could use all of them.
    """
    for shared, application, times in _by_application(stores, wishes):
        noted = select(api_claim.c.account).where(
            api_claim.c.application == application, api_claim.c.wants_at.is_not(None)
        )
        try:
            with shared().read() as connection:
                there = set(connection.scalars(noted))
            want(shared(), application, {a: at for a, at in times.items() if a not in there})
        except ContactSyncError as error:
            _log.warning("claims not noted", accounts=len(times), reason=str(error))


def _by_application(
    stores: Stores, wishes: Iterable[tuple[Settings, datetime]]
) -> Iterator[tuple[Callable[[], Store], str, dict[str, datetime | None]]]:
    """Where each application's accounts are counted, its name, and what they wish."""
    known: dict[tuple[str, str], list[tuple[Settings, datetime]]] = {}
    for settings, at in wishes:
        place = settings.shared_state_url, settings.oauth.client_id
        known.setdefault(place, []).append((settings, at))
    for (_, application), wished in known.items():
        times: dict[str, datetime | None] = {each.account.name: at for each, at in wished}
        yield partial(stores.shared, wished[0][0]), application, times


@dataclass(frozen=True, slots=True)
class Beside:
    """An account beside the others that want requests today: what each has used of the day's.

    `last_begins` is when the last of the others begins, if there are any.
    """

    mine: int
    others: Sequence[int] = ()
    last_begins: datetime | None = None

    def rest(self, most: int, used: int) -> int:
        """How many of the day's `most` requests the account may still use.

        `used` is how many all accounts have used, those included that want none any more.
        """
        by_these = [self.mine, *self.others]
        share = fair_share(most - used + sum(by_these), by_these)
        return min(max(0, most - used), max(0, share - self.mine) if self.others else most)


class Claims:
    """One account's claim among those of its application.

    Each method is part of a transaction that its caller has begun in the shared database. None of
    them fetches a row for each account: there may be a thousand, each of which asks before each of
    its requests. Few of them wait at the same time, and few have used another number of requests.
    """

    def __init__(self, application: str, account: str) -> None:
        self._application = application
        self._account = account
        self._all = api_claim.c.application == application
        self._mine = and_(self._all, api_claim.c.account == account)

    def has_turn(self, connection: Connection, now: datetime) -> bool:
        """Whether nobody waits who was served longer ago."""
        waits = api_claim.c.asked_at.between(now - GONE_AFTER, now + GONE_AFTER)
        rows = connection.execute(
            select(api_claim.c.account, api_claim.c.asked_at, api_claim.c.served_at)
            .where(self._all)
            .where(or_(waits, api_claim.c.account == self._account))
        ).all()
        there = {row.account: Claim(row.account, row.asked_at, row.served_at) for row in rows}
        mine = there.pop(self._account, Claim(self._account))
        return is_next(mine, there.values(), now)

    def read(self, connection: Connection, now: datetime) -> Beside:
        """What the account has used, and the others that want requests today."""
        mine = connection.scalar(
            select(api_claim.c.used).where(self._mine, api_claim.c.utc_day == _day(now))
        )
        rows = connection.execute(
            select(
                api_claim.c.utc_day,
                api_claim.c.used,
                func.count().label("accounts"),
                func.max(api_claim.c.wants_at).label("last_begins"),
            )
            .where(self._all, api_claim.c.account != self._account, _is_of_today(now))
            .group_by(api_claim.c.utc_day, api_claim.c.used)
        ).all()
        others: list[int] = []
        for row in rows:
            others += [row.used if row.utc_day == _day(now) else 0] * row.accounts
        return Beside(mine or 0, others, max((row.last_begins for row in rows), default=None))

    def ask(self, connection: Connection, now: datetime) -> None:
        """Note that the account waits for its turn."""
        self._there(connection, now)
        connection.execute(update(api_claim).where(self._mine).values(asked_at=now))

    def count(self, connection: Connection, now: datetime, used: int) -> None:
        """Note that the account, which has used so many today, sends a request now."""
        self._there(connection, now)
        # A sync that goes on wants requests today, whether it began yesterday, or a worker that has
        # just started takes tomorrow's for its next one.
        begins = literal(now, Instant)
        wants_at = case((_is_of_today(now), api_claim.c.wants_at), else_=begins)
        connection.execute(
            update(api_claim)
            .where(self._mine)
            .values(
                wants_at=wants_at,
                utc_day=_day(now),
                used=used + 1,
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


def _is_of_today(now: datetime) -> ColumnElement[bool]:
    today = datetime.combine(now.date(), time(), now.tzinfo)
    return and_(api_claim.c.wants_at >= today, api_claim.c.wants_at < today + timedelta(days=1))


def _day(now: datetime) -> str:
    return now.date().isoformat()
