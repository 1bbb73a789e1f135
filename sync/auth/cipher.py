"""The tokens' encryption at rest, and where its key comes from.

Fernet (AES-128-CBC with an HMAC, https://cryptography.io/en/latest/fernet/) under one key or
several: the first encrypts, all decrypt, so that keys can be exchanged one after the other.
"""

import contextlib
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from sync.auth.durable import create_file, replace_file
from sync.errors import ConfigurationError, StateError
from sync.settings import Settings, read_secret_file


class TokenCipher:
    """Encrypts and decrypts tokens; the keys are read when they are first needed.

    Raises ConfigurationError when there is no key, when it is none, or when it doesn't fit.
    """

    def __init__(self, read_keys: Callable[[], str]) -> None:
        self._read_keys = read_keys
        self._fernet: MultiFernet | None = None

    def encrypt(self, plain: str) -> str:
        """Ciphertext under the first key."""
        return self._open().encrypt(plain.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        """The plain text of what any of the keys encrypted.

        When none fits, the keys are read again: another process may have exchanged them.
        """
        try:
            return self._decrypt(sealed)
        except InvalidToken:
            self.reload()
        try:
            return self._decrypt(sealed)
        except InvalidToken:
            raise ConfigurationError(
                "The vault's key doesn't fit the stored tokens: put the right key back (vault.key, "
                "vault.key_file or the systemd credential vault_key), or, if it is gone, run "
                "contact-sync authorize."
            ) from None

    def can_decrypt(self, sealed: str) -> bool:
        """Whether one of the keys fits."""
        try:
            self.decrypt(sealed)
        except ConfigurationError:
            return False
        return True

    def reload(self) -> None:
        """Read the keys again."""
        self._fernet = _fernet(self._read_keys())

    def _decrypt(self, sealed: str) -> str:
        return self._open().decrypt(sealed.encode()).decode()

    def _open(self) -> MultiFernet:
        if self._fernet is None:
            self.reload()
        assert self._fernet is not None  # noqa: S101 (for mypy)
        return self._fernet


def open_cipher(settings: Settings, *, create: bool = False) -> TokenCipher:
    """The cipher of the configuration.

    The key comes from vault.key (the environment or a systemd credential), else from the key
    file. With `create`, which only `authorize` asks for, a missing key file is made.
    """
    if create and settings.vault.key is None:
        _create_key_file(settings)
    return TokenCipher(lambda: read_keys(settings))


def read_keys(settings: Settings) -> str:
    """The key, or several, one a line; raises ConfigurationError when there is none."""
    if settings.vault.key is not None:
        return settings.vault.key.get_secret_value()
    file = settings.vault_key_file
    try:
        file.stat()
    except FileNotFoundError:
        # All hosts of a cluster have the same one.
        whence = "another host of the cluster" if settings.cluster.enabled else "a backup"
        raise ConfigurationError(
            f"The vault's key file {file} is missing, and without it the stored tokens can't be "
            f"read: bring the file back from {whence}, or name its place in vault.key_file; if "
            "it is gone for good, run contact-sync authorize, which makes a new one."
        ) from None
    except OSError:
        pass  # what is wrong is told by whoever reads it
    return read_secret_file(file)


def new_key() -> str:
    """A fresh key."""
    return Fernet.generate_key().decode()


def write_key_file(settings: Settings, keys: list[str]) -> None:
    """Put these keys into the key file, at once and durably."""
    file = settings.vault_key_file
    try:
        replace_file(file, _lines(keys))
    except OSError as error:
        raise StateError(
            f"The vault's key file {file} can't be written: {error.strerror}; nothing was changed."
        ) from None


def _create_key_file(settings: Settings) -> None:
    file = settings.vault_key_file
    try:
        # An empty one is what a power loss leaves of a key that never encrypted anything.
        if file.exists() and file.stat().st_size == 0:
            file.unlink()
        with contextlib.suppress(FileExistsError):
            create_file(file, _lines([new_key()]))
    except OSError as error:
        raise StateError(
            f"The vault's key file {file} can't be made: {error.strerror}; name another in "
            "vault.key_file, or give this user the right to write there."
        ) from None


def _fernet(keys: str) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys.split()])
    except ValueError:
        raise ConfigurationError(
            "The vault's key is not a Fernet key, which has 44 characters of base64: put the right "
            "one back, or move the key file away and run contact-sync authorize, which makes one."
        ) from None


def _lines(keys: list[str]) -> bytes:
    return "".join(f"{key}\n" for key in keys).encode()
