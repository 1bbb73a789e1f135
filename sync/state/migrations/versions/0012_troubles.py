"""The troubles that people were told of"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "trouble",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("topic", sa.String(length=12), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last_told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "topic", name=op.f("pk_trouble")),
        **_OPTIONS,
    )
