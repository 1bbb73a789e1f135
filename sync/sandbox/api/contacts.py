"""/contacts: search, see, create, change, delete, count, sign up, ask to resubscribe."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, TypeVar

from flask import Blueprint, request

from sync.sandbox.api import parameters
from sync.sandbox.api.gate import Answer, Caller, api_blueprint, endpoint, read_object
from sync.sandbox.api.paging import links
from sync.sandbox.api.problems import conflict, invalid, not_found
from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.edit import ConflictError, Editor
from sync.sandbox.audience.edit_body import BodyReader, RefusedError
from sync.sandbox.audience.fields import Fields
from sync.sandbox.audience.person import People, Person, contact_seq, email_key
from sync.sandbox.audience.resource import SUB_RESOURCES, Renderer
from sync.sandbox.audience.rules import SOURCES, STATUSES
from sync.sandbox.audience.search import ACTIVE, Search, count, from_cursor, run_search, to_cursor
from sync.sandbox.audience.segments import Segment, Segments
from sync.sandbox.world import World

READ, WRITE = "contacts:read", "contacts:write"
SMS_STATUSES = ("all", "explicit", "unsubscribed", "pending_confirmation", "not_set")
LISTS_IN_SEARCH = 25
TAGS_IN_SEARCH = 50
NEW_SUBSCRIBER_MS = 30 * 24 * 3600 * 1000

T = TypeVar("T")


def contacts_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("contacts")
    people, lists = People(world.database), Lists(world.database)

    @endpoint(pages, world, "/contacts", "GET", privilege=READ, looks=True)
    def collection(caller: Caller) -> Answer:
        account = caller.account.number
        segment = _asked_segment(world, account)
        if segment is not None and not segment.evaluated:
            Segments(world.database).note_evaluated(segment)
            if world.settings.segment_accepted_first:
                return {"contacts": [], "_links": links(None), "status": "in_progress"}, 202
        search = _read_search(world, lists, account, segment)
        page, following = run_search(world.database, lists, account, search)
        answer: dict[str, Any] = {"contacts": show_people(world, account, page, search.include)}
        if search.include_count:
            answer["contacts_count"] = count(world.database, lists, account, search)
        address = None if following is None else f"/v3/contacts?cursor={to_cursor(following)}"
        return answer | {"_links": links(address)}, 200

    @endpoint(pages, world, "/contacts/counts", "GET", privilege=READ, looks=True)
    def counts(caller: Caller) -> Answer:
        # The contract's text writes new_subscribers, its list of values new_subscriber.
        asked = parameters.one_of("include", ("new_subscriber", "new_subscribers"))
        return _counts(world, caller.account.number, new=asked is not None), 200

    @endpoint(pages, world, "/contacts/<contact_id>", "GET", privilege=READ, looks=True)
    def single(caller: Caller, contact_id: str) -> Answer:
        include = parameters.many_of("include", SUB_RESOURCES)
        person = _find(people, caller, contact_id)
        return show_people(world, caller.account.number, [person], include)[0], 200

    @endpoint(pages, world, "/contacts", "POST", privilege=WRITE, looks=True)
    def create(caller: Caller) -> Answer:
        body = read_object()
        source = _source(body, "create_source")
        account = caller.account.number
        edit = _checked(lambda: _reader(world, account).contact(body))
        person = _checked(lambda: _editor(world, account).create(edit, source))
        return show_people(world, account, [person], SUB_RESOURCES)[0], 201

    def by_id(caller: Caller, contact_id: str) -> Hashable:
        return caller.account.number, contact_seq(parameters.path_id("contact_id", contact_id))

    def by_address(caller: Caller) -> Hashable:
        body, account = read_object(), caller.account.number
        address = str(body.get("email_address"))
        known = people.by_email(account, address, world.settings)
        return account, email_key(address, world.settings) if known is None else known.seq

    @endpoint(
        pages, world, "/contacts/<contact_id>", "PUT", privilege=WRITE, looks=True, changes=by_id
    )
    def change(caller: Caller, contact_id: str) -> Answer:
        person, body = _find(people, caller, contact_id), read_object()
        source = _source(body, "update_source")
        account = caller.account.number
        edit = _checked(lambda: _reader(world, account).contact(body))
        _checked(lambda: _editor(world, account).change(person, edit, source))
        return show_people(world, account, [person], SUB_RESOURCES)[0], 200

    @endpoint(pages, world, "/contacts/<contact_id>", "DELETE", privilege=WRITE, looks=True)
    def delete(caller: Caller, contact_id: str) -> Answer:
        person = _find(people, caller, contact_id)
        if person.deleted_at is not None:
            raise not_found()
        _editor(world, caller.account.number).delete(person)
        return None, 204

    @endpoint(
        pages,
        world,
        "/contacts/sign_up_form",
        "POST",
        privilege=WRITE,
        looks=True,
        changes=by_address,
    )
    def sign_up(caller: Caller) -> Answer:
        body, account = read_object(), caller.account.number
        edit = _checked(lambda: _reader(world, account).sign_up(body))
        person, created = _checked(lambda: _editor(world, account).sign_up(edit))
        action = "created" if created else "updated"
        return {"contact_id": person.contact_id, "action": action}, 201 if created else 200

    @endpoint(
        pages, world, "/contacts/resubscribe/<contact_id>", "PUT", privilege=WRITE, looks=True
    )
    def resubscribe(caller: Caller, contact_id: str) -> Answer:
        person, body = _find(people, caller, contact_id), read_object()
        account = caller.account.number
        ids = parameters.check_ids("list_ids", body.get("list_ids"), 50)
        known, unknown = lists.numbers(account, ids)
        if unknown:
            raise invalid(f"list {unknown[0]} does not exist")
        person.doc["resubscribe_lists"] = known
        _checked(lambda: _editor(world, account).ask_to_resubscribe(person))
        return {}, 200

    return pages


def show_people(
    world: World, account: int, people: list[Person], include: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Contacts as the API shows them."""
    lists, tags = Lists(world.database), Tags(world.database)
    renderer = Renderer(
        fields=Fields(world.database).by_seq(account) if "custom_fields" in include else {},
        list_ids=lists.ids(account) if "list_memberships" in include else {},
        sets=lists.sets,
        include=frozenset(include),
        choice_id_form=world.settings.choice_id_form,
    )
    tagged = "taggings" in include
    return [renderer.show(p, tags.of(p.seq) if tagged else []) for p in people]


