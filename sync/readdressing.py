"""Changing the addresses of people who are there under a former one.

Before the imports, which would make a second contact of each. What can't be settled today sends
nothing of that person; the next run finds it as it is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.session import ApiSession
from sync.clock import Clock
from sync.contact.rewriting import rewritten
from sync.errors import OutcomeUnknown, RequestRefused
from sync.state import address_changes, audience
from sync.state.address_changes import AddressChange
from sync.state.store import Store

_TRIES = 3
_NOT_FOUND = 404
_CONFLICT = 409
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotReaddressed:
    """A change that Constant Contact did not take; the address is sent as anybody's."""

    change: AddressChange
    code: str
    reason: str


@dataclass(slots=True)
class Readdressed:
    """What was achieved so far."""

    contacts: int = 0
    failed: list[NotReaddressed] = field(default_factory=list)


class Readdressing:
    """Changes the addresses of one account's contacts."""

    def __init__(
        self,
        store: Store,
        account: str,
        session: ApiSession,
        clock: Clock,
        on_contact: Callable[[int], None],
    ) -> None:
        self._on_contact = on_contact
        self._store = store
        self._account = account
        self._session = session
        self._clock = clock
        self.result = Readdressed()

    def run(self, run_id: int, changes: Iterable[AddressChange]) -> Readdressed:
        """Change the addresses; raises what the session does."""
        for change in changes:
            self._change(run_id, change)
            self._on_contact(1)
        return self.result

    def _change(self, run_id: int, change: AddressChange) -> None:
        contact_id = change.contact_id
        for attempt in range(1, _TRIES + 1):
            there = contacts.by_address(self._session, change.former)
            if there is None:
                self._recognise(run_id, change, contact_id)
                return
            if contacts.is_out(there):
                return  # since this run has observed; the next one leaves the person out
            contact_id = contacts.id_of(there)
            self._note(change, there)
            body = rewritten(there, {}, address=change.email)
            try:
                if body is not None:
                    contacts.rewrite(self._session, there, body)
            except OutcomeUnknown:
                if attempt == _TRIES:
                    raise
            except RequestRefused as error:
                if self._is_final(error, change, contact_id):
                    self._leave(run_id, change, error)
                    return
            else:
                self._renamed(change)
                return

    def _recognise(self, run_id: int, change: AddressChange, contact_id: str | None) -> None:
        """The former address is not there: because an earlier change came through, or for good."""
        there = contacts.by_address(self._session, change.email)
        if there is None or contacts.id_of(there) != contact_id:
            with self._store.write() as connection:
                address_changes.take_for_others(connection, run_id, [change.row])
        elif not contacts.is_out(there):
            self._note(change, there)
            self._renamed(change)

    def _note(self, change: AddressChange, there: Contact) -> None:
        """Note who it is, and which lists the person has left, before anything is changed."""
        lists = frozenset(there.get("list_memberships") or ())
        with self._store.write() as connection:
            address_changes.note_id(connection, self._account, change.former, contacts.id_of(there))
            audience.note_memberships(
                connection, self._account, {change.former: lists}, self._clock()
            )

    def _renamed(self, change: AddressChange) -> None:
        with self._store.write() as connection:
            now = self._clock()
            address_changes.rename(connection, self._account, change.former, change.email, now)
        self.result.contacts += 1

    def _is_final(self, error: RequestRefused, change: AddressChange, contact_id: str) -> bool:
        """Whether to look again is no use: 409 is a clash of edits too."""
        if error.status == _CONFLICT:
            other = contacts.by_address(self._session, change.email)
            return other is not None and contacts.id_of(other) != contact_id
        return error.status != _NOT_FOUND

    def _leave(self, run_id: int, change: AddressChange, error: RequestRefused) -> None:
        taken = error.status == _CONFLICT
        _log.warning("an address was not changed", status=error.status)
        self.result.failed.append(
            NotReaddressed(
                change,
                "address_taken" if taken else "address_refused",
                "another contact has the new address there; the one with the former address "
                f"{change.former} stays: see to them there"
                if taken
                else f"the former address {change.former} could not be changed: {error}",
            )
        )
        with self._store.write() as connection:
            address_changes.take_for_others(connection, run_id, [change.row])
            # It is the same person, who is not put on these lists under another address.
            left = address_changes.left_lists(connection, self._account, change.former)
            audience.note_left(connection, self._account, change.email, left, self._clock())
