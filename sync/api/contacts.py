"""Contacts (the contract's `/contacts`): read page by page, and changed one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync.api.session import ApiSession, Json, Params
from sync.errors import ContractBroken

Contact = dict[str, Any]
EVERYTHING = "custom_fields,list_memberships,phone_numbers,street_addresses,taggings"
# How many lists GET /contacts can be asked for at once (the contract's parameter `lists`).
LISTS_AT_ONCE = 25
_WITH_LISTS = {"include": "list_memberships"}
_ALL = "all"
_NOT_REACHED = "unsubscribed,deleted,temp_hold"
# What permission_to_send says of those whom the account may write to.
_REACHED = frozenset({"explicit", "implicit"})
# The most contacts that one page may hold (the contract's parameter `limit`).
PAGE = 500


@dataclass(frozen=True, slots=True)
class OptOut:
    """How a person unsubscribed, as far as it is told; `source` is Contact or Account."""

    happened_at: datetime | None
    reason: str | None
    source: str | None


def all_memberships(session: ApiSession) -> Iterator[Contact]:
    """Everybody, whatever the status, with the lists; nobody leaves that: deleted ones stay."""
    return _contacts(session, {"status": _ALL, **_WITH_LISTS})


def not_reached(session: ApiSession) -> Iterator[Contact]:
    """Everybody who is unsubscribed, deleted or held now, with the lists."""
    return _leaving(session, {"status": _NOT_REACHED, **_WITH_LISTS})


def deleted(session: ApiSession) -> Iterator[Contact]:
    """Everybody who is deleted now, with the lists."""
    return _leaving(session, {"status": "deleted", **_WITH_LISTS})


def unsubscribed_since(session: ApiSession, instant: datetime) -> Iterator[Contact]:
    """Everybody who is unsubscribed by a day after that, with the lists."""
    params = {"status": "unsubscribed", "optout_after": _iso(instant)}
    return _leaving(session, {**params, **_WITH_LISTS})


def updated_between(
    session: ApiSession, after: datetime, before: datetime | None, *, reached: bool = True
) -> Iterator[Contact]:
    """Everybody whom somebody changed last between the two, with the lists.

    Without `reached` only those who are unsubscribed, deleted or held.
    """
    params: dict[str, str | int] = {
        "status": _ALL if reached else _NOT_REACHED,
        "updated_after": _iso(after),
        **_WITH_LISTS,
    }
    if before is not None:
        params["updated_before"] = _iso(before)
        return _leaving(session, params)
    # Who is changed meanwhile may go from the front to the end, which no count shows.
    return _contacts(session, params, slid=_slid)


def members(session: ApiSession, list_ids: list[str]) -> Iterator[Contact]:
    """The members of the lists (at most 25), with everything that a sync can set."""
    return _contacts(session, {"lists": ",".join(list_ids), "include": EVERYTHING})


def memberships(
    session: ApiSession, list_ids: list[str], *, counted: bool = False
) -> Iterator[Contact]:
    """The members of the lists (at most 25), with their lists alone.

    Unless they are `counted` with each page, which may take long where they are very many, one
    may be skipped when another leaves meanwhile.
    """
    params = {"lists": ",".join(list_ids), "include": "list_memberships"}
    return _leaving(session, params) if counted else _contacts(session, params)


def tagged(session: ApiSession, tag_id: str) -> Iterator[Contact]:
    """Everybody who has the tag, unsubscribed ones too."""
    return _leaving(session, {"status": _ALL, "tags": tag_id})


def everybody(session: ApiSession) -> Iterator[Contact]:
    """Every contact that is not deleted, without its lists and custom fields."""
    return _contacts(session, {})


def whole_audience(session: ApiSession) -> Iterator[Contact]:
    """Every contact, unsubscribed and deleted ones too, with everything that a sync can set."""
    return _contacts(session, {"status": "all", "include": EVERYTHING})


def by_address(session: ApiSession, address: str) -> Contact | None:
    """The contact with this address, unsubscribed and deleted ones too."""
    params = {"email": address, "status": "all", "include": EVERYTHING}
    return next(_contacts(session, params), None)


def rewrite(session: ApiSession, contact: Contact, body: bytes) -> None:
    """PUT a contact; raises OutcomeUnknown, and RequestRefused with 409 for simultaneous edits.

    Raises ContractBroken when that has changed the permission, which the body does not hold: the
    contract doesn't say what becomes of it then, and it must not go wrong for thousands.
    """
    answer = session.put(f"/contacts/{id_of(contact)}", body)
    if not isinstance(answer, dict) or "email_address" not in answer:
        return
    before, now = (_email_address(each).get("permission_to_send") for each in (contact, answer))
    if now not in (before, "unsubscribed"):
        raise ContractBroken(
            f"Constant Contact has made the permission {before} of a contact {now}, when other "
            "fields of it were changed, so nothing more was changed that way. See to the contact "
            f"{id_of(contact)} there, and report this."
        )


def id_of(contact: Contact) -> str:
    """Constant Contact's own name of the contact."""
    contact_id = contact.get("contact_id")
    if not isinstance(contact_id, str):
        raise ContractBroken("Constant Contact showed a contact without contact_id.")
    return contact_id


