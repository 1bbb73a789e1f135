"""Changes of up to 500 contacts at once that are not imports.

Sources: the contract's `/activities/remove_list_memberships`, `/activities/contacts_taggings_add`,
`/activities/contacts_taggings_remove` and `/activities/contact_delete`. All of them take the
service's own contact ids, never addresses.
"""

from collections.abc import Sequence

import orjson

from sync.api.imports import Activity, accepted
from sync.api.session import ApiSession
from sync.state.bulk_changes import BulkKind

# "You can include up to 500 contact_ids" (the contract, of each of them).
MOST_CONTACTS = 500
_PATHS = {
    BulkKind.LEAVE_LIST: "/activities/remove_list_memberships",
    BulkKind.ADD_TAG: "/activities/contacts_taggings_add",
    BulkKind.REMOVE_TAG: "/activities/contacts_taggings_remove",
    BulkKind.DELETE: "/activities/contact_delete",
}


def post_change(
    session: ApiSession, kind: BulkKind, target: str, contact_ids: Sequence[str]
) -> Activity:
    """Queue a change; raises OutcomeUnknown when it may or may not have been queued.

    Args:
        target: The list or the tag; nothing for DELETE.
        contact_ids: At most 500. A list of lists in their place would hit every member.
    """
    return accepted(session.post(_PATHS[kind], orjson.dumps(_body(kind, target, contact_ids))))


def _body(kind: BulkKind, target: str, contact_ids: Sequence[str]) -> dict[str, object]:
    if kind is BulkKind.DELETE:
        return {"contact_ids": contact_ids}
    targets = "list_ids" if kind is BulkKind.LEAVE_LIST else "tag_ids"
    return {"source": {"contact_ids": contact_ids}, targets: [target]}