def _asked_segment(world: World, account: int) -> Segment | None:
    """The segment that is searched by, which goes with nothing but a limit."""
    text = request.args.get("segment_id")
    if text is None:
        return None
    if not text.isdecimal() or request.args.keys() - {"segment_id", "limit"}:
        raise invalid("segment_id does not have a valid value, or goes with more than a limit")
    segment = Segments(world.database).get(account, int(text))
    if segment is None:
        raise not_found()
    return segment


def _read_search(world: World, lists: Lists, account: int, segment: Segment | None) -> Search:
    if (cursor := request.args.get("cursor")) is not None:
        try:
            return from_cursor(cursor)
        except ValueError as error:
            raise invalid(str(error)) from None
    shifting = world.settings.paging == "by count"
    if segment is not None:
        return replace(segment.search, limit=parameters.limit(500), shifting=shifting)
    email = request.args.get("email")
    list_ids = parameters.ids("lists", LISTS_IN_SEARCH)
    tag_ids = parameters.ids("tags", TAGS_IN_SEARCH)
    tags = Tags(world.database)
    return Search(
        shifting=shifting,
        status=parameters.many_of("status", STATUSES),
        email_key=None if email is None else email_key(email, world.settings),
        lists=None if list_ids is None else tuple(lists.numbers(account, list_ids)[0]),
        tags=None
        if tag_ids is None
        else tuple(tag.seq for tag in (tags.get(account, i) for i in tag_ids) if tag),
        updated_after=parameters.instant("updated_after"),
        updated_before=parameters.instant("updated_before"),
        created_after=parameters.instant("created_after"),
        created_before=parameters.instant("created_before"),
        optout_after=parameters.instant("optout_after"),
        optout_before=parameters.instant("optout_before"),
        sms_status=parameters.many_of("sms_status", SMS_STATUSES),
        include=parameters.many_of("include", SUB_RESOURCES),
        limit=parameters.limit(500),
        include_count=parameters.flag("include_count"),
    )


def _counts(world: World, account: int, *, new: bool) -> dict[str, int]:
    def number(condition: str, *values: int) -> int:
        sql = f"SELECT count(*) FROM contact WHERE account = ?{condition}"  # noqa: S608
        return int(world.database.value(sql, (account, *values)))

    inactive = " AND permission NOT IN ('explicit', 'implicit') AND deleted_at IS NULL"
    sql = f"SELECT permission, count(*) FROM contact WHERE account = ?{inactive}"  # noqa: S608
    rows = world.database.all(sql + " GROUP BY permission", (account,))
    few = {row[0]: row[1] for row in rows}
    total = number("") - number(" AND deleted_at IS NOT NULL")
    explicit = number(" AND permission = 'explicit' AND deleted_at IS NULL")
    counts = {
        "total": total,
        "explicit": explicit,
        "implicit": total - explicit - sum(few.values()),
        "pending": few.get("pending_confirmation", 0),
        "unsubscribed": few.get("unsubscribed", 0),
    }
    if new:
        recent = f" AND deleted_at IS NULL AND permission IN {ACTIVE} AND opt_in_at > ?"
        counts["new_subscriber"] = number(recent, world.clock.now_ms() - NEW_SUBSCRIBER_MS)
    return counts


def _find(people: People, caller: Caller, contact_id: str) -> Person:
    seq = contact_seq(parameters.path_id("contact_id", contact_id))
    person = people.get(caller.account.number, seq)
    if person is None:
        raise not_found()
    return person


def _source(body: dict[str, Any], name: str) -> str:
    source = body.get(name)
    if source not in SOURCES:
        raise invalid(f"{name} must be Contact or Account")
    return str(source)


def _reader(world: World, account: int) -> BodyReader:
    return BodyReader(world.database, account, world.clock.now_ms(), world.settings)


def _editor(world: World, account: int) -> Editor:
    return Editor(world.database, world.settings, account, world.clock.now_ms())


def _checked(action: Callable[[], T]) -> T:
    try:
        return action()
    except RefusedError as error:
        raise invalid(str(error)) from None
    except ConflictError as error:
        raise conflict(str(error)) from None
