"""Everything that one sandbox is made of, handed to whoever answers a request."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sync.sandbox.clock import Clock
from sync.sandbox.database import Database
from sync.sandbox.faults import FaultBook
from sync.sandbox.in_flight import InFlight
from sync.sandbox.limits import Limits
from sync.sandbox.oauth.tokens import Signer
from sync.sandbox.request_log import RequestLog
from sync.sandbox.settings import SandboxSettings

if TYPE_CHECKING:
    from sync.sandbox.activities import Plan


@dataclass(slots=True)
class World:
    """The settings may be replaced at any time; the other parts live as long as the sandbox."""

    settings: SandboxSettings
    database: Database
    clock: Clock
    log: RequestLog
    faults: FaultBook
    limits: Limits
    signer: Signer
    in_flight: InFlight = field(default_factory=InFlight)
    plans: list[Plan] = field(default_factory=list)
    """How coming activities shall end, in place of completing."""
    base_url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the sandbox stops: slow answers then end at once."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while a request is worked on: one at a time."""

    def use(self, settings: SandboxSettings) -> None:
        """Change the settings, also those that an application was registered with."""
        with self.lock:
            self.settings = settings
            sql = "UPDATE application SET refresh_kind = ?, redirect_uris = ?"
            addresses = json.dumps(settings.redirect_uris)
            self.database.run(sql, (settings.refresh_token_kind, addresses))
