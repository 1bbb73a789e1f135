"""A table of people on each kind of database, and as a CSV file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, insert
from sqlalchemy.engine import make_url

from sync.settings.options import Source

SourceFor = Callable[..., Source]


@pytest.fixture
def database(state_url: str) -> Iterator[Engine]:
    """An empty database of each kind, for the test to fill."""
    engine = create_engine(state_url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def source_for(database: Engine) -> SourceFor:
    """Options that name the database, as the program gets them."""

    def make(**options: Any) -> Source:
        url = database.url.render_as_string(hide_password=False)
        chunk_rows = options.pop("chunk_rows", 20_000)
        source = Source.model_validate({"url": url, **options})
        return source.model_copy(update={"chunk_rows": chunk_rows})

    return make


def fill(engine: Engine, metadata: MetaData, rows: dict[str, list[dict[str, object]]]) -> None:
    """Make the tables and put the rows into them."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name, values in rows.items():
            connection.execute(insert(metadata.tables[name]), values)


def database_file(engine: Engine) -> Path | None:
    """SQLite's file."""
    url = make_url(engine.url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None
