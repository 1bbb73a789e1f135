"""Partial reads of the source, withheld rows, and what sorts rows of one address"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "source_mark",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("configuration", sa.String(length=32), nullable=False),
        sa.Column("newest", sa.Text(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_source_mark")),
        **_OPTIONS,
    )
    op.add_column("staged", sa.Column("precedence", sa.String(length=40)))
    op.add_column(
        "run", sa.Column("withheld", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column(
        "run", sa.Column("partial", sa.Boolean(), nullable=False, server_default=sa.false())
    )
