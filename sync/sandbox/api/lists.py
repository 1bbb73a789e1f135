"""/contact_lists: see, create, change and delete lists."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

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
from sync.sandbox.audience.catalog import ContactList, Lists
from sync.sandbox.clock import iso
from sync.sandbox.world import World

NAME_MAX = 255
READ, WRITE = "contacts:lists:read", "contacts:lists:write"


def lists_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("lists")
    lists = Lists(world.database)

    @endpoint(pages, world, "/contact_lists", "GET", privilege=READ)
    def collection(caller: Caller) -> Answer:
        restore_query()
        account = caller.account.number
        # The contract's text says 1 to 500 lists a page, its schema 1,000.
        limit = parameters.limit(world.settings.lists_limit_max)
        channel = parameters.one_of("channel_type", ("email", "sms"))
        counted = parameters.one_of("include_membership_count", ("all", "active"))
        parameters.flag("include_sms_membership_count")  # of lists of channel sms: there are none
        wanted = parameters.many_of("status", ("all", "active", "deleted")) or ("active",)
        found = [
            one
            for one in lists.all(account)
            if "all" in wanted or ("deleted" if one.deleted_at else "active") in wanted
        ]
        if (name := request.args.get("name")) is not None:
            found = [one for one in found if one.name == name]
        if channel == "sms":
            found = []
        page, next_page = page_of(found, limit, "/v3/contact_lists")
        counts = _counts(world, lists, account, counted)
        answer: dict[str, Any] = {"lists": [_show(one, counts) for one in page]}
        if parameters.flag("include_count"):
            answer["lists_count"] = len(found)
        return answer | {"_links": links(next_page)}, 200

    @endpoint(pages, world, "/contact_lists/<list_id>", "GET", privilege=READ)
    def single(caller: Caller, list_id: str) -> Answer:
        found = _find(lists, caller, list_id)
        # No 400 is declared here, so that another value is as if there were none.
        given = request.args.get("include_membership_count")
        counted = given if given in ("all", "active") else None
        return _show(found, _counts(world, lists, caller.account.number, counted)), 200

    @endpoint(pages, world, "/contact_lists", "POST", privilege=WRITE)
    def create(caller: Caller) -> Answer:
        account = caller.account.number
        name, description, favorite = _read(read_object())
        if lists.by_name(account, name) is not None:
            raise conflict(f"A list named {name} already exists.")
        living = sum(1 for one in lists.all(account) if one.deleted_at is None)
        if living >= world.settings.lists_per_account:
            raise invalid(f"The account has {living} lists already.")
        now = world.clock.now_ms()
        made = lists.add(account, name, now, description=description, favorite=favorite)
        return _show(made, None), 201

    @endpoint(pages, world, "/contact_lists/<list_id>", "PUT", privilege=WRITE)
    def change(caller: Caller, list_id: str) -> Answer:
        found = _find(lists, caller, list_id, malformed=400)
        name, description, favorite = _read(read_object())
        other = lists.by_name(caller.account.number, name)
        if other is not None and other.seq != found.seq:
            raise invalid(f"A list named {name} already exists.")
        lists.change(found, name, description, favorite, world.clock.now_ms())
        return _show(_find(lists, caller, list_id), None), 200

    @endpoint(pages, world, "/contact_lists/<list_id>", "DELETE", privilege=WRITE, looks=True)
    def delete(caller: Caller, list_id: str) -> Answer:
        found = _find(lists, caller, list_id)
        if found.deleted_at is not None:
            raise not_found()
        account = caller.account.number
        check_queue(world, account)
        number = activities.create(
            world, account, "list_delete", str([found.seq]).encode(), people=0
        )
        return activities.first_answer(world, account, number), 202

    return pages


def _find(lists: Lists, caller: Caller, list_id: str, *, malformed: int = 404) -> ContactList:
    known = parameters.path_id("list_id", list_id, malformed=malformed)
    found = lists.get(caller.account.number, known)
    if found is None:
        raise not_found()
    return found


def _counts(world: World, lists: Lists, account: int, counted: str | None) -> dict[int, int] | None:
    if counted is None:
        return None
    activities.settle(world)
    return lists.membership_counts(account, active_only=counted == "active")


def _read(body: dict[str, Any]) -> tuple[str, str, bool]:
    name, description = body.get("name"), body.get("description") or ""
    favorite = body.get("favorite") or False
    if not isinstance(name, str) or not len(name.strip()) >= 1 or len(name) > NAME_MAX:
        raise invalid(f"name must have 1 to {NAME_MAX} characters")
    if not isinstance(description, str) or not isinstance(favorite, bool):
        raise invalid("description must be text, favorite true or false")
    return name, description, favorite


def _show(one: ContactList, counts: dict[int, int] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "list_id": one.list_id,
        "name": one.name,
        "description": one.description,
        "favorite": one.favorite,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
    }
    if one.deleted_at is not None:
        shown["deleted_at"] = iso(one.deleted_at)
    if counts is not None:
        shown["membership_count"] = counts.get(one.seq, 0)
    return shown
