"""Reading what people did on the other side, before anything is decided.

Constant Contact's import would put a person back on a list that they left, and revive a deleted
contact (api_guide/contacts_sync and contacts_delete), so both must be known before it is sent.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import structlog

from sync.api import contacts
from sync.api.contacts import Contact
from sync.api.session import ApiSession
from sync.portions import portions
from sync.state import absences, audience
from sync.state.audience import Ended
from sync.state.list_sets import remembered_lists
from sync.state.store import Store

# The service's clock and ours may differ, and a change may become visible late.
_OVERLAP = timedelta(hours=1)
_AT_ONCE = 500
_BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)
_log = structlog.get_logger()


def observe(session: ApiSession, store: Store, account: str, now: datetime) -> None:
    """Note everybody who is unsubscribed or deleted now, and who left a list since last time."""
    for some in portions(contacts.opted_out(session), _AT_ONCE):
        opt_outs = [
            (email, Ended.DELETED if contact.get("deleted_at") else Ended.UNSUBSCRIBED)
            for contact in some
            if (email := contacts.address_of(contact))
        ]
        with store.write() as connection:
            audience.note_opt_outs(connection, account, opt_outs, now)
    with store.write() as connection:
        audience.forget_opt_outs_before(connection, account, now)
        since = audience.observed_until(connection, account)
        known = audience.size(connection, account)
    if known:
        start = _BEFORE_ALL if since is None else since - _OVERLAP
        for some in portions(contacts.updated_since(session, start), _AT_ONCE):
            with store.write() as connection:
                audience.note_memberships(connection, account, _memberships(some), now)
    with store.write() as connection:
        audience.set_observed_until(connection, account, now)


def observe_changed(
    session: ApiSession, store: Store, account: str, run_id: int, now: datetime
) -> bool:
    """Look whether the contacts that are about to be changed are on their lists still.

    Returns whether somebody has left one, so that the comparison must be made again.
    """
    with store.write() as connection:
        changed = absences.changed(connection, run_id)
        if not changed:
            return False
        lists = absences.doubt(connection, account, run_id, now)
        there = lists & set(remembered_lists(connection, account).values())
        pages = audience.size(connection, account) // _AT_ONCE + 1
        one_by_one = absences.changed_addresses(connection, run_id) if changed < pages else []
    found = _by_address(session, one_by_one) if one_by_one else _on_lists(session, sorted(there))
    for some in portions(found, _AT_ONCE):
        with store.write() as connection:
            absences.trust(connection, account, _memberships(some))
    with store.write() as connection:
        left = absences.believe(connection, account, now)
    if left:
        _log.info("left_lists", contacts=left)
    return left > 0


def _by_address(session: ApiSession, emails: Iterable[str]) -> Iterator[Contact]:
    found = (contacts.by_address(session, email) for email in emails)
    return (contact for contact in found if contact is not None)


def _on_lists(session: ApiSession, list_ids: list[str]) -> Iterator[Contact]:
    for some in portions(list_ids, contacts.LISTS_AT_ONCE):
        yield from contacts.memberships(session, some)


def _memberships(some: list[Contact]) -> dict[str, frozenset[str]]:
    """The lists of those who are neither deleted nor unsubscribed, by address."""
    return {
        email: frozenset(contact.get("list_memberships") or ())
        for contact in some
        if (email := contacts.address_of(contact))
        and not contact.get("deleted_at")
        and not contacts.is_unsubscribed(contact)
    }
