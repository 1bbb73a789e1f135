"""Writing a new pair before anything else is done with it: the database first, then the rescue."""

import threading
import time
from datetime import timedelta

import structlog

from sync.auth.rescue import Rescue
from sync.auth.steps import Observer, Step
from sync.auth.witness import Witness
from sync.errors import StateError
from sync.state.store import Store
from sync.state.tokens import StoredPair, replace_pair

_STORE_PAUSE = timedelta(seconds=1)
# A write takes milliseconds.
_SLOW_WRITE = timedelta(seconds=1)
_log = structlog.get_logger()


class Safekeeping:
    """Where a new pair goes, whatever fails.

    `patience` is how long a database that fails at the worst moment is tried again while the
    pair is safe in the rescue file, and `last_patience` while it is nowhere but in memory.
    """

    def __init__(
        self,
        store: Store,
        rescue: Rescue,
        witness: Witness,
        observe: Observer,
        *,
        patience: timedelta = timedelta(seconds=20),
        last_patience: timedelta = timedelta(minutes=10),
    ) -> None:
        self._store = store
        self._rescue = rescue
        self._witness = witness
        self._observe = observe
        self._patience = patience
        self._last_patience = last_patience

    def prepare(self) -> None:
        """Make room for the worst; raises StateError when there is none."""
        self._rescue.prepare()

    def store(self, row: StoredPair) -> None:
        """Write a new pair before anything else is done with it.

        Whatever stops the write, the pair goes to the rescue file, and the write is tried again.
        Where it takes long, since another holds the row or the database is out of reach, the pair
        goes there meanwhile.
        """
        rescued: list[bool] = []
        rescuer = threading.Timer(
            _SLOW_WRITE.total_seconds(), lambda: rescued.append(self._rescue_once(row))
        )
        rescuer.daemon = True
        rescuer.start()
        try:
            try:
                self._store_once(row)
            finally:
                rescuer.cancel()
                rescuer.join()
        except BaseException as failure:
            safe = any(rescued) or self._rescue_once(row)
            if not isinstance(failure, StateError):
                raise
            self._store_patiently(row, failure, rescued=safe)
        else:
            if rescued:
                self._rescue.discard()

    def _store_once(self, row: StoredPair) -> None:
        if replace_pair(self._store, row):
            self._observe(Step.STORED)
            self._witness.record(row.generation)
        else:
            # Two refreshed at once, in spite of the lock: the first to write is believed.
            _log.warning("token pair replaced by somebody else", generation=row.generation)

    def _rescue_once(self, row: StoredPair) -> bool:
        try:
            file = self._rescue.write(row)
        except Exception as error:  # noqa: BLE001 (whatever it is, the pair is still in memory)
            _log.critical("new token pair is only in memory", reason=str(error))
            return False
        self._observe(Step.RESCUED)
        _log.error("new token pair is in the rescue file", file=str(file))
        return True

    def _store_patiently(self, row: StoredPair, failure: StateError, *, rescued: bool) -> None:
        started = time.monotonic()
        while True:
            patience = self._patience if rescued else self._last_patience
            if time.monotonic() - started >= patience.total_seconds():
                raise StateError(_unsaved_sentence(failure, rescued=rescued)) from failure
            time.sleep(_STORE_PAUSE.total_seconds())
            try:
                self._store_once(row)
            except StateError as error:
                failure = error
                rescued = rescued or self._rescue_once(row)
            else:
                self._rescue.discard()
                return


def _unsaved_sentence(failure: StateError, *, rescued: bool) -> str:
    if rescued:
        return (
            f"A new token pair was received, but: {failure} The pair is safe in the rescue file; "
            "the next start adopts it."
        )
    return (
        f"A new token pair was received, but neither the database nor a rescue file could take "
        f"it: {failure} While this process lives it goes on trying; free the disk now, and don't "
        "end it. If it ends first, contact-sync authorize is needed."
    )
