"""Bringing the tables up to this version's, by Alembic.

Alembic is loaded only when there is something to do, which is seldom: it takes its time.
"""

import threading
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from sync.errors import StateError
from sync.state.locks import Locks

_SCRIPTS = Path(__file__).with_name("migrations")
_PATIENCE = timedelta(minutes=10)
# What Alembic is about is known to the whole process, and a worker opens the databases of many
# accounts at once: without this they got each other's tables.
_ALEMBIC = threading.Lock()


def migrate(engine: Engine, locks: Locks) -> None:
    """Apply the missing migrations; raises StateError for a database of a newer version."""
    known = revisions()
    if revision_of(engine) == known[-1]:
        return
    with locks.hold("migration", wait=_PATIENCE):
        revision = revision_of(engine)
        if revision is not None and revision not in known:
            raise StateError(
                f"The state database {engine.url.render_as_string()} was written by a newer "
                "version of contact-sync; install that version or newer."
            )
        _upgrade(engine)


def revisions() -> list[str]:
    """This version's revisions, oldest first: the beginnings of the files' names."""
    return sorted(file.name.partition("_")[0] for file in (_SCRIPTS / "versions").glob("*.py"))


def revision_of(engine: Engine) -> str | None:
    """The revision of a database's tables; None when it has none yet."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    with (
        _ALEMBIC,
        engine.connect().execution_options(write=True) as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
