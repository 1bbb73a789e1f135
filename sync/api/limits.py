"""The application's limits: 4 requests a second and 10,000 a UTC day, kept over restarts.

Constant Contact counts them per application (API key), over all its accounts and processes
(https://developer.constantcontact.com/api_guide/rate_limits.html), and answers too late to be
asked: a request over the quota is lost. So the count lives in the state database. How accounts
share them fairly is in `sync.api.fairness`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta

from sqlalchemy import Connection, bindparam, select, update

from sync.api.claims import Beside, Claims
from sync.api.fairness import ASK_EVERY, wait_until
from sync.clock import Clock, utc_now
from sync.errors import QuotaExhausted
from sync.state.schema import api_day, api_slot
from sync.state.store import Store
from sync.state.upsert import update_or_put, upsert
from sync.stop import Stop

_SECOND = timedelta(seconds=1)
# A request whose process died holds its place so long: by then it has long arrived, or never will.
_ABANDONED = timedelta(seconds=5)
# The service's day may begin a little later than ours.
_CLOCK_SKEW = timedelta(minutes=5)
# How long the one whose turn it is may need to wake.
_AFTER_YOU = timedelta(seconds=0.05)

# What each request asks is built once: building it took longer than asking. A parameter of an
# UPDATE can't be called like a column.
_NEXT_SLOT = (
    select(api_slot.c.slot, api_slot.c.free_at)
    .where(api_slot.c.application == bindparam("of"), api_slot.c.slot < bindparam("slots"))
    .order_by(api_slot.c.free_at)
    .limit(1)
)
_OCCUPY = (
    update(api_slot)
    .where(api_slot.c.application == bindparam("of"), api_slot.c.slot == bindparam("place"))
    .where(api_slot.c.free_at == bindparam("old"))
    .values(free_at=bindparam("until"))
)
_COUNT = (
    update(api_day)
    .where(api_day.c.application == bindparam("of"), api_day.c.utc_day == bindparam("day"))
    .where(api_day.c.used < bindparam("most"))
    .values(used=api_day.c.used + 1)
)
_USED = select(api_day.c.used).where(
    api_day.c.application == bindparam("of"), api_day.c.utc_day == bindparam("day")
)


class Limits:
    """Takes a place for each request, waiting for it when the pace demands.

    The pace is kept by `per_second` slots. A request occupies one from before it is sent until
    one second after its answer came, so at most that many can arrive at the other side within
    any sliding second, however long each of them travels.
    """

    def __init__(
        self,
        store: Store,
        application: str,
        *,
        per_second: int,
        per_day: int,
        reserved: int = 0,
        stop: Stop,
        clock: Clock = utc_now,
        claims: Claims | None = None,
    ) -> None:
        """With `claims` an account waits for its turn and its share; who only looks has none."""
        self._claims = claims
        self._store = store.shared
        self._application = application
        self._slots = range(per_second)
        self._per_day = per_day
        self._reserved = reserved
        self._stop = stop
        self._clock = clock
        self._add_missing_slots()

    @contextmanager
    def request(self, *, sending: bool = False) -> Iterator[None]:
        """The time of one request; raises QuotaExhausted when the day's requests are spent.

        So they are for an account that has used its share while others want some yet.

        For what is `sending` they are spent when only the reserved ones are left: those are for
        learning what became of what was sent.
        """
        slot, until = self._take(self._per_day - self._reserved * sending)
        try:
            yield
        finally:
            self._free(slot, until)

    def exhaust(self, sent_at: datetime) -> None:
        """Note that the service says that the day's quota is spent (it may know of others' use).

        `sent_at` is when the refused request was sent: right after midnight it is the old day's
        quota that was spent, by a clock that is slower than ours.
        """
        with self._store.write() as connection:
            day = self._day_row(sent_at - _CLOCK_SKEW, used=self._per_day)
            upsert(connection, api_day, [day], update=["used"])

    def exhausted(self, now: datetime, *, kept: int = 0) -> QuotaExhausted:
        """The sentence for a spent quota, of which so many requests are kept."""
        but = f" but for {kept:,} that are kept for confirming" if kept else ""
        hours, minutes = divmod(int((_midnight(now) - now).total_seconds()) // 60, 60)
        return QuotaExhausted(
            f"Today's {self._per_day:,} requests of this application are spent{but}; what is left "
            f"is sent by the first run after 00:00 UTC, in {hours} h {minutes:02} min.",
            until=next_day(now),
        )

    def _take(self, most: int) -> tuple[int, datetime]:
        while True:
            now = self._clock()
            with self._store.write(durable=False) as connection:
                slot, free_at = self._next_slot(connection)
                until = now + _ABANDONED
                turn = free_at <= now and (
                    self._claims is None or self._claims.has_turn(connection, now)
                )
                if turn and self._occupy(connection, slot, free_at, until):
                    self._count(connection, now, most)
                    return slot, until
                if self._claims is not None:
                    self._claims.ask(connection, now)
            self._wait(now, free_at)

    def _wait(self, now: datetime, free_at: datetime) -> None:
        """Wait until the place is free, or at least for long enough to look again."""
        # A slot can't be taken for longer than an abandoned request: else the clock was turned
        # back, and waiting for the old one would take as long as that.
        longest = _ABANDONED if self._claims is None else ASK_EVERY
        shortest = timedelta(0) if self._claims is None else _AFTER_YOU
        self._stop.sleep(min(max(free_at - now, shortest), longest))
        if free_at - now > _ABANDONED + _SECOND:
            self._release_all(now)

    def _next_slot(self, connection: Connection) -> tuple[int, datetime]:
        slots = {"of": self._application, "slots": len(self._slots)}
        row = connection.execute(_NEXT_SLOT, slots).one()
        return row.slot, row.free_at

    def _occupy(self, connection: Connection, slot: int, old: datetime, until: datetime) -> bool:
        place = {"of": self._application, "place": slot, "old": old, "until": until}
        return connection.execute(_OCCUPY, place).rowcount == 1

    def _free(self, slot: int, until: datetime) -> None:
        # A request that took longer than its place was held has lost it to another by now.
        with self._store.write(durable=False) as connection:
            self._occupy(connection, slot, until, self._clock() + _SECOND)

    def _release_all(self, now: datetime) -> None:
        with self._store.write() as connection:
            connection.execute(
                update(api_slot)
                .where(api_slot.c.application == self._application)
                .where(api_slot.c.free_at > now + _ABANDONED)
                .values(free_at=now + _SECOND)
            )

    def _count(self, connection: Connection, now: datetime, most: int) -> None:
        day = {"of": self._application, "day": _utc_day(now), "most": most}
        if not update_or_put(connection, _COUNT, day, api_day, self._day_row(now, used=0)):
            raise self.exhausted(now, kept=self._per_day - most)
        if self._claims is None:
            return
        beside = self._claims.read(connection, now)
        if beside.others:
            # This request is among those that are used already.
            used = _used(connection, self._application, now) - 1
            if not beside.rest(most, used):
                raise self._shared_out(now, beside)
        self._claims.count(connection, now, beside.mine)

    def _shared_out(self, now: datetime, beside: Beside) -> QuotaExhausted:
        until = min(wait_until(beside.last_begins or now, now), next_day(now))
        count = len(beside.others)
        return QuotaExhausted(
            f"This account's share of today's {self._per_day:,} requests is spent: it has used "
            f"{beside.mine:,}, and the rest is kept for {count:,} other account"
            f"{'' if count == 1 else 's'} of the application that still "
            f"{'wants' if count == 1 else 'want'} some today. What they leave is used from "
            f"{until:%H:%M} UTC on.",
            until=until,
        )

    def _day_row(self, now: datetime, *, used: int) -> dict[str, object]:
        return {"application": self._application, "utc_day": _utc_day(now), "used": used}

    def _add_missing_slots(self) -> None:
        with self._store.write() as connection:
            upsert(
                connection,
                api_slot,
                [
                    {"application": self._application, "slot": slot, "free_at": self._clock()}
                    for slot in self._slots
                ],
            )


def used_today(store: Store, application: str, now: datetime) -> int:
    """How many requests of this UTC day are used."""
    with store.shared.read() as connection:
        return _used(connection, application, now)


def rest_of_today(store: Store, application: str, account: str, now: datetime, most: int) -> int:
    """How many of the day's `most` requests the account may still use."""
    with store.shared.read() as connection:
        used = _used(connection, application, now)
        return Claims(application, account).read(connection, now).rest(most, used)


def next_day(now: datetime) -> datetime:
    """When the next day's requests can be used, by the service's clock too."""
    return _midnight(now) + _CLOCK_SKEW


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)


def _utc_day(now: datetime) -> str:
    return now.date().isoformat()


def _used(connection: Connection, application: str, now: datetime) -> int:
    used: int | None = connection.scalar(_USED, {"of": application, "day": _utc_day(now)})
    return used or 0
