"""The account's row with its tokens readable: between ciphertext in the state and plain text."""

from dataclasses import dataclass, field
from datetime import timedelta

from sync.auth.cipher import TokenCipher
from sync.auth.provenance import Provenance
from sync.auth.token_answer import TokenAnswer
from sync.state.store import Store
from sync.state.tokens import StoredPair, read_pair


@dataclass(frozen=True, slots=True)
class Pair:
    """A row, and its tokens in plain text."""

    row: StoredPair
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


class Pairs:
    """Reads and seals the pairs of one account."""

    def __init__(self, store: Store, account: str, cipher: TokenCipher) -> None:
        self.store = store
        self.account = account
        self._cipher = cipher

    def read_row(self) -> StoredPair | None:
        """The row as it is; None when there is no pair (never authorized, or logged out)."""
        row = read_pair(self.store, self.account)
        return row if row is not None and row.refresh_token else None

    def read(self) -> Pair | None:
        """The pair with its tokens; raises ConfigurationError when the key doesn't fit."""
        row = self.read_row()
        return None if row is None else self.open(row)

    def open(self, row: StoredPair) -> Pair:
        """Decrypt a row's tokens."""
        return Pair(
            row, self._cipher.decrypt(row.access_token), self._cipher.decrypt(row.refresh_token)
        )

    def successor(self, pair: Pair, answer: TokenAnswer) -> Pair:
        """The pair after `pair`: an answer's silence keeps what was there.

        Without a refresh token in the answer the old one goes on (the long-lived kind); without
        an access token the new pair counts as expired.
        """
        life = answer.expires_in if answer.access_token else timedelta(0)
        return self._sealed(
            answer.access_token or pair.access_token,
            answer.refresh_token or pair.refresh_token,
            generation=pair.row.generation + 1,
            scope=answer.scope or pair.row.scope,
            answer=answer,
            life=life,
            encoded_account_id=pair.row.encoded_account_id,
            here=Provenance(pair.row.host, pair.row.client_id, pair.row.token_url),
        )

    def first(
        self,
        answer: TokenAnswer,
        refresh_token: str,
        *,
        generation: int,
        scope: str,
        encoded_account_id: str | None,
        here: Provenance,
    ) -> Pair:
        """The pair that a person's consent gave."""
        return self._sealed(
            answer.access_token,
            refresh_token,
            generation=generation,
            scope=answer.scope or scope,
            answer=answer,
            life=answer.expires_in,
            encoded_account_id=encoded_account_id,
            here=here,
        )

    def _sealed(
        self,
        access_token: str,
        refresh_token: str,
        *,
        generation: int,
        scope: str,
        answer: TokenAnswer,
        life: timedelta,
        encoded_account_id: str | None,
        here: Provenance,
    ) -> Pair:
        row = StoredPair(
            account=self.account,
            generation=generation,
            access_token=self._cipher.encrypt(access_token),
            refresh_token=self._cipher.encrypt(refresh_token),
            scope=scope,
            # Counted from before the request, so that the answer's way takes nothing from it.
            issued_at=answer.requested_at,
            expires_at=answer.requested_at + life,
            encoded_account_id=encoded_account_id,
            host=here.host,
            client_id=here.client_id,
            token_url=here.token_url,
        )
        return Pair(row, access_token, refresh_token)
