"""Learning Constant Contact's ids of contacts, by the cheaper of two roads."""

from collections.abc import Iterable, Iterator
from itertools import islice

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.session import ApiSession
from sync.portions import portions
from sync.state import audience, identities
from sync.state.follow_ups import FollowUp
from sync.state.identities import Identity
from sync.state.store import Store


def identify(session: ApiSession, store: Store, account: str, wanted: Iterable[FollowUp]) -> None:
    """Learn the ids that are missing: one by one, or page by page when that is fewer requests."""
    unknown = {each.email: None for each in wanted if each.contact_id is None}
    if not unknown:
        return
    with store.read() as connection:
        pages = audience.size(connection, account) // contacts.PAGE + 1
    emails = list(islice(unknown, pages + 1))
    there = _one_by_one(session, emails) if len(emails) <= pages else contacts.everybody(session)
    for some in portions(there, contacts.PAGE):
        found = [identity for each in some if (identity := _identity(each))]
        with store.write() as connection:
            identities.note(connection, account, found)


def _one_by_one(session: ApiSession, emails: Iterable[str]) -> Iterator[Contact]:
    found = (contacts.by_address(session, email) for email in emails)
    return (each for each in found if each is not None and not each.get("deleted_at"))


def _identity(there: Contact) -> Identity | None:
    email = contacts.address_of(there)
    contact_id = there.get("contact_id")
    if not email or not isinstance(contact_id, str):
        return None
    return Identity(
        email, contact_id, contacts.created_at(there), there.get("create_source") != "Contact"
    )
