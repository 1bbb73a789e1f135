"""drt-core: its REST destination, in batches of 10,000 from a SQLite table.

    python -m tests.bench.peer_drt DATABASE SERVER

It is called as a library, without its command line, and its pace limit is off.
"""

import sys
from pathlib import Path

from drt.config.credentials import SQLiteProfile
from drt.config.models import SyncConfig
from drt.destinations.rest_api import RestApiDestination
from drt.engine.sync import run_sync
from drt.sources.sqlite import SQLiteSource

from tests.bench.people import AT_ONCE, COLUMNS
from tests.bench.server import FIELD, IMPORTS, LIST_ID


def main(database: str, server: str) -> None:
    """Send the table's rows."""
    fields = ", ".join(f'{name} AS "cf:{name}"' if name == FIELD else name for name in COLUMNS)
    sync = SyncConfig.model_validate(
        {
            "name": "contacts",
            "model": f"SELECT {fields} FROM contacts",
            "destination": {
                "type": "rest_api",
                "url": server + IMPORTS,
                "headers": {"Content-Type": "application/json"},
                "body_mode": "batch",
                "batch_template": '{"import_data": {{ rows | tojson_safe }}, '
                f'"list_ids": ["{LIST_ID}"]}}',
            },
            "sync": {"batch_size": AT_ONCE, "rate_limit": {"requests_per_second": 1_000_000}},
        }
    )
    profile = SQLiteProfile(type="sqlite", database=database)
    done = run_sync(sync, SQLiteSource(), RestApiDestination(), profile, Path.cwd())
    if done.failed:
        raise SystemExit(f"{done.failed} contacts failed: {done.errors[:1]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
