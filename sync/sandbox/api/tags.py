"""/contact_tags: see, create, rename and delete tags."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from sync.sandbox import activities
from sync.sandbox.api import parameters
from sync.sandbox.api.gate import (
    Answer,
    Caller,
    api_blueprint,
    check_queue,
    endpoint,
    read_object,
)
from sync.sandbox.api.paging import links, page_of, restore_query
from sync.sandbox.api.problems import conflict, invalid, not_found
from sync.sandbox.audience.catalog import Tag, Tags
from sync.sandbox.clock import iso
from sync.sandbox.world import World

NAME_MAX = 255
READ, WRITE = "contacts:read", "contacts:write"


def tags_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("tags")
    tags = Tags(world.database)

    @endpoint(pages, world, "/contact_tags", "GET", privilege=READ, looks=True)
    def collection(caller: Caller) -> Answer:
        restore_query()
        account = caller.account.number
        limit = parameters.limit(500)
        counts = tags.counts(account) if parameters.flag("include_count") else None
        page, next_page = page_of(tags.all(account), limit, "/v3/contact_tags")
        nested = world.settings.nested_tag_links
        return {
            "tags": [_show(tag, counts) for tag in page],
            "_links": links(next_page, nested=nested),
        }, 200

    @endpoint(pages, world, "/contact_tags/<tag_id>", "GET", privilege=READ, looks=True)
    def single(caller: Caller, tag_id: str) -> Answer:
        found = _find(tags, caller, tag_id)
        counts = tags.counts(caller.account.number) if parameters.flag("include_count") else None
        return _show(found, counts), 200

    @endpoint(pages, world, "/contact_tags", "POST", privilege=WRITE, looks=True)
    def create(caller: Caller) -> Answer:
        account, body = caller.account.number, read_object()
        name = _name(body)
        if tags.by_name(account, name) is not None:
            raise conflict(f"A tag named {name} already exists.")
        source = body.get("tag_source") or "Contact"
        if not isinstance(source, str):
            raise invalid("tag_source must be text")
        return _show(tags.add(account, name, source, world.clock.now_ms()), None), 201

    @endpoint(pages, world, "/contact_tags/<tag_id>", "PUT", privilege=WRITE, looks=True)
    def change(caller: Caller, tag_id: str) -> Answer:
        found, name = _find(tags, caller, tag_id), _name(read_object())
        other = tags.by_name(caller.account.number, name)
        if other is not None and other.seq != found.seq:
            raise conflict(f"A tag named {name} already exists.")
        tags.rename(found, name, world.clock.now_ms())
        return _show(_find(tags, caller, tag_id), None), 200

    @endpoint(pages, world, "/contact_tags/<tag_id>", "DELETE", privilege=WRITE, looks=True)
    def delete(caller: Caller, tag_id: str) -> Answer:
        found, account = _find(tags, caller, tag_id), caller.account.number
        check_queue(world, account)
        payload = str([found.seq]).encode()
        number = activities.create(world, account, "contacts_tags_delete", payload, people=0)
        return activities.first_answer(world, account, number), 202

    return pages


def _find(tags: Tags, caller: Caller, tag_id: str) -> Tag:
    found = tags.get(caller.account.number, parameters.path_id("tag_id", tag_id))
    if found is None:
        raise not_found()
    return found


def _name(body: dict[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_MAX:
        raise invalid(f"name must have 1 to {NAME_MAX} characters")
    return name


def _show(tag: Tag, counts: dict[int, int] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "tag_id": tag.tag_id,
        "name": tag.name,
        "created_at": iso(tag.created_at),
        "updated_at": iso(tag.updated_at),
        "tag_source": tag.source,
    }
    if counts is not None:
        shown["contacts_count"] = counts.get(tag.seq, 0)
    return shown
