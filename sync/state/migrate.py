"""Bringing the tables up to this version's, by Alembic."""

from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from sync.errors import StateError
from sync.state.locks import Locks

_SCRIPTS = Path(__file__).with_name("migrations")
_PATIENCE = timedelta(minutes=10)


def migrate(engine: Engine, locks: Locks) -> None:
    """Apply the missing migrations; raises StateError for a database of a newer version."""
    scripts = ScriptDirectory(str(_SCRIPTS))
    newest = scripts.get_current_head()
    if _revision(engine) == newest:
        return
    with locks.hold("migration", wait=_PATIENCE):
        revision = _revision(engine)
        known = {script.revision for script in scripts.walk_revisions()}
        if revision is not None and revision not in known:
            raise StateError(
                f"The state database {engine.url.render_as_string()} was written by a newer "
                "version of contact-sync; install that version or newer."
            )
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            config = Config()
            config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
