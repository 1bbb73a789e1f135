"""When contacts were first sent, and whether they were there before"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # The word of all three databases (SQLite 3.25, PostgreSQL, MariaDB 10.5); Alembic would copy
    # the table on SQLite.
    op.execute("ALTER TABLE contact RENAME COLUMN first_synced_at TO first_sent_at")
    op.add_column("contact", sa.Column("made_here", sa.Boolean()))
