"""Reading a batch's contacts back, to learn which of them the service refused, and why.

An import reports counts and texts, but neither row nor address (the contract's ActivityImport).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.imports import Activity
from sync.api.session import ApiSession
from sync.contact.remote import differences
from sync.state.outbox import Batch, BatchContact, Outbox

# Up to so many contacts are asked for by address; more by reading their lists page by page.
_ONE_BY_ONE = 50
_LISTS_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Refused:
    """A contact that Constant Contact did not take, or not as it was sent."""

    row: int
    email: str
    code: str
    reason: str


class ReadBack:
    """Compares the contacts of a batch with what the account holds."""

    def __init__(
        self, outbox: Outbox, session: ApiSession, custom_field_names: dict[str, str]
    ) -> None:
        self._outbox = outbox
        self._session = session
        self._custom_field_names = custom_field_names

    def refused(self, entry: Batch, activity: Activity) -> list[Refused]:
        """Those of the batch's contacts that are not there as they were sent."""
        sent = self._outbox.contacts(entry)
        list_ids = self._outbox.list_ids(entry)
        there = self._one_by_one(sent) if len(sent) <= _ONE_BY_ONE else self._by_list(list_ids)
        said = "; ".join(activity.errors)
        compared = (
            self._compare(contact, there.get(contact.email), frozenset(list_ids), said)
            for contact in sent
        )
        return [refused for refused in compared if refused is not None]

    def _one_by_one(self, sent: list[BatchContact]) -> dict[str, Contact]:
        found = (contacts.by_address(self._session, contact.email) for contact in sent)
        return _by_address(found)

    def _by_list(self, list_ids: tuple[str, ...]) -> dict[str, Contact]:
        return _by_address(contacts.members(self._session, list(list_ids[:_LISTS_AT_ONCE])))

    def _compare(
        self, sent: BatchContact, there: Contact | None, list_ids: frozenset[str], said: str
    ) -> Refused | None:
        if there is None:
            return _refusal(sent, "not_imported", "it is not there after the import", said)
        if contacts.is_unsubscribed(there):
            return _refusal(sent, "unsubscribed", "the person has unsubscribed", "")
        if not list_ids <= set(there.get("list_memberships") or ()):
            return _refusal(sent, "not_on_list", "it is not on its lists after the import", said)
        fields = differences(sent.body, there, self._custom_field_names)
        if fields:
            return _refusal(
                sent, "not_as_sent", f"{', '.join(fields)} differ after the import", said
            )
        return None


def _refusal(sent: BatchContact, code: str, reason: str, said: str) -> Refused:
    detail = f" (Constant Contact says: {said})" if said else ""
    return Refused(sent.row, sent.email, code, reason + detail)


def _by_address(found: Iterable[Contact | None]) -> dict[str, Contact]:
    return {
        address: contact
        for contact in found
        if contact is not None and (address := contacts.address_of(contact))
    }
