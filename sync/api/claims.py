"""What each account wants of its application's requests, as the state database keeps it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, Update, and_, bindparam, case, func, or_, select, update

from sync.api.fairness import GONE_AFTER, Claim, fair_share, is_next
from sync.errors import ContactSyncError
from sync.settings import Settings
from sync.state.column_types import Instant
from sync.state.schema import api_claim
from sync.state.store import Store
from sync.state.stores import Stores
from sync.state.upsert import update_or_put, upsert

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


# What each request asks is built once: building it took longer than asking. A parameter of an
# UPDATE can't be called like a column.
_ALL = api_claim.c.application == bindparam("of")
_IS_MINE = api_claim.c.account == bindparam("me")
_WANTS_TODAY = and_(
    api_claim.c.wants_at >= bindparam("today"), api_claim.c.wants_at < bindparam("tomorrow")
)
_WAITING_OR_MINE = select(api_claim.c.account, api_claim.c.asked_at, api_claim.c.served_at).where(
    _ALL, or_(_IS_MINE, api_claim.c.asked_at.between(bindparam("earliest"), bindparam("latest")))
)
# The account's own, and how many others have used the same number of requests.
_BESIDE = (
    select(
        _IS_MINE.label("is_mine"),
        api_claim.c.utc_day,
        api_claim.c.used,
        func.count().label("accounts"),
        func.max(api_claim.c.wants_at).label("last_begins"),
    )
    .where(_ALL, or_(_IS_MINE, _WANTS_TODAY))
    .group_by("is_mine", api_claim.c.utc_day, api_claim.c.used)
)
_ASK = update(api_claim).where(_ALL, _IS_MINE).values(asked_at=bindparam("now"))
# A sync that goes on wants requests today, whether it began yesterday, or a worker that has just
# started takes tomorrow's for its next one.
_COUNT = (
    update(api_claim)
    .where(_ALL, _IS_MINE)
    .values(
        wants_at=case((_WANTS_TODAY, api_claim.c.wants_at), else_=bindparam("now", type_=Instant)),
        utc_day=bindparam("day"),
        used=bindparam("used_now"),
        asked_at=None,
        served_at=bindparam("now", type_=Instant),
    )
)


class Claims:
    """One account's claim among those of its application.

    Each method is part of a transaction that its caller has begun in the shared database. None of
    them fetches a row for each account: there may be a thousand, each of which asks before each of
    its requests. Few of them wait at the same time, and few have used another number of requests.
    """

    def __init__(self, application: str, account: str) -> None:
        self._account = account
        self._me = {"of": application, "me": account}
        self._nothing_used = {"application": application, "account": account, "used": 0}

    def has_turn(self, connection: Connection, now: datetime) -> bool:
        """Whether nobody waits who was served longer ago."""
        not_gone = {"earliest": now - GONE_AFTER, "latest": now + GONE_AFTER}
        rows = connection.execute(_WAITING_OR_MINE, self._me | not_gone).all()
        there = {row.account: Claim(row.account, row.asked_at, row.served_at) for row in rows}
        mine = there.pop(self._account, Claim(self._account))
        return is_next(mine, there.values(), now)

    def read(self, connection: Connection, now: datetime) -> Beside:
        """What the account has used, and the others that want requests today."""
        mine = 0
        others: list[int] = []
        begins: list[datetime] = []
        for row in connection.execute(_BESIDE, self._me | _today(now)):
            used = row.used if row.utc_day == _day(now) else 0
            if row.is_mine:
                mine = used
            else:
                others += [used] * row.accounts
                begins.append(row.last_begins)
        return Beside(mine, others, max(begins, default=None))

    def ask(self, connection: Connection, now: datetime) -> None:
        """Note that the account waits for its turn."""
        self._change(connection, now, _ASK, {"now": now})

    def count(self, connection: Connection, now: datetime, used: int) -> None:
        """Note that the account, which has used so many today, sends a request now."""
        sends = {"now": now, "day": _day(now), "used_now": used + 1}
        self._change(connection, now, _COUNT, sends | _today(now))

    def _change(
        self, connection: Connection, now: datetime, change: Update, values: dict[str, object]
    ) -> None:
        """Change the claim, which is put there first when it is missing."""
        first = {**self._nothing_used, "wants_at": now, "utc_day": _day(now)}
        update_or_put(connection, change, self._me | values, api_claim, first)


def _today(now: datetime) -> dict[str, datetime]:
    today = datetime.combine(now.date(), time(), now.tzinfo)
    return {"today": today, "tomorrow": today + timedelta(days=1)}


def _day(now: datetime) -> str:
    return now.date().isoformat()
