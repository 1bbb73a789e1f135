"""Changes of single contacts that are under way: a contact is changed by one request at a time.

The contract declares 409 for a sign-up and for a PUT that meet another change of their contact. The
second request loses, however short their meeting is; `contact_change_time` makes it longer.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class ClashError(Exception):
    """Another request is changing this contact."""


class InFlight:
    """Who is being changed just now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[Hashable] = set()

    @contextmanager
    def alone(self, who: Hashable) -> Iterator[None]:
        """Change somebody in this block; raises ClashError when another request is at it."""
        with self._lock:
            if who in self._busy:
                raise ClashError
            self._busy.add(who)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(who)
