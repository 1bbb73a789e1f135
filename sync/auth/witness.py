"""A witness beside the database: the highest generation that this host has seen stored.

A database that was restored from a backup holds a refresh token that was spent long ago. Sending
it would at best be refused, and at worst end the authorization of whoever holds the newer pair.
"""

from pathlib import Path

import structlog

from sync.auth.durable import file_name, replace_file
from sync.auth.provenance import CopyFound
from sync.state.store import Store
from sync.state.tokens import StoredPair

_log = structlog.get_logger()


class Witness:
    """The generation file of one account of one state database, in the state directory."""

    def __init__(self, folder: Path, store: Store, account: str) -> None:
        self._file = folder / file_name("generation", store.address, account)

    def generation(self) -> int:
        """The highest generation seen; 0 when there is none, or when the file can't be read."""
        try:
            return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def record(self, generation: int) -> None:
        """Remember a generation that the database surely has. That it fails is no harm."""
        try:
            replace_file(self._file, f"{generation}\n".encode())
        except OSError as error:
            _log.warning("generation can't be noted", file=str(self._file), reason=error.strerror)


def contradiction(row: StoredPair, seen: int) -> CopyFound | None:
    """What to say when the row is older than what was seen before; None when it is not."""
    if row.generation >= seen:
        return None
    return CopyFound(
        f"The state database holds token pair number {row.generation}, but this host has seen "
        f"number {seen}: it was restored from a backup, and its refresh token is spent. Nothing "
        "was renewed. Bring the newer database back, or run contact-sync authorize; if you are "
        "sure that the pair is good, run contact-sync adopt."
    )
