"""What every change of an account's row stands on: its lock, its keys, its rescued pairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sync.auth.cipher import TokenCipher
from sync.auth.pairs import Pair, Pairs
from sync.auth.provenance import misfit, provenance_here
from sync.auth.rescue import Rescue
from sync.auth.safekeeping import Safekeeping
from sync.auth.steps import Observer, Step, unobserved
from sync.auth.witness import Witness, contradiction
from sync.errors import AuthorizationNeeded, ConfigurationError, ContactSyncError
from sync.settings import Settings
from sync.state.locks import Held
from sync.state.store import Store
from sync.state.tokens import StoredPair, read_pairs


class Custody:
    """The pair of one account in one state database."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        cipher: TokenCipher,
        observe: Observer = unobserved,
        *,
        account: str | None = None,
    ) -> None:
        self.account = account or settings.account.name
        self.store = store
        self.cipher = cipher
        self.pairs = Pairs(store, self.account, cipher)
        self.rescue = Rescue(settings.state.directory, store, self.account, cipher)
        self.witness = Witness(settings.state.directory, store, self.account)
        self.safekeeping = Safekeeping(store, self.rescue, self.witness, observe)
        self.here = provenance_here(settings, store)
        self._observe = observe
        # Two calls, their connecting, and the pace pauses; and as long again for the database.
        self._patience = 6 * settings.api.timeout + timedelta(seconds=60)

    @contextmanager
    def locked(self) -> Iterator[Held]:
        """Hold the account's lock, which every process of every host honours."""
        with self.store.locks.hold(f"vault-{self.account}", wait=self._patience) as held:
            self._observe(Step.LOCKED)
            yield held

    @contextmanager
    def locked_and_current(self) -> Iterator[Held]:
        """Hold the lock, with the keys of now and every rescued pair adopted.

        Another process may have exchanged the keys, and a new pair must not be sealed with one
        that is gone.
        """
        with self.locked() as held:
            try:
                self.cipher.reload()
            except ConfigurationError:
                if not self.rescue.waits():
                    self.row()  # whoever has no pair yet misses that first, and then a key
                raise
            if self.rescue.waits():
                self.rescue.adopt()
            yield held

    def row(self) -> StoredPair:
        """The row; raises AuthorizationNeeded when there is no pair."""
        row = self.pairs.read_row()
        if row is None:
            raise AuthorizationNeeded(
                f"Nobody has authorized the account {self.account} yet: run contact-sync "
                "authorize once, with a browser at hand."
            )
        return row

    def pair(self) -> Pair:
        """The pair, if it belongs here; raises CopyFound or ConfigurationError if not."""
        row, wrong = self.look()
        if wrong is not None:
            raise wrong
        return self.pairs.open(row or self.row())

    def look(self) -> tuple[StoredPair | None, ContactSyncError | None]:
        """The row, if there is a pair, and why it must not be used here, if so."""
        # The witness first: another process may store a new pair in between.
        seen = self.witness.generation()
        row = self.pairs.read_row()
        if row is None:
            return None, None
        return row, misfit(row, self.here) or contradiction(row, seen)


def all_accounts(store: Store) -> list[str]:
    """The accounts that have a pair in this state database."""
    return [row.account for row in read_pairs(store) if row.refresh_token]
