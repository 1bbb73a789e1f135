"""Reading a batch's contacts back, to learn which of them the service refused, and why.

An import reports counts and texts, but neither row nor address (the contract's ActivityImport).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.imports import Activity
from sync.api.session import ApiSession
from sync.contact.remote import differences
from sync.state.outbox import Batch, BatchContact, Outbox

# Up to so many contacts are asked for by address; more by reading their lists page by page.
_ONE_BY_ONE = 50
# What the service says of a contact, and not the person.
_AT_FAULT = frozenset({"not_imported", "not_on_list", "not_as_sent", "held"})


@dataclass(frozen=True, slots=True)
class Refused:
    """A contact that Constant Contact did not take, or not as it was sent.

    `left` are the lists that the import put it on and that it is not on any more. One that is
    `at_fault` was refused for what is in it, so that to send it again as it is would be of no use.
    """

    row: int
    email: str
    code: str
    reason: str
    left: tuple[str, ...] = ()
    at_fault: bool = False


class ReadBack:
    """Compares the contacts of a batch with what the account holds."""

    def __init__(
        self, outbox: Outbox, session: ApiSession, custom_field_names: dict[str, str]
    ) -> None:
        self._outbox = outbox
        self._session = session
        self._custom_field_names = custom_field_names

    def refused(self, entry: Batch, activity: Activity) -> list[Refused]:
        """Those of the batch's contacts that are not there as they were sent, by row."""
        waiting = {contact.email: contact for contact in self._outbox.contacts(entry)}
        list_ids = self._outbox.list_ids(entry)
        said = "; ".join(activity.errors)
        took = activity.state == "completed"
        found: list[Refused] = []
        for there in self._there(waiting, list_ids):
            sent = waiting.pop(contacts.address_of(there) or "", None)
            if sent is None:
                continue
            taken = took and not _untouched(there, activity)
            if refused := self._compare(sent, there, list_ids, said, taken=taken):
                found.append(refused)
        found += [
            _refusal(sent, "not_imported", "it is not there after the import", said)
            for sent in waiting.values()
        ]
        if took:
            found = [replace(each, at_fault=each.code in _AT_FAULT) for each in found]
        return sorted(found, key=lambda refused: refused.row)

    def _there(
        self, waiting: dict[str, BatchContact], list_ids: tuple[str, ...]
    ) -> Iterator[Contact]:
        """What the account holds of those who are waiting, and some others."""
        if len(waiting) > _ONE_BY_ONE:
            # A contact of the batch should be on all of the lists, so some of them are enough.
            yield from contacts.members(self._session, list(list_ids[: contacts.LISTS_AT_ONCE]))
        # Who is on no list is the exception: what became of the first of them is asked for.
        for address in list(islice(waiting, _ONE_BY_ONE)):
            there = contacts.by_address(self._session, address)
            if there is not None:
                yield there

    def _compare(
        self,
        sent: BatchContact,
        there: Contact,
        list_ids: tuple[str, ...],
        said: str,
        *,
        taken: bool,
    ) -> Refused | None:
        """How it is not there as it was sent; `taken` when the import may have taken it."""
        if there.get("deleted_at"):
            return _refusal(sent, "deleted", "the contact was deleted", "")
        if contacts.is_unsubscribed(there):
            return _refusal(sent, "unsubscribed", "the person has unsubscribed", "")
        missing = set(list_ids) - set(there.get("list_memberships") or ())
        fields = differences(sent.body, there, self._custom_field_names)
        if missing and (fields or not taken):
            return _refusal(sent, "not_on_list", "it is not on its lists after the import", said)
        if missing and not contacts.is_reached(there):
            reason = "mails to it came back, or it is to be confirmed: it was put on no list"
            return _refusal(sent, "held", reason, said)
        if missing:
            # The import took it, so it was on its lists, and has left them since.
            reason = "the person left a list after the import, and is not put back on it"
            return Refused(sent.row, sent.email, "left_list", reason, tuple(sorted(missing)))
        if fields:
            names = ", ".join(each.field for each in fields)
            return _refusal(sent, "not_as_sent", f"{names} differ after the import", said)
        return None


def _untouched(there: Contact, activity: Activity) -> bool:
    """Whether nothing has changed the contact since the import was queued."""
    updated = contacts.updated_at(there)
    return bool(updated and activity.created_at and updated < activity.created_at)


def _refusal(sent: BatchContact, code: str, reason: str, said: str) -> Refused:
    detail = f" (Constant Contact says: {said})" if said else ""
    return Refused(sent.row, sent.email, code, reason + detail)
