"""dlt: a custom destination with a function that posts batches of 10,000.

    python -m tests.bench.peer_dlt CSV SERVER rows|arrow

`rows` is the ordinary way, a generator of dicts. With `arrow` dlt gets Arrow's tables and keeps
Parquet files, so that it need not look at each value. What it keeps lies in the current folder.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import orjson
import requests

from sync.portions import portions
from tests.bench.people import AT_ONCE, COLUMNS
from tests.bench.server import FIELD, IMPORTS, LIST_ID

FIELDS = [f"cf:{name}" if name == FIELD else name for name in COLUMNS]


def main(source: str, server: str, way: str) -> None:
    """Send the file's rows."""
    session = requests.Session()

    def post(items: Any, table: object) -> None:
        rows = items if isinstance(items, list) else items.to_pylist()
        body = orjson.dumps({"import_data": rows, "list_ids": [LIST_ID]})
        headers = {"Content-Type": "application/json"}
        session.post(server + IMPORTS, data=body, headers=headers).raise_for_status()

    read, kept = {"rows": (_rows, "typed-jsonl"), "arrow": (_tables, "parquet")}[way]
    destination = dlt.destination(
        post, batch_size=AT_ONCE, name="constant_contact", loader_file_format=kept
    )
    pipeline = dlt.pipeline("contacts", destination=destination, pipelines_dir="pipelines")
    pipeline.run(dlt.resource(read(Path(source)), name="contacts")).raise_on_failed_jobs()


def _rows(source: Path) -> Iterator[list[dict[str, str]]]:
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from portions((dict(zip(FIELDS, row, strict=True)) for row in reader), AT_ONCE)


def _tables(source: Path) -> Iterator[Any]:
    # Only here, since it takes memory.
    import pyarrow as pa
    import pyarrow.csv

    options = pyarrow.csv.ReadOptions(column_names=FIELDS, skip_rows=1)
    types = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(FIELDS, pa.string()))
    with pyarrow.csv.open_csv(source, read_options=options, convert_options=types) as batches:
        for batch in batches:
            yield pa.Table.from_batches([batch])


if __name__ == "__main__":
    main(*sys.argv[1:])
