"""Reading contacts (the contract's `/contacts`), page by page."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sync.api.session import ApiSession, Params
from sync.errors import ContractBroken

Contact = dict[str, Any]
EVERYTHING = "custom_fields,list_memberships,phone_numbers,street_addresses"
# How many lists GET /contacts can be asked for at once (the contract's parameter `lists`).
LISTS_AT_ONCE = 25
_PAGE = 500


def opted_out(session: ApiSession) -> Iterator[Contact]:
    """Everybody who is unsubscribed or deleted now."""
    return _contacts(session, {"status": "unsubscribed,deleted"})


def updated_since(session: ApiSession, instant: datetime) -> Iterator[Contact]:
    """Everybody whom somebody changed since, with the list memberships."""
    since = instant.isoformat(timespec="seconds").replace("+00:00", "Z")
    return _contacts(
        session, {"status": "all", "updated_after": since, "include": "list_memberships"}
    )


def members(session: ApiSession, list_ids: list[str]) -> Iterator[Contact]:
    """The members of the lists (at most 25), with everything that an import can set."""
    return _contacts(session, {"lists": ",".join(list_ids), "include": EVERYTHING})


def memberships(session: ApiSession, list_ids: list[str]) -> Iterator[Contact]:
    """The members of the lists (at most 25), with their lists alone."""
    return _contacts(session, {"lists": ",".join(list_ids), "include": "list_memberships"})


def by_address(session: ApiSession, address: str) -> Contact | None:
    """The contact with this address, unsubscribed and deleted ones too."""
    params = {"email": address, "status": "all", "include": EVERYTHING}
    return next(_contacts(session, params), None)


def address_of(contact: Contact) -> str | None:
    """The normalised address; None for a contact that has only a phone for SMS."""
    address = _email_address(contact).get("address")
    return str(address).strip().lower() if address else None


def is_unsubscribed(contact: Contact) -> bool:
    """Whether the person has unsubscribed from everything."""
    return bool(_email_address(contact).get("permission_to_send") == "unsubscribed")


def _email_address(contact: Contact) -> dict[str, Any]:
    held = contact.get("email_address")
    return held if isinstance(held, dict) else {}


def _contacts(session: ApiSession, params: Params) -> Iterator[Contact]:
    for page in session.pages("/contacts", {**params, "limit": _PAGE}):
        contacts = page.get("contacts") if isinstance(page, dict) else None
        if not isinstance(contacts, list) or not all(isinstance(each, dict) for each in contacts):
            raise ContractBroken("Constant Contact answered GET /contacts without contacts.")
        yield from contacts
