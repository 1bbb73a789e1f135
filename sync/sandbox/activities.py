"""The queue of bulk activities: initialized, processing, and one of four ends.

Work is done when an activity's time has come and somebody looks: every call of the API settles
first what is due. What a look finds is therefore the same as if the work had been done in the
background, and nothing happens between two looks that a test did not ask for.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from sync.sandbox.audience.fast_import import apply_aside
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.clock import iso
from sync.sandbox.work import WORK
from sync.sandbox.world import World

End = Literal["completed", "failed", "timed_out", "cancelled", "partial", "never", "vanish"]
TERMINAL = ("completed", "failed", "timed_out", "cancelled")
STATES = ("processing", *TERMINAL)


@dataclass(frozen=True, slots=True)
class Plan:
    """How coming activities shall end, in place of `completed`.

    `partial` completes after a share of its contacts and counts the rest as errors; `failed`,
    `timed_out` and `cancelled` do that share of their work, then end so; `never` stays in
    processing; `vanish` does its work and is then unknown (404).
    """

    end: End
    kind: str = "*"
    count: int | None = 1
    share: float = 0.0
    errors: tuple[str, ...] = ()
    holds: str = ""
    """Only activities whose request holds this text, such as one contact's address."""

    def __post_init__(self) -> None:
        """Raises ValueError for an end, a kind or a share that there is not."""
        if self.end not in get_args(End):
            raise ValueError(f"an activity's end is one of {', '.join(get_args(End))}")
        if self.kind not in ("*", *WORK):
            raise ValueError(f"an activity's kind is *, or one of {', '.join(WORK)}")
        if not 0 <= self.share <= 1:
            raise ValueError("an activity's share is 0 to 1")


def create(
    world: World,
    account: int,
    kind: str,
    payload: bytes,
    *,
    people: int,
    status: dict[str, int] | None = None,
    file_name: str | None = None,
) -> str:
    """Queue an activity; return its id. The caller has checked `queue_is_full`."""
    now, settings = world.clock.now_ms(), world.settings
    plan = _take_plan(world, kind, payload)
    seconds = (
        settings.processing_time + settings.processing_time_per_1000 * (people / 1000)
    ).total_seconds()
    starts_at = now + int(settings.start_delay.total_seconds() * 1000)
    ends_at = None if plan.end == "never" else max(starts_at, now + int(seconds * 1000))
    activity_id = str(uuid.uuid4())
    world.database.run(
        "INSERT INTO activity (activity_id, account, kind, state, created_at, updated_at,"
        " starts_at, ends_at, outcome, outcome_share, file_name, errors, status, payload)"
        " VALUES (?, ?, ?, 'initialized', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            activity_id,
            account,
            kind,
            now,
            now,
            starts_at,
            ends_at,
            plan.end,
            plan.share,
            file_name,
            json.dumps(plan.errors),
            json.dumps(status or {}),
            payload,
        ),
    )
    return activity_id


def first_answer(world: World, account: int, activity_id: str) -> dict[str, Any]:
    """An activity as the request that created it is answered: initialized, without counts."""
    sql = "SELECT * FROM activity WHERE account = ? AND activity_id = ?"
    row = world.database.one(sql, (account, activity_id))
    if row is None:
        raise LookupError(activity_id)
    shown = show(world, row)
    for absent in ("started_at", "status"):
        shown.pop(absent, None)
    created = iso(row["created_at"])
    return shown | {"state": "initialized", "percent_done": 0, "updated_at": created}


def queue_is_full(world: World, account: int) -> bool:
    """Whether as many activities are open as one account may have: 1,000 in the contract."""
    sql = "SELECT count(*) FROM activity WHERE account = ? AND completed_at IS NULL"
    return int(world.database.value(sql, (account,))) >= world.settings.queued_activities


def settle(world: World, *, looks: bool = True) -> None:
    """Do the work of every activity whose time has come, in the order of their ends.

    `looks`: contacts are about to be read, so that imports put aside become contacts too.
    """
    _finish_due(world)
    if looks:
        apply_aside(world.database, world.settings)


def _finish_due(world: World) -> None:
    now = world.clock.now_ms()
    sql = "SELECT * FROM activity WHERE completed_at IS NULL AND ends_at <= ? ORDER BY ends_at"
    due = world.database.one("SELECT min(ends_at) FROM activity WHERE completed_at IS NULL")
    if due is None or due[0] is None or due[0] > now:
        return
    for row in world.database.all(sql, (now,)):
        with world.database.transaction():
            _finish(world, row)


