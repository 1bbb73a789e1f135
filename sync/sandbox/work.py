"""What each kind of bulk activity does when its time has come.

Every function takes the world, the account, the payload that was kept with the activity, the share
of the work to do (1 unless a test plans another end), and the instant at which it is done.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from sync.sandbox.audience.importing import apply_import
from sync.sandbox.audience.outcome import Outcome
from sync.sandbox.world import World

Work = Callable[[World, int, bytes, float, int], Outcome]


def do_import(world: World, account: int, payload: bytes, share: float, now: int) -> Outcome:
    """Import contacts; of a partial import the rest is counted as errors."""
    database, settings = world.database, world.settings
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


WORK: dict[str, Work] = {"contacts_import": do_import}
