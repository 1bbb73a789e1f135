"""The keeper of an account's token pair: the only one who hands out access tokens.

A refresh token works once, so a refresh follows a protocol in which a pair is never lost that a
program could have kept; README.md in this folder tells it on one page. Steps 1 (the lock), 2 (read
again) and 6 (use) are here, 3 to 5 in `sync.auth.refresh`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from sync.auth.cipher import TokenCipher, open_cipher
from sync.auth.custody import Custody
from sync.auth.lifetimes import disuse_warning, is_alive, is_due, refresh_token_dies_at
from sync.auth.outcomes import Refused
from sync.auth.pairs import Pair
from sync.auth.provenance import CopyFound
from sync.auth.refresh import Refresher, lost_sentence
from sync.auth.steps import Observer, Step, unobserved
from sync.auth.token_endpoint import TokenAnswer, TokenEndpoint
from sync.clock import Clock, utc_now
from sync.errors import AuthorizationLost, AuthorizationNeeded, Busy, ServiceUnavailable
from sync.settings import Settings
from sync.state.store import Store
from sync.state.tokens import StoredPair, adopt_pair, emptied, pin_account, read_pair, replace_pair

# After a failed refresh, an access token that still works is used this long before the next try.
_PAUSE_AFTER_FAILURE = timedelta(minutes=1)
# A refresh token needs use within 180 days; renewed every week it has half a year in reserve.
KEEP_ALIVE_AGE = timedelta(days=7)
_log = structlog.get_logger()


class AnotherAccount(AuthorizationNeeded):
    """The consent is for another Constant Contact account than the state describes."""


@dataclass(frozen=True, slots=True)
class PairStatus:
    """What people may know of the pair: everything but the tokens."""

    exists: bool
    generation: int = 0
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    refresh_token_dies_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    encoded_account_id: str | None = None
    host: str | None = None
    refresh_in_flight_since: datetime | None = None
    lost_at: datetime | None = None
    lost_cause: str | None = None
    rescued_pair_waits: bool = False
    problem: str | None = None
    """Why the pair can't be used here as things are: lost, copied, or of another application."""
    warning: str | None = None
    """That the refresh token nears its death by disuse."""


def open_vault(
    settings: Settings, store: Store, *, create_key: bool = False, clock: Clock = utc_now
) -> "Vault":
    """The vault of the configured account; `create_key` is for `authorize` alone."""
    cipher = open_cipher(settings, create=create_key)
    return Vault(settings, store, cipher, TokenEndpoint(settings, clock), clock)


