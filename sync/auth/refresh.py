"""Spending a refresh token without losing the next one: steps 3 to 5 of the vault's protocol.

The caller holds the account's lock and has read the row. README.md in this folder tells the
whole protocol, and what it can't promise.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sync.auth.lifetimes import DISUSE_LIMIT
from sync.auth.outcomes import AnswerLost, GrantRefused, NotSent, Refused, TooManyRequests
from sync.auth.pairs import Pair, Pairs
from sync.auth.safekeeping import Safekeeping
from sync.auth.steps import Observer, Step
from sync.auth.token_answer import TokenAnswer
from sync.auth.token_endpoint import TokenEndpoint
from sync.clock import Clock
from sync.errors import AuthorizationLost, Busy, ConfigurationError, StateError
from sync.state.locks import Held
from sync.state.tokens import StoredPair, begin_refresh, drop_refresh, mark_lost

# The endpoint takes one request a second (https://community.constantcontact.com, the support
# answers of user 1384049); it is not on the rate limit page.
_PACE_PAUSE = timedelta(seconds=1.1)
_PACE_PAUSES = 3
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_log = structlog.get_logger()


@dataclass
class _Dead(Exception):
    """The refresh token was refused; `doubt_since` when an answer to it was lost before."""

    refused: GrantRefused
    doubt_since: datetime | None


class Refresher:
    """Renews the pair of one account."""

    def __init__(
        self,
        pairs: Pairs,
        endpoint: TokenEndpoint,
        safekeeping: Safekeeping,
        clock: Clock,
        observe: Observer,
    ) -> None:
        self._pairs = pairs
        self._store = pairs.store
        self._account = pairs.account
        self._endpoint = endpoint
        self._safekeeping = safekeeping
        self._clock = clock
        self._observe = observe

    def refresh(self, pair: Pair, held: Held) -> Pair:
        """The pair after this one, durable.

        Raises NotSent, TooManyRequests, AnswerLost or Refused when the old pair stays;
        AuthorizationLost when the refresh token is dead; StateError when the database or the disk
        can't be relied on; LockLost when another process may be at it by now.
        """
        with _undisturbed():
            self._begin(pair.row)
            held.confirm()
            try:
                answer = self._ask(pair.row, pair.refresh_token)
            except _Dead as dead:
                return self._newer_or_lost(pair.row, dead)
            self._observe(Step.ANSWERED)
            fresh = self._pairs.successor(pair, answer)
            self._safekeeping.store(fresh.row)
        _log_renewal(pair, fresh, answer)
        # A cut answer may have brought the refresh token alone; it is whole only with another.
        return fresh if answer.access_token else self.refresh(fresh, held)

    def _begin(self, row: StoredPair) -> None:
        """Step 3: prove that disk and database take something, and leave word of the refresh."""
        self._safekeeping.prepare()
        if not begin_refresh(self._store, self._account, row.generation, self._clock()):
            raise Busy("The token pair was replaced by somebody else just now; run again.")
        self._observe(Step.BEGUN)

    def _ask(self, row: StoredPair, refresh_token: str) -> TokenAnswer:
        """Step 4: one call, and one more at once when nobody knows what came of the first."""
        doubt_since = row.refresh_begun_at
        calls_left = 2
        pauses_left = _PACE_PAUSES
        while True:
            try:
                return self._endpoint.refresh(refresh_token)
            except AnswerLost as unknown:
                _log.warning("token endpoint's answer lost", reason=str(unknown))
                doubt_since = doubt_since or self._clock()
                calls_left -= 1
                if not calls_left:
                    raise
            except TooManyRequests:
                if not pauses_left:
                    self._take_back(row, doubt_since)
                    raise
                pauses_left -= 1
                time.sleep(_PACE_PAUSE.total_seconds())
            except GrantRefused as refused:
                raise _Dead(refused, doubt_since) from None
            except (NotSent, Refused, ConfigurationError):
                self._take_back(row, doubt_since)
                raise

    def _take_back(self, row: StoredPair, doubt_since: datetime | None) -> None:
        """Drop the journal entry, unless this refresh or an earlier one may have worked."""
        if doubt_since is None:
            drop_refresh(self._store, self._account, row.generation)

    def _newer_or_lost(self, row: StoredPair, dead: "_Dead") -> Pair:
        """A refusal is believed only when nobody else has put a newer pair there."""
        current = self._pairs.read()
        if current is not None and current.row.generation > row.generation:
            return current
        now = self._clock()
        cause = cause_of_loss(row, dead.refused, doubt_since=dead.doubt_since, now=now)
        _log.error("authorization lost", cause=cause)
        # If this can't be written, the journal stays and the next start finds the same.
        with suppress(StateError):
            mark_lost(self._store, self._account, row.generation, now, cause)
        raise AuthorizationLost(lost_sentence(cause))


def cause_of_loss(
    row: StoredPair, refused: Refused, *, doubt_since: datetime | None, now: datetime
) -> str:
    """The likeliest reason why a refresh token was refused, for a person."""
    said = refused.description or refused.error
    if doubt_since is not None:
        return (
            f"the answer to the refresh of {_date(doubt_since)} was lost (the connection or the "
            f"program broke off at that moment), and the old token is refused now ({said})"
        )
    if now - row.issued_at >= DISUSE_LIMIT:
        return (
            f"the refresh token was last used on {_date(row.issued_at)}, and dies after 180 days "
            f"of disuse ({said})"
        )
    return (
        f"Constant Contact refused the refresh token on {_date(now)} ({said}): the access was "
        "withdrawn there, a new consent replaced it, or a copy of this program used it elsewhere"
    )


def lost_sentence(cause: str) -> str:
    """What a person reads wherever the authorization is lost."""
    return (
        f"The authorization for Constant Contact is lost: {cause}. Run contact-sync authorize "
        "once; no contact is lost meanwhile, and the next run catches up."
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let the signals that end a program wait until the pair is safe (one call and one write).

    Blocking them in this thread would leave them to any other. Only the main thread can say what
    becomes of them; in a worker it has said so, and the refresh is in a thread that hears none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda ending, _: heard.append(ending)) for number in _ENDING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for ending in heard:
            signal.raise_signal(ending)


def _log_renewal(pair: Pair, fresh: Pair, answer: TokenAnswer) -> None:
    _log.info(
        "token pair renewed",
        generation=fresh.row.generation,
        expires_at=fresh.row.expires_at.isoformat(timespec="seconds"),
        refresh_token="rotated" if fresh.refresh_token != pair.refresh_token else "kept",
        seconds=round((answer.received_at - answer.requested_at).total_seconds(), 3),
    )


def _date(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
