"""Bulk activities on contacts, lists, tags and fields that are there already.

The schema of remove_list_memberships says `maxItems: 0` where its text says 500 contacts and 50
lists: which of them is followed is a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Blueprint, Response

from sync.sandbox import activities
from sync.sandbox.api.gate import (
    Answer,
    Caller,
    api_blueprint,
    check_queue,
    endpoint,
    read_object,
)
from sync.sandbox.api.parameters import check_ids, path_id
from sync.sandbox.api.problems import invalid, not_found
from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.fields import Fields
from sync.sandbox.audience.person import contact_seq
from sync.sandbox.audience.rules import ENGAGEMENT_LEVELS, STATUSES
from sync.sandbox.audience.search import to_cursor
from sync.sandbox.audience.segments import Segments
from sync.sandbox.world import World

WRITE = "contacts:write"
CONTACTS_MAX, LISTS_MAX, TAGS_MAX = 500, 50, 50
LISTS_DELETED_MAX, TAGS_DELETED_MAX, FIELDS_DELETED_MAX = 100, 500, 100
EXCLUDED_FROM_EXPORT_MAX = 50
SOURCES = ("contact_ids", "list_ids", "tag_ids", "all_active_contacts")
SOURCES_TO_REMOVE = (*SOURCES, "engagement_level")
SOURCES_TO_ADD = (*SOURCES_TO_REMOVE, "segment_id")
SOURCES_OF_TAGS = (*SOURCES, "new_subscriber")
SOURCES_OF_EXPORT = ("contact_ids", "list_ids", "tag_ids", "segment_id", "new_subscriber")


def bulk_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("bulk")
    reader = _Reader(world)

    def activity(kind: str, read: Callable[[Caller, dict[str, Any]], Any]) -> None:
        @endpoint(pages, world, f"/activities/{kind}", "POST", privilege=WRITE, looks=True)
        def start(caller: Caller) -> Answer:
            return _start(world, caller, kind, read(caller, read_object()))

    def adding(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        source = reader.source(caller, body, SOURCES_TO_ADD)
        return source | {"lists": reader.lists(caller, body, LISTS_MAX)}

    def removing(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        if world.settings.remove_list_limits == "schema" and body.get("list_ids"):
            raise invalid("list_ids must have at most 0 values")
        source = reader.source(caller, body, SOURCES_TO_REMOVE)
        return source | {"lists": reader.lists(caller, body, LISTS_MAX)}

    def taggings(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        source = reader.source(caller, body, SOURCES_OF_TAGS)
        return source | {"tags": reader.tags(caller, body, TAGS_MAX)}

    def deletion(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        return reader.source(caller, {"source": body}, ("contact_ids", "list_ids"))

    activity("add_list_memberships", adding)
    activity("remove_list_memberships", removing)
    activity("contacts_taggings_add", taggings)
    activity("contacts_taggings_remove", taggings)
    activity("contact_delete", deletion)
    activity("contact_exports", reader.export)
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
    check_queue(world, account)
    number = activities.create(world, account, kind, orjson.dumps(job), people=0)
    return activities.first_answer(world, account, number), 201


class _Reader:
    """Reads ids from bodies, as the numbers of what they name."""

    def __init__(self, world: World) -> None:
        self._lists = Lists(world.database)
        self._tags = Tags(world.database)
        self._fields = Fields(world.database)
        self._segments = Segments(world.database)

    def source(
        self, caller: Caller, body: dict[str, Any], allowed: tuple[str, ...]
    ) -> dict[str, Any]:
        """`source` and `exclude`: exactly one kind of source may be given."""
        source = body.get("source")
        if not isinstance(source, dict):
            raise invalid("source must be an object")
        given = _given(source)
        if len(given) != 1 or given[0] not in allowed:
            raise invalid(f"the source must be one of {', '.join(allowed)}")
        found = self._members(caller, source, given[0])
        return {"source": found | {"exclude": self._excluded(body, CONTACTS_MAX)}}

    def export(self, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        """An export's filters; few go together, and without any all contacts are exported.

        A status goes with contacts or lists, new subscribers with lists.
        """
        fields = body.get("fields") or []
        if not isinstance(fields, list) or not all(isinstance(one, str) for one in fields):
            raise invalid("fields must be an array of strings")
        given = [name for name in _given(body) if name in SOURCES_OF_EXPORT]
        if len(given) > 1 and set(given) != {"list_ids", "new_subscriber"}:
            raise invalid(f"{given[0]} does not go with {given[1]}")
        found: dict[str, Any] = {}
        for name in given:
            found |= self._members(caller, body, name)
        if status := body.get("status"):
            if status not in STATUSES or not set(given) <= {"contact_ids", "list_ids"}:
                raise invalid("status does not have a valid value, or does not go with the rest")
            found["status"] = [status]
        excluded = self._excluded(body, EXCLUDED_FROM_EXPORT_MAX)
        return {"source": found | {"exclude": excluded}, "fields": fields}

    def _members(self, caller: Caller, source: dict[str, Any], name: str) -> dict[str, Any]:
        """What one property of a source names, as a member of `Source`."""
        if name == "contact_ids":
            ids = check_ids(name, source[name], CONTACTS_MAX)
            return {"contacts": [contact_seq(one) for one in ids]}
        if name == "list_ids":
            return {"lists": self.lists(caller, source, LISTS_MAX)}
        if name == "tag_ids":
            return {"tags": self.tags(caller, source, TAGS_MAX)}
        if name == "segment_id":
            return {"segment": self._segment(caller, source[name])}
        if name == "engagement_level":
            if source[name] not in ENGAGEMENT_LEVELS:
                raise invalid("engagement_level does not have a valid value")
            return {"engagement": source[name]}
        return {"all_active" if name == "all_active_contacts" else name: True}

    def _segment(self, caller: Caller, segment_id: object) -> str:
        # JSON's true is an integer to Python.
        is_number = isinstance(segment_id, int) and not isinstance(segment_id, bool)
        number = int(str(segment_id)) if is_number else 0
        found = self._segments.get(caller.account.number, number)
        if found is None:
            raise invalid(f"segment_id: segment {segment_id} does not exist")
        return to_cursor(found.search)

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

    def _excluded(self, body: dict[str, Any], most: int) -> list[int]:
        exclude = body.get("exclude")
        if not exclude:
            return []
        if not isinstance(exclude, dict):
            raise invalid("exclude must be an object")
        ids = check_ids("contact_ids", exclude.get("contact_ids", []), most, least=0)
        return [contact_seq(one) for one in ids]


def _given(source: dict[str, Any]) -> list[str]:
    return [name for name, value in source.items() if value not in (None, [], False)]
