"""Bulk activities on contacts, lists, tags and fields that are there already.

The schema of remove_list_memberships says `maxItems: 0` where its text says 500 contacts and 50
lists: the text is followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Blueprint, Response

from sync.sandbox import activities
from sync.sandbox.api.gate import Answer, Caller, api_blueprint, endpoint, read_object
from sync.sandbox.api.lists import queue_full
from sync.sandbox.api.parameters import check_ids, path_id
from sync.sandbox.api.problems import invalid, not_found
from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.fields import Fields
from sync.sandbox.audience.person import contact_seq
from sync.sandbox.world import World

WRITE = "contacts:write"
CONTACTS_MAX, LISTS_MAX, TAGS_MAX = 500, 50, 50
LISTS_DELETED_MAX, TAGS_DELETED_MAX, FIELDS_DELETED_MAX = 100, 500, 100
SOURCES_OF_LISTS = ("contact_ids", "list_ids", "tag_ids", "all_active_contacts")
SOURCES_OF_TAGS = (*SOURCES_OF_LISTS, "new_subscriber")
NOT_KEPT_HERE = ("segment_id", "engagement_level")


def bulk_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("bulk")
    reader = _Reader(world)

    def activity(kind: str, read: Callable[[Caller, dict[str, Any]], Any]) -> None:
        @endpoint(pages, world, f"/activities/{kind}", "POST", privilege=WRITE, looks=True)
        def start(caller: Caller) -> Answer:
            return _start(world, caller, kind, read(caller, read_object()))

    def memberships(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        source = reader.source(caller, body, SOURCES_OF_LISTS)
        return source | {"lists": reader.lists(caller, body, LISTS_MAX)}

    def taggings(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        source = reader.source(caller, body, SOURCES_OF_TAGS)
        return source | {"tags": reader.tags(caller, body, TAGS_MAX)}

    def deletion(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        return reader.source(caller, {"source": body}, ("contact_ids", "list_ids"))

    def export(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in body.items() if key in SOURCES_OF_TAGS}
        chosen = given or {"all_active_contacts": True}
        return reader.source(caller, {"source": chosen}, SOURCES_OF_TAGS)

    activity("add_list_memberships", memberships)
    activity("remove_list_memberships", memberships)
    activity("contacts_taggings_add", taggings)
    activity("contacts_taggings_remove", taggings)
    activity("contact_delete", deletion)
    activity("contact_exports", export)
    activity("list_delete", lambda c, b: reader.lists(c, b, LISTS_DELETED_MAX))
    activity("contacts_tags_delete", lambda c, b: reader.tags(c, b, TAGS_DELETED_MAX))
    activity("custom_fields_delete", lambda c, b: reader.fields(c, b, FIELDS_DELETED_MAX))

    @endpoint(pages, world, "/contact_exports/<export_id>", "GET", privilege=WRITE, looks=True)
    def exported(caller: Caller, export_id: str) -> Answer:
        number = path_id("file_export_id", export_id)
        row = activities.find(world, caller.account.number, number)
        if row is None or row["result"] is None:
            raise not_found()
        return Response(row["result"], 200, content_type="text/csv;charset=UTF-8")

    return pages


def _start(world: World, caller: Caller, kind: str, job: Any) -> Answer:
    account = caller.account.number
    if activities.queue_is_full(world, account):
        raise queue_full()
    number = activities.create(world, account, kind, orjson.dumps(job), people=0)
    return activities.first_answer(world, account, number), 201


class _Reader:
    """Reads ids from bodies, as the numbers of what they name."""

    def __init__(self, world: World) -> None:
        self._lists = Lists(world.database)
        self._tags = Tags(world.database)
        self._fields = Fields(world.database)

    def source(
        self, caller: Caller, body: dict[str, Any], allowed: tuple[str, ...]
    ) -> dict[str, Any]:
        """`source` and `exclude`: exactly one kind of source may be given."""
        source = body.get("source")
        if not isinstance(source, dict):
            raise invalid("source must be an object")
        given = [name for name, value in source.items() if value not in (None, [], False)]
        if any(name in NOT_KEPT_HERE for name in given):
            raise invalid(f"{given[0]}: segments and engagement are not kept in this sandbox")
        if len(given) != 1 or given[0] not in allowed:
            raise invalid(f"the source must be one of {', '.join(allowed)}")
        name = given[0]
        found: dict[str, Any]
        if name == "contact_ids":
            ids = check_ids(name, source[name], CONTACTS_MAX)
            found = {"contacts": [contact_seq(one) for one in ids]}
        elif name == "list_ids":
            found = {"lists": self.lists(caller, source, LISTS_MAX)}
        elif name == "tag_ids":
            found = {"tags": self.tags(caller, source, TAGS_MAX)}
        else:
            found = {"all_active" if name == "all_active_contacts" else name: True}
        return {"source": found | {"exclude": self._excluded(body.get("exclude"))}}

    def lists(self, caller: Caller, body: dict[str, Any], most: int) -> list[int]:
        ids = check_ids("list_ids", body.get("list_ids"), most)
        known, unknown = self._lists.numbers(caller.account.number, ids)
        if unknown:
            raise invalid(f"list_ids: list {unknown[0]} does not exist")
        return known

    def tags(self, caller: Caller, body: dict[str, Any], most: int) -> list[int]:
        ids = check_ids("tag_ids", body.get("tag_ids"), most)
        found = [self._tags.get(caller.account.number, one) for one in ids]
        if None in found:
            raise invalid("tag_ids: a tag does not exist")
        return [tag.seq for tag in found if tag is not None]

    def fields(self, caller: Caller, body: dict[str, Any], most: int) -> list[int]:
        ids = check_ids("custom_field_ids", body.get("custom_field_ids"), most)
        found = [self._fields.get(caller.account.number, one) for one in ids]
        if None in found:
            raise invalid("custom_field_ids: a custom field does not exist")
        return [field.seq for field in found if field is not None]

    def _excluded(self, exclude: Any) -> list[int]:
        if not exclude:
            return []
        if not isinstance(exclude, dict):
            raise invalid("exclude must be an object")
        ids = check_ids("contact_ids", exclude.get("contact_ids", []), CONTACTS_MAX, least=0)
        return [contact_seq(one) for one in ids]
