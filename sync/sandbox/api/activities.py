"""/activities: start bulk work, and see how it goes."""

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
from sync.sandbox.api.problems import ApiError, invalid, not_found
from sync.sandbox.audience.catalog import Lists
from sync.sandbox.audience.fast_import import peek, wrap
from sync.sandbox.audience.import_payload import cut_contacts, pack, read_csv
from sync.sandbox.audience.import_rows import known_keys
from sync.sandbox.world import World

WRITE = "contacts:write"
"""Also needed to see activities (x-authorization-privileges in the contract)."""


def activities_blueprint(world: World) -> Blueprint:
    pages = api_blueprint("activities")

    @endpoint(pages, world, "/activities", "GET", privilege=WRITE)
    def collection(caller: Caller) -> Answer:
        restore_query()
        limit = parameters.limit(500)
        state = parameters.one_of("state", _states(world))
        state = "timed_out" if state == "time_out" else state
        rows = activities.listed(world, caller.account.number, state)
        page, next_page = page_of(rows, limit, "/v3/activities")
        return {
            "activities": [activities.show(world, row) for row in page],
            "_links": links(next_page),
        }, 200

    @endpoint(pages, world, "/activities/<activity_id>", "GET", privilege=WRITE)
    def single(caller: Caller, activity_id: str) -> Answer:
        number = parameters.path_id("activity_id", activity_id)
        row = activities.find(world, caller.account.number, number)
        if row is None:
            raise not_found()
        return activities.show(world, row), 200

    @endpoint(pages, world, "/activities/contacts_json_import", "POST", privilege=WRITE)
    def json_import(caller: Caller) -> Answer:
        if world.settings.fast and (answer := _start_fast_import(world, caller)) is not None:
            return answer
        body = read_object()
        contacts = _contacts(world, body)
        permission = body.get("sms_permission_to_send")
        if permission not in (None, "explicit", "not_set"):
            raise invalid("sms_permission_to_send does not have a valid value")
        lists = import_lists(world, caller, body.get("list_ids"))
        raw: bytes = request.environ["sandbox.body"]
        return start_import(world, caller, lists, contacts, permission, raw)

    @endpoint(pages, world, "/activities/contacts_file_import", "POST", privilege=WRITE)
    def file_import(caller: Caller) -> Answer:
        if request.mimetype != "multipart/form-data":
            raise ApiError(415, "This endpoint requires that Content-Type be unspecified")
        upload = request.files.get("file")
        if upload is None:
            raise invalid("file is required")
        if not (upload.filename or "").lower().endswith(".csv"):
            raise ApiError(415, "Wrong file format, upload file must be of type .csv")
        permission = request.form.get("sms_permission_to_send")
        if permission not in (None, "explicit", "not_set"):
            raise invalid("sms_permission_to_send does not have a valid value")
        # The ids come in one field, separated by commas.
        ids = [part for part in request.form.get("list_ids", "").split(",") if part]
        lists = import_lists(world, caller, ids)
        limits = world.settings.import_bytes_limit, world.settings.import_contacts_limit
        try:
            contacts = read_csv(upload.read(), *limits)
        except ValueError as error:
            raise invalid(f"The file is not valid: {error}") from None
        return start_import(world, caller, lists, contacts, permission, None, upload.filename)

    return pages


def _states(world: World) -> tuple[str, ...]:
    """The states to filter by: the schema says timed_out, the text above it time_out."""
    others = tuple(state for state in activities.STATES if state != "timed_out")
    spelling = world.settings.state_filter
    return (*others, *(("timed_out", "time_out") if spelling == "both" else (spelling,)))


def start_import(
    world: World,
    caller: Caller,
    lists: list[int],
    contacts: list[Any],
    permission: str | None,
    raw: bytes | None,
    file_name: str | None = None,
) -> Answer:
    """Queue an import; `raw` is the JSON body, whose size is limited as a whole."""
    settings, account = world.settings, caller.account.number
    check_queue(world, account)
    errors: tuple[str, ...] = ()
    if raw is not None and len(raw) > settings.import_bytes_limit:
        if settings.oversize_import == "fail":
            errors = ("The import exceeds 4 MB.",)
        contacts = cut_contacts(raw, contacts, settings.import_bytes_limit)
    if raw is not None:
        contacts = contacts[: settings.import_contacts_limit]
    if errors:
        world.plans.insert(0, activities.Plan("failed", errors=errors))
    number = activities.create(
        world,
        account,
        "contacts_import",
        pack(lists, contacts, permission),
        people=len(contacts),
        file_name=file_name,
    )
    shown = activities.first_answer(world, account, number)
    if settings.counts_in_first_answer:
        total = len(contacts) + int(settings.header_row_counted)
        shown["status"] = {"items_total_count": total, "person_count": len(contacts)}
    return shown, settings.import_status


def _start_fast_import(world: World, caller: Caller) -> Answer | None:
    """Queue an import without parsing it; None for one that would be cut, or has SMS numbers."""
    settings = world.settings
    body: bytes = request.environ["sandbox.body"]
    ids, people = peek(body)
    if (
        len(body) > settings.import_bytes_limit
        or people > settings.import_contacts_limit
        or b'"sms_number"' in body
    ):
        return None
    check_queue(world, caller.account.number)
    lists = import_lists(world, caller, ids)
    payload, account = wrap(lists, body), caller.account.number
    number = activities.create(world, account, "fast_import", payload, people=people)
    return activities.first_answer(world, account, number), settings.import_status


def import_lists(world: World, caller: Caller, ids: object) -> list[int]:
    """The numbers of an import's lists: 1 to 50, all of them living."""
    wanted = parameters.check_ids("list_ids", ids, 50)
    known, unknown = Lists(world.database).numbers(caller.account.number, wanted)
    if unknown and world.settings.unknown_list_on_import == "reject":
        raise invalid(f"list_ids: list {unknown[0]} does not exist")
    return known


def _contacts(world: World, body: dict[str, Any]) -> list[Any]:
    contacts = body.get("import_data")
    if not isinstance(contacts, list):
        raise invalid("import_data must be an array")
    if not contacts:
        raise invalid("import_data must not be empty")
    if world.settings.unknown_import_property == "reject":
        seen: set[str] = set()
        for contact in contacts:
            if isinstance(contact, dict):
                seen.update(contact)
        for key in seen - known_keys(world.settings):
            if not key.startswith("cf:"):
                raise invalid(f"import_data: unknown property {key}")
    return contacts
