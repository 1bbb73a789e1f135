"""Exchanging the vault's key: every pair is encrypted anew, and at no instant is one unreadable."""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from sync.auth.cipher import TokenCipher, new_key, read_keys, write_key_file
from sync.auth.custody import Custody, all_accounts
from sync.errors import Busy
from sync.settings import Settings
from sync.state.locks import hold_file
from sync.state.store import Store
from sync.state.tokens import reseal_pair

_PATIENCE = timedelta(minutes=1)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done: whose pairs are under the first key now, and whether that key is new."""

    accounts: tuple[str, ...]
    key_made: bool


def rotate_key(settings: Settings, store: Store) -> Rotation:
    """Encrypt every pair of this state database with a new key.

    A key file gets a new first key and keeps the former ones below it, since other state databases
    may share the file. A key from the environment or a systemd credential is not ours to write:
    there the new key is put before the old one by hand, this is run, and the old is taken out.

    Raises AuthorizationNeeded when there is neither a key file nor a pair yet.
    """
    cipher = TokenCipher(lambda: read_keys(settings))
    if settings.vault.key is not None:
        return Rotation(_reseal_all(settings, store, cipher), key_made=False)
    file = settings.vault_key_file
    if not file.exists():
        Custody(settings, store, cipher).row()  # whoever has no pair yet misses that first
    # Two at once would each write over the other's new key.
    with hold_file(file.with_name(f"{file.name}.lock"), _PATIENCE):
        write_key_file(settings, [new_key(), *read_keys(settings).split()])
        return Rotation(_reseal_all(settings, store, cipher), key_made=True)


def _reseal_all(settings: Settings, store: Store, cipher: TokenCipher) -> tuple[str, ...]:
    done = []
    for account in all_accounts(store):
        custody = Custody(settings, store, cipher, account=account)
        with custody.locked_and_current():
            row = custody.row()
            if account != settings.account.name and not cipher.can_decrypt(row.refresh_token):
                # Of another configuration with a key of its own.
                continue
            pair = custody.pairs.open(row)
            sealed = cipher.encrypt(pair.access_token), cipher.encrypt(pair.refresh_token)
            if custody.rescue.waits() or not reseal_pair(store, row, *sealed):
                raise Busy(
                    f"The pair of account {account} could not be encrypted anew just now; both "
                    "keys stay in use. Run contact-sync rotate-key again."
                )
        done.append(account)
        _log.info("token pair encrypted anew", account=account)
    return tuple(done)