def address_of(contact: Contact) -> str | None:
    """The normalised address; None for a contact that has only a phone for SMS."""
    address = _email_address(contact).get("address")
    return str(address).strip().lower() if address else None


def created_at(contact: Contact) -> datetime | None:
    """When it was made; None when that can't be read."""
    return _instant(contact.get("created_at"))


def updated_at(contact: Contact) -> datetime | None:
    """When it was changed last, by whatever moves that; None when that can't be read."""
    return _instant(contact.get("updated_at"))


def deleted_at(contact: Contact) -> datetime | None:
    """When it was deleted: by the contract a day alone."""
    return _instant(contact.get("deleted_at"))


def is_unsubscribed(contact: Contact) -> bool:
    """Whether the person has unsubscribed from everything."""
    return bool(_email_address(contact).get("permission_to_send") == "unsubscribed")


def is_out(contact: Contact) -> bool:
    """Whether the person has unsubscribed from everything, or the contact was deleted."""
    return bool(contact.get("deleted_at")) or is_unsubscribed(contact)


def is_reached(contact: Contact) -> bool:
    """Whether the account may write to the person: neither ended nor held nor to be confirmed."""
    permission = _email_address(contact).get("permission_to_send")
    return permission in _REACHED and not contact.get("deleted_at")


def is_held(contact: Contact) -> bool:
    """Whether mails to the person came back, so that none are sent for a while."""
    held = _email_address(contact).get("permission_to_send") == "temp_hold"
    return held and not contact.get("deleted_at")


def opt_out_of(contact: Contact) -> OptOut:
    """What the service tells of how the person unsubscribed."""
    told = _email_address(contact)
    return OptOut(
        _instant(told.get("opt_out_date")),
        _text(told.get("opt_out_reason"), 255),
        _text(told.get("opt_out_source"), 20),
    )


def _text(value: object, most: int) -> str | None:
    """A person's text in a line, without what no database takes."""
    text = " ".join(str(value or "").replace("\0", "").split())
    return text.encode(errors="replace").decode()[:most] or None


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _iso(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _email_address(contact: Contact) -> dict[str, Any]:
    held = contact.get("email_address")
    return held if isinstance(held, dict) else {}


def _leaving(session: ApiSession, params: Params) -> Iterator[Contact]:
    """The contacts of a collection that people leave and enter, with its size; some come twice.

    Whether a cursor holds a place or counts contacts is not stated. If it counts them, whoever
    leaves while the collection is read makes the next page skip one, who has slid onto the page
    before. Only as many people entering in the same moment as leave would go unnoticed.
    """
    return _contacts(session, {**params, "include_count": "true"}, slid=_slid)


def _slid(before: Json, page: Json) -> int:
    """Onto how many of the pages before somebody may have slid; one when no size is told."""
    then, now = (each.get("contacts_count") for each in (before, page))
    if not isinstance(then, int) or not isinstance(now, int):
        return 1
    return 0 if then == now else max(then - now, 0) // PAGE + 1


def _contacts(
    session: ApiSession, params: Params, *, slid: Callable[[Json, Json], int] | None = None
) -> Iterator[Contact]:
    for page in session.pages("/contacts", {**params, "limit": PAGE}, slid=slid):
        contacts = page.get("contacts") if isinstance(page, dict) else None
        if not isinstance(contacts, list) or not all(isinstance(each, dict) for each in contacts):
            raise ContractBroken("Constant Contact answered GET /contacts without contacts.")
        yield from contacts