class Vault:
    """Hands out access tokens and renews the pair when it must.

    Safe to be used by any number of processes on any number of hosts that share the state
    database: one of them renews, the others take what it got.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        cipher: TokenCipher,
        endpoint: TokenEndpoint,
        clock: Clock = utc_now,
        *,
        observe: Observer = unobserved,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._observe = observe
        self._custody = Custody(settings, store, cipher, observe)
        self._account = self._custody.account
        self._pairs = self._custody.pairs
        self._rescue = self._custody.rescue
        self._here = self._custody.here
        self._refresher = Refresher(
            self._pairs, endpoint, self._custody.safekeeping, clock, observe
        )
        self._not_before: datetime | None = None

    def access_token(self, *, minimum_life: timedelta | None = None) -> str:
        """An access token for the work ahead, renewed first when it is too old for it.

        One that still works is handed out even when renewing fails. Raises AuthorizationNeeded
        (none yet), AuthorizationLost, CopyFound, ServiceUnavailable, Busy or StateError.
        """
        life = self._settings.vault.minimum_life if minimum_life is None else minimum_life

        def is_needed(pair: Pair) -> bool:
            # A refresh that was begun and not finished is settled at once: the service may allow
            # a grace of seconds for a token whose answer was lost.
            row = pair.row
            return row.refresh_begun_at is not None or is_due(
                row.issued_at, row.expires_at, self._clock(), life
            )

        pair = self._present()
        if not is_needed(pair):
            return pair.access_token
        if self._not_before is not None and self._clock() < self._not_before and self._lives(pair):
            return pair.access_token
        try:
            return self._renewed(is_needed).access_token
        except (ServiceUnavailable, Busy, Refused, AuthorizationLost) as failure:
            pair = self._present()
            if not self._lives(pair):
                raise
            self._not_before = self._clock() + _PAUSE_AFTER_FAILURE
            _log.warning("access token not renewed, but it still works", reason=str(failure))
            return pair.access_token

    def renew(self, rejected: str) -> str:
        """Another access token than the one that the service answered with 401.

        If another process has renewed the pair, its token; else the pair is renewed once.
        """
        pair = self._present()
        if pair.access_token != rejected:
            return pair.access_token
        return self._renewed(lambda current: current.access_token == rejected).access_token

    def usable_access_token(self) -> str | None:
        """A token that works now, without renewing or writing anything; for dry runs."""
        row, wrong = self._custody.look()
        if row is None or wrong or not is_alive(row.expires_at, self._clock()):
            return None
        return self._pairs.open(row).access_token

    def settle(self) -> None:
        """What every start does first: finish what an earlier process left unfinished.

        A rescued pair is adopted, and a refresh whose answer was lost is asked for again at once,
        while the service may still allow it. Without a pair there is nothing to do.
        """
        if self._rescue.waits():
            with self._custody.locked_and_current():
                pass
        row = self._pairs.read_row()
        if row is not None and row.refresh_begun_at is not None and row.lost_at is None:
            self._renewed(lambda pair: pair.row.refresh_begun_at is not None)

    def keep_alive(self, *, unused_for: timedelta = KEEP_ALIVE_AGE) -> bool:
        """Renew a pair that has not been renewed for that long; True when it was renewed.

        For a daily call that doesn't depend on the syncs, so that neither a broken source nor a
        paused schedule lets the refresh token die of disuse.
        """

        def is_needed(pair: Pair) -> bool:
            unfinished = pair.row.refresh_begun_at is not None
            return unfinished or self._clock() - pair.row.issued_at >= unused_for

        pair = self._present()
        if not is_needed(pair):
            return False
        return self._renewed(is_needed).row.generation > pair.row.generation

    def keep(
        self, answer: TokenAnswer, *, encoded_account_id: str | None, another_account: bool = False
    ) -> None:
        """Store the pair of a person's consent, over whatever was there.

        Raises AnotherAccount when the consent is for another Constant Contact account than
        before, unless `another_account` says that this is meant, and AuthorizationNeeded when the
        answer holds no refresh token.
        """
        if not answer.refresh_token:
            raise AuthorizationNeeded(
                "Constant Contact gave no refresh token, so nothing could run unattended: "
                "oauth.scopes must contain offline_access, and the application must allow it. "
                "Then run contact-sync authorize again."
            )
        with self._custody.locked_and_current():
            before = read_pair(self._store, self._account)
            pinned = before.encoded_account_id if before else None
            if not another_account:
                refuse_another_account(pinned, encoded_account_id)
            self._custody.safekeeping.prepare()
            pair = self._pairs.first(
                answer,
                answer.refresh_token,
                generation=self._next_generation(before),
                scope=" ".join(self._settings.oauth.scopes),
                encoded_account_id=encoded_account_id or (None if another_account else pinned),
                here=self._here,
            )
            self._custody.safekeeping.store(pair.row)
            # One that is still there could not be read, and is past now in any case.
            self._rescue.discard()

    def pin(self, encoded_account_id: str) -> None:
        """Hold the pair to the account that the service says it is for.

        The first one is recorded; raises AnotherAccount when it is not the recorded one.
        """
        row = self._custody.row()
        refuse_another_account(row.encoded_account_id, encoded_account_id)
        if row.encoded_account_id is None:
            pin_account(self._store, self._account, row.generation, encoded_account_id)

    def adopt(self) -> None:
        """A person says that this copy is the original from now on."""
        with self._custody.locked_and_current():
            row = self._custody.row()
            adopt_pair(
                self._store,
                self._account,
                row.generation,
                host=self._here.host,
                client_id=self._here.client_id,
                token_url=self._here.token_url,
            )
            self._custody.witness.record(row.generation)

    def forget(self) -> bool:
        """Log out: the tokens are gone from here, the account stays known. False when none were.

        They go on working elsewhere, if they were copied; Constant Contact's own page of connected
        applications withdraws them.
        """
        with self._custody.locked():
            row = self._pairs.read_row()
            self._rescue.discard()
            return row is not None and replace_pair(self._store, emptied(row))

    def status(self) -> PairStatus:
        """What there is; needs no key and changes nothing."""
        waits = self._rescue.waits()
        row, wrong = self._custody.look()
        if row is None:
            empty = read_pair(self._store, self._account)
            pinned = empty.encoded_account_id if empty else None
            return PairStatus(False, encoded_account_id=pinned, rescued_pair_waits=waits)
        lost = lost_sentence(row.lost_cause or "refused") if row.lost_at else None
        return PairStatus(
            exists=True,
            generation=row.generation,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            refresh_token_dies_at=refresh_token_dies_at(row.issued_at),
            scopes=tuple(row.scope.split()),
            encoded_account_id=row.encoded_account_id,
            host=row.host,
            refresh_in_flight_since=row.refresh_begun_at,
            lost_at=row.lost_at,
            lost_cause=row.lost_cause,
            rescued_pair_waits=waits,
            problem=str(wrong) if wrong else lost,
            warning=None if lost else disuse_warning(row.issued_at, self._clock()),
        )

    def _present(self) -> Pair:
        """The pair as it is now, rescued ones adopted first."""
        if self._rescue.waits():
            with self._custody.locked_and_current():
                pass
        return self._custody.pair()

    def _renewed(self, is_needed: Callable[[Pair], bool]) -> Pair:
        """The pair after a refresh, or the one that another process was first to get."""
        with self._custody.locked_and_current() as held:
            pair = self._custody.pair()
            self._observe(Step.READ)
            if is_needed(pair):
                if pair.row.lost_at is not None:
                    raise AuthorizationLost(lost_sentence(pair.row.lost_cause or "refused"))
                if warning := disuse_warning(pair.row.issued_at, self._clock()):
                    _log.warning("refresh token nears its end", reason=warning)
                pair = self._refresher.refresh(pair, held)
        self._not_before = None
        self._observe(Step.RELEASED)
        return pair

    def _next_generation(self, before: StoredPair | None) -> int:
        """Above the row's, and above what a row from a backup hides."""
        return max(before.generation if before else 0, self._custody.witness.generation()) + 1

    def _lives(self, pair: Pair) -> bool:
        return is_alive(pair.row.expires_at, self._clock())


def refuse_another_account(pinned: str | None, present: str | None) -> None:
    """Raise AnotherAccount when both are known and differ."""
    if pinned is not None and present is not None and pinned != present:
        raise AnotherAccount(
            f"This is Constant Contact account {present}, but the state describes the contacts of "
            f"account {pinned}: nothing was changed. Give the other account a name and a state of "
            "its own (account.name), or authorize with the right user."
        )


__all__ = ["AnotherAccount", "CopyFound", "PairStatus", "Vault", "open_vault"]
