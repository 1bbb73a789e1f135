"""Taking a pair to another machine, so that the old one can't use it any more.

The pair travels in a file that only its transfer key opens. It is written, durably, before the
old machine forgets its own; so an interruption may leave the pair in both places, never in none.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from cryptography.fernet import Fernet, InvalidToken

from sync.auth.cipher import open_cipher
from sync.auth.custody import Custody
from sync.auth.durable import create_file, remove_file
from sync.auth.provenance import misfit
from sync.auth.vault import refuse_another_account
from sync.errors import AuthorizationLost, Busy, StateError, UsageError
from sync.settings import Settings
from sync.state.store import Store
from sync.state.tokens import StoredPair, emptied, read_pair, replace_pair

_log = structlog.get_logger()
_INSTANTS = ("issued_at", "expires_at")
_KEPT = (
    "generation",
    "access_token",
    "refresh_token",
    "scope",
    *_INSTANTS,
    "encoded_account_id",
    "client_id",
    "token_url",
)


def export_pair(
    settings: Settings, store: Store, file: Path, show_key: Callable[[str], None]
) -> None:
    """Move the pair into a new file and forget it here.

    `show_key` gets the key that opens the file, and must raise when nobody can have seen it: the
    pair is forgotten after that. Give the key to `import_pair` by another way than the file.
    """
    custody = Custody(settings, store, open_cipher(settings))
    with custody.locked_and_current():
        pair = custody.pair()
        if pair.row.lost_at is not None:
            raise AuthorizationLost(
                "The authorization is lost, so there is nothing to move: run contact-sync "
                "authorize on the other machine."
            )
        if pair.row.refresh_begun_at is not None:
            raise Busy(
                "A refresh is unfinished, so the pair may be spent: run contact-sync check, which "
                "settles it, then export again."
            )
        key = Fernet.generate_key()
        plain = replace(pair.row, access_token=pair.access_token, refresh_token=pair.refresh_token)
        _create(file, Fernet(key).encrypt(_to_text(plain).encode()))
        try:
            show_key(key.decode())
        except BaseException:
            _remove(file)
            raise
        replace_pair(store, emptied(pair.row))


def import_pair(settings: Settings, store: Store, file: Path, key: str) -> None:
    """Take in a pair that `export_pair` wrote elsewhere, and remove the file.

    Raises UsageError when the file or its key is not right, ConfigurationError when the pair is
    of another application, and AnotherAccount when the state describes another account.
    """
    content = _from_text(_opened(file, key))
    custody = Custody(settings, store, open_cipher(settings, create=True))
    with custody.locked_and_current():
        before = read_pair(store, custody.account)
        refuse_another_account(
            before.encoded_account_id if before else None, content["encoded_account_id"]
        )
        highest = max(before.generation if before else 0, custody.witness.generation())
        row = StoredPair(
            **{
                **content,
                "account": custody.account,
                "host": custody.here.host,
                "generation": max(content["generation"], highest) + 1,
                "access_token": custody.cipher.encrypt(content["access_token"]),
                "refresh_token": custody.cipher.encrypt(content["refresh_token"]),
            }
        )
        if wrong := misfit(row, custody.here):
            raise wrong
        custody.safekeeping.prepare()
        custody.safekeeping.store(row)
    _remove(file)


def _create(file: Path, content: bytes) -> None:
    try:
        # A folder that isn't there may be a disk that isn't mounted: none is made.
        file.parent.stat()
        create_file(file, content)
    except OSError as error:
        raise StateError(
            f"The pair stays here: the file {file} can't be made ({error.strerror}). Name one that "
            "does not exist yet, in a folder that does."
        ) from None


def _opened(file: Path, key: str) -> str:
    try:
        return Fernet(key.strip()).decrypt(file.read_bytes()).decode()
    except OSError as error:
        raise UsageError(
            f"The file {file} can't be read ({error.strerror}): name the one that contact-sync "
            "tokens export made."
        ) from None
    except (ValueError, InvalidToken):
        raise UsageError(
            f"The transfer key does not open {file}: give the key that contact-sync tokens export "
            "showed for this very file."
        ) from None


def _remove(file: Path) -> None:
    try:
        remove_file(file)
    except OSError as error:
        _log.warning("remove the imported file by hand", file=str(file), reason=error.strerror)


def _to_text(row: StoredPair) -> str:
    values = asdict(row)
    return json.dumps({name: values[name] for name in _KEPT}, default=datetime.isoformat)


def _from_text(text: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    return content | {name: datetime.fromisoformat(content[name]) for name in _INSTANTS}
