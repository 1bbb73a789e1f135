"""Reading what people did on the other side, before anything is decided.

Constant Contact's import would put a person back on a list that they left, and revive a deleted
contact (api_guide/contacts_sync and contacts_delete), so both must be known before it is sent.
"""

from datetime import UTC, datetime, timedelta

from sync.api import contacts
from sync.api.session import ApiSession
from sync.state import audience
from sync.state.audience import Ended
from sync.state.store import Store

# The service's clock and ours may differ, and a change may become visible late.
_OVERLAP = timedelta(hours=1)
_MEMBERSHIPS_AT_ONCE = 500
_BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


def observe(session: ApiSession, store: Store, account: str, now: datetime) -> None:
    """Note everybody who is unsubscribed or deleted now, and who left a list since last time."""
    opt_outs = [
        (email, Ended.DELETED if contact.get("deleted_at") else Ended.UNSUBSCRIBED)
        for contact in contacts.opted_out(session)
        if (email := contacts.address_of(contact))
    ]
    with store.write() as connection:
        audience.replace_opt_outs(connection, account, opt_outs, now)
        since = audience.observed_until(connection, account)
        known = audience.size(connection, account)
    if known:
        _observe_memberships(session, store, account, since, now)
    with store.write() as connection:
        audience.set_observed_until(connection, account, now)


def _observe_memberships(
    session: ApiSession, store: Store, account: str, since: datetime | None, now: datetime
) -> None:
    start = (since or datetime.fromtimestamp(0, now.tzinfo)) - _OVERLAP
    seen: dict[str, frozenset[str]] = {}
    for contact in contacts.updated_since(
        session, max(start, datetime(2000, 1, 1, tzinfo=now.tzinfo))
    ):
        email = contacts.address_of(contact)
        if email is None or contact.get("deleted_at") or contacts.is_unsubscribed(contact):
            continue
        seen[email] = frozenset(contact.get("list_memberships") or ())
        if len(seen) == _MEMBERSHIPS_AT_ONCE:
            _note(store, account, seen, now)
            seen = {}
    _note(store, account, seen, now)


def _note(store: Store, account: str, seen: dict[str, frozenset[str]], now: datetime) -> None:
    with store.write() as connection:
        audience.note_memberships(connection, account, seen, now)
