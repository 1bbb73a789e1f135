"""A process that can be killed at any of its steps, played inside this one.

A step is a request, before and after it, or a transaction, before, within and after it. Once
killed, nothing more gets out of it: each further step fails too, as nothing is left to take it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import Connection

from sync.state.store import Store


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Life:
    """How many steps are left; None is a long life."""

    left: int | None = None

    def step(self) -> None:
        """One step, which may be one too many."""
        if self.left is not None:
            if self.left <= 0:
                raise Killed
            self.left -= 1

    def requests_die_with_it(self, patch: pytest.MonkeyPatch) -> None:
        """Let every request be steps of this life."""
        send = HTTPAdapter.send

        def mortal(adapter: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
            self.step()
            response = send(adapter, *args, **kwargs)
            self.step()
            return response

        patch.setattr(HTTPAdapter, "send", mortal)
        # There is no proxy, and to look for one takes long where there are many variables.
        patch.setattr("requests.sessions.get_environ_proxies", lambda *_, **__: {})


class MortalStore(Store):
    """A state database whose transactions are steps of a life."""

    def __init__(self, store: Store, life: Life) -> None:
        super().__init__(store.engine, store.locks)
        self._life = life

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As the store's, while there is life."""
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """As the store's; a kill within takes the transaction back."""
        self._life.step()
        with super().write(durable=durable) as connection:
            yield connection
            self._life.step()
        self._life.step()
