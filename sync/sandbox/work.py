"""What each kind of bulk activity does when its time has come.

Every function takes the world, the account, the payload that was kept with the activity, the share
of the work to do (1 unless a test plans another end), and the instant at which it is done.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import orjson

from sync.sandbox.audience.bulk import Bulk, Source
from sync.sandbox.audience.catalog import Lists, Tags
from sync.sandbox.audience.fast_import import apply_aside, put_aside
from sync.sandbox.audience.fields import Fields
from sync.sandbox.audience.import_payload import pack
from sync.sandbox.audience.importing import apply_import
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.audience.person import People
from sync.sandbox.world import World

Work = Callable[[World, int, bytes, float, int], Outcome]

# By the field's name in a request: the heading, and where a contact holds it.
EXPORT_COLUMNS = {
    "email_address": ("Email address", "email"),
    "email_status": ("Email status", "permission"),
    "first_name": ("First name", "first_name"),
    "last_name": ("Last name", "last_name"),
    "job_title": ("Job title", "job_title"),
    "company_name": ("Company", "company_name"),
}


def do_import(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
    """Import contacts; of a partial import the rest is counted as errors."""
    database, settings = world.database, world.settings
    apply_aside(database, settings)
    if share >= 1.0:
        return apply_import(database, settings, account, payload, now)
    job = orjson.loads(payload)
    total = len(job["contacts"])
    job["contacts"] = job["contacts"][: int(total * share)]
    done = apply_import(database, settings, account, orjson.dumps(job), now)
    lost = total - len(job["contacts"])
    status = done.status | {
        "person_count": total,
        "items_total_count": done.status["items_total_count"] + lost,
        "error_count": done.status["error_count"] + lost,
    }
    return Outcome(status, done.errors, done.state)


def _on_contacts(work: Callable[[Bulk, list[int], dict[str, Any]], Outcome]) -> Work:
    """Work on the contacts of a source; of partial work the rest is counted, and not completed."""

    def do(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
        job = orjson.loads(payload)
        bulk = Bulk(world.database, world.settings, account, now)
        found = bulk.find(_source(job))
        done = work(bulk, found[: int(len(found) * share)], job)
        return Outcome(done.status | {"items_total_count": len(found)}, done.errors, done.state)

    return do


def _source(job: dict[str, Any]) -> Source:
    members: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in job["source"].items()
    }
    return Source(**members)


def do_list_delete(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
    lists = Lists(world.database)
    wanted = _first_share(orjson.loads(payload), share)
    for one in lists.all(account):
        if one.seq in wanted and one.deleted_at is None:
            lists.delete(one, now)
    return Outcome({"list_count": len(wanted)})


def do_tags_delete(world: World, account: int, payload: bytes, share: float, _: int) -> Outcome:
    tags = Tags(world.database)
    wanted = _first_share(orjson.loads(payload), share)
    for tag in tags.all(account):
        if tag.seq in wanted:
            tags.delete(tag)
    return _counted(wanted)


def do_fields_delete(world: World, account: int, payload: bytes, share: float, _: int) -> Outcome:
    fields = Fields(world.database)
    wanted = _first_share(orjson.loads(payload), share)
    for field in fields.all(account):
        if field.seq in wanted:
            fields.delete(field)
    return _counted(wanted)


def do_export(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
    """Write the core of the chosen contacts as CSV; fields that are not kept here are left out."""
    job = orjson.loads(payload)
    bulk = Bulk(world.database, world.settings, account, now)
    found = bulk.find(_source(job), share)
    text = io.StringIO()
    writer = csv.writer(text)
    columns = [c for name, c in EXPORT_COLUMNS.items() if name in (job["fields"] or EXPORT_COLUMNS)]
    writer.writerow([heading for heading, _ in columns])
    for person in People(world.database).many(account, found):
        row = person.doc | {"email": person.email, "permission": person.permission}
        writer.writerow([row.get(name) or "" for _, name in columns])
    status = {"items_total_count": len(found), "items_completed_count": len(found)}
    return Outcome(status, result=text.getvalue().encode())


def _first_share(wanted: list[int], share: float) -> list[int]:
    return wanted[: int(len(wanted) * share)]


def _counted(wanted: list[int]) -> Outcome:
    return Outcome({"items_total_count": len(wanted), "items_completed_count": len(wanted)})


def do_fast_import(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
    if share < 1.0:
        lists, _, body = payload.partition(b"\n")
        contacts = orjson.loads(body)["import_data"]
        return do_import(world, account, pack(orjson.loads(lists), contacts, None), share, now)
    return put_aside(world.database, world.settings, account, payload, now)


WORK: dict[str, Work] = {
    "contacts_import": do_import,
    "fast_import": do_fast_import,
    "add_list_memberships": _on_contacts(
        lambda bulk, found, job: bulk.add_to_lists(found, job["lists"])
    ),
    "remove_list_memberships": _on_contacts(
        lambda bulk, found, job: bulk.remove_from_lists(found, job["lists"])
    ),
    "contact_delete": _on_contacts(
        lambda bulk, found, job: bulk.delete(found, len(job["source"].get("lists") or ()))
    ),
    "contacts_taggings_add": _on_contacts(lambda bulk, found, job: bulk.tag(found, job["tags"])),
    "contacts_taggings_remove": _on_contacts(
        lambda bulk, found, job: bulk.untag(found, job["tags"])
    ),
    "list_delete": do_list_delete,
    "contacts_tags_delete": do_tags_delete,
    "custom_fields_delete": do_fields_delete,
    "contact_exports": do_export,
}