def show(world: World, row: sqlite3.Row, *, with_file: bool = True) -> dict[str, Any]:
    """An activity as the API shows it at this moment (the contract's Activity)."""
    now = world.clock.now_ms()
    state, percent, started = row["state"], row["percent_done"], row["started_at"]
    updated = row["updated_at"]
    if row["completed_at"] is None:
        begun = now >= row["starts_at"]
        state = "processing" if begun else "initialized"
        started = row["starts_at"] if begun else None
        updated = started or updated
        percent = _percent(row, now) if begun else 0
    errors = json.loads(row["errors"])
    if world.settings.activity_errors_shape == "objects":
        errors = [{"message": text} for text in errors]
    shown: dict[str, Any] = {
        "activity_id": row["activity_id"],
        "state": state,
        "created_at": iso(row["created_at"]),
        "updated_at": iso(updated),
        "percent_done": percent,
        "activity_errors": errors,
        "status": json.loads(row["status"]),
        "_links": {"self": {"href": f"/v3/activities/{row['activity_id']}"}},
    }
    if started is not None:
        shown["started_at"] = iso(started)
    if row["completed_at"] is not None:
        shown["completed_at"] = iso(row["completed_at"])
    if with_file and row["file_name"]:
        shown["source_file_name"] = row["file_name"]
    if row["kind"] == "contact_exports" and state == "completed":
        shown["_links"]["results"] = {"href": f"/v3/contact_exports/{row['activity_id']}"}
    return shown


def find(world: World, account: int, activity_id: str) -> sqlite3.Row | None:
    """An activity of the account, unless it is too old or has vanished."""
    sql = (
        "SELECT * FROM activity WHERE account = ? AND activity_id = ? AND created_at >= ?"
        " AND state <> 'vanished'"
    )
    return world.database.one(sql, (account, activity_id, _oldest(world)))


def listed(world: World, account: int, state: str | None) -> list[sqlite3.Row]:
    """The account's activities of the last ten days, newest first."""
    now = world.clock.now_ms()
    sql = (
        "SELECT * FROM (SELECT *, CASE WHEN completed_at IS NOT NULL THEN state"
        " WHEN starts_at > ? THEN 'initialized' ELSE 'processing' END AS present FROM activity"
        " WHERE account = ? AND created_at >= ?)"
        " WHERE present <> 'vanished' AND (? IS NULL OR present = ?)"
        " ORDER BY created_at DESC, activity_id"
    )
    return world.database.all(sql, (now, account, _oldest(world), state, state))


def _finish(world: World, row: sqlite3.Row) -> None:
    share = 1.0 if row["outcome"] in ("completed", "vanish") else float(row["outcome_share"])
    outcome = Outcome(status=json.loads(row["status"]))
    if share > 0 or row["outcome"] == "partial":
        outcome = WORK[row["kind"]](world, row["account"], row["payload"], share, row["ends_at"])
    state = outcome.state
    if row["outcome"] in ("failed", "timed_out", "cancelled"):
        state = row["outcome"]
    elif row["outcome"] == "vanish":
        state = "vanished"
    errors = (*outcome.errors, *json.loads(row["errors"]))
    if state == "failed" and not errors:
        errors = ("The job failed to complete.",)
    sql = (
        "UPDATE activity SET state = ?, started_at = starts_at, completed_at = ?, updated_at = ?,"
        " percent_done = ?, errors = ?, status = ?, payload = NULL, result = ?"
        " WHERE activity_id = ?"
    )
    percent = 100 if state in ("completed", "vanished") else int(100 * share)
    values = (
        state,
        row["ends_at"],
        row["ends_at"],
        percent,
        json.dumps(errors),
        json.dumps(outcome.status),
        outcome.result,
        row["activity_id"],
    )
    world.database.run(sql, values)


def _percent(row: sqlite3.Row, now: int) -> int:
    if row["ends_at"] is None:
        return 1
    length = max(1, row["ends_at"] - row["starts_at"])
    return int(min(99, max(1, (now - row["starts_at"]) * 100 // length)))


def _oldest(world: World) -> int:
    return world.clock.now_ms() - int(world.settings.activity_retention.total_seconds() * 1000)


def _take_plan(world: World, kind: str, payload: bytes) -> Plan:
    for place, plan in enumerate(world.plans):
        if plan.kind in ("*", kind) and plan.holds.encode() in payload:
            if plan.count is not None:
                if plan.count <= 1:
                    world.plans.pop(place)
                else:
                    world.plans[place] = replace(plan, count=plan.count - 1)
            return plan
    return Plan("completed", share=1.0)
