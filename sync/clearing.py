"""Clearing over there what the source has emptied, one contact at a time.

Once the imports are confirmed: an import updates what it carries, and carries no empty value. What
is not cleared today, since the quota or the time did not suffice, is found by the next run again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from sync.api import contacts
from sync.api.session import ApiSession
from sync.contact.fields import SMS_NUMBER
from sync.contact.rewriting import rewritten
from sync.errors import OutcomeUnknown, QuotaExhausted, RequestRefused
from sync.state import uncleared
from sync.state.store import Store
from sync.state.uncleared import Uncleared

_TRIES = 3
# Somebody else changed the contact at the same moment, or has just removed it.
_LOOK_AGAIN = frozenset({404, 409})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotCleared:
    """A contact of whom Constant Contact did not clear a field, with the reason."""

    row: int
    email: str
    fields: tuple[str, ...]
    reason: str
    refused: bool = True


@dataclass(slots=True)
class Cleared:
    """What a clearing achieved so far; `waiting` when the day's quota did not suffice."""

    contacts: int = 0
    waiting: bool = False
    failed: list[NotCleared] = field(default_factory=list)


class Clearing:
    """Clears the fields of one account's contacts that the source has emptied."""

    def __init__(
        self,
        store: Store,
        account: str,
        session: ApiSession,
        custom_field_names: dict[str, str],
        on_contact: Callable[[int], None],
    ) -> None:
        self._store = store
        self._account = account
        self._session = session
        self._custom_field_names = custom_field_names
        self._on_contact = on_contact
        self.result = Cleared()

    def run(self, run_id: int) -> Cleared:
        """Clear what is to be cleared, as far as today's quota goes; raises what the session does.

        Whatever a person has written into such a field over there is cleared too: the source owns
        the fields that it fills.
        """
        try:
            for each in uncleared.waiting(self._store, self._account, run_id):
                self._clear(each)
                self._on_contact(1)
        except QuotaExhausted as spent:
            self.result.waiting = True
            _log.warning("the rest is cleared another day", reason=str(spent))
        return self.result

    def _clear(self, wanted: Uncleared) -> None:
        for attempt in range(1, _TRIES + 1):
            there = contacts.by_address(self._session, wanted.email)
            if there is not None and contacts.is_out(there):
                return  # a PUT would revive the deleted
            body = None
            if there is not None:
                names = self._custom_field_names
                body = rewritten(there, names, clear=wanted.fields, body=wanted.body)
            if there is None or body is None:
                self._done(wanted, changed=attempt > 1)
                return
            try:
                contacts.rewrite(self._session, there, body)
            except OutcomeUnknown:
                # However often it is asked for, it is the same: so it is looked at, and repeated.
                if attempt == _TRIES:
                    raise
            except RequestRefused as error:
                if error.status not in _LOOK_AGAIN or attempt == _TRIES:
                    self._fail(wanted, str(error))
                    return
            else:
                self._done(wanted, changed=True)
                return

    def _done(self, wanted: Uncleared, *, changed: bool) -> None:
        self.result.contacts += changed
        with self._store.write() as connection:
            uncleared.cleared(connection, self._account, wanted.email)
        if SMS_NUMBER in wanted.fields:
            reason = "Constant Contact's API can't take a number for text messages away: see there"
            failed = NotCleared(wanted.row, wanted.email, (SMS_NUMBER,), reason, refused=False)
            self.result.failed.append(failed)

    def _fail(self, wanted: Uncleared, reason: str) -> None:
        self.result.failed.append(NotCleared(wanted.row, wanted.email, wanted.fields, reason))
