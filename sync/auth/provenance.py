"""Where a pair belongs: its home, the application it was issued to, and who issued it.

A pair that is copied elsewhere and refreshed there is dead at home. So a copy must be told from
the home, and a refresh token must go to nobody but its issuer. The home is the machine beside
SQLite; with a database server it is the server, since many hosts may rightly share it.
"""

import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path

from sync.errors import AuthorizationNeeded, ConfigurationError, ContactSyncError
from sync.settings import Settings
from sync.state.store import Store
from sync.state.tokens import StoredPair, database_identity

# machine-id(5): confidential, so only a keyed digest of it may be shown or stored.
_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_PURPOSE = b"contact-sync"


class CopyFound(AuthorizationNeeded):
    """The state was copied or moved; the pair may be in use elsewhere."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """`host` is a name for people, a slash, and the mark that is compared."""

    host: str
    client_id: str
    token_url: str


def provenance_here(settings: Settings, store: Store) -> Provenance:
    """What a pair that belongs here says of itself."""
    identity = database_identity(store)
    kind = "server" if identity else "machine"
    mark = _digest(identity or _machine_id() or _file_identity(store))
    host = f"{socket.gethostname()[:180]}/{kind}-{mark}"
    return Provenance(host, settings.oauth.client_id, settings.oauth.token_url)


def misfit(row: StoredPair, here: Provenance) -> ContactSyncError | None:
    """Why the pair of this row must not be used here; None when it belongs here."""
    home, present = row.host.rpartition("/"), here.host.rpartition("/")
    if home[2] != present[2]:
        return CopyFound(
            f"This state belongs to {home[0]} ({home[2]}), but this is {present[0]} "
            f"({present[2]}): a copied machine, a restored backup, or a move. Nothing was renewed, "
            "since that would take the authorization from the original. If the original is no "
            "longer in use, run contact-sync adopt; on a copy for tests, run contact-sync "
            "authorize with an account and a state of its own."
        )
    if row.client_id != here.client_id:
        return ConfigurationError(
            "The stored authorization was given to another application than oauth.client_id names: "
            "put the former client_id back, or run contact-sync authorize."
        )
    if row.token_url != here.token_url:
        return ConfigurationError(
            f"The stored authorization came from {row.token_url}, but oauth.token_url is "
            f"{here.token_url}: put the former back, or run contact-sync authorize there. If the "
            "service has moved, run contact-sync adopt."
        )
    return None


def _machine_id() -> str:
    for file in _MACHINE_ID_FILES:
        try:
            content = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if content and content != "uninitialized":
            return content
    return ""


def _file_identity(store: Store) -> str:
    """Containers often have no machine id; the database file on its volume is then the home."""
    return str(Path(store.engine.url.database or ".").stat().st_ino)


def _digest(identity: str) -> str:
    return hashlib.blake2b(identity.encode(), key=_PURPOSE, digest_size=8).hexdigest()
