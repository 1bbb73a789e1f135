"""Plans that wait for a person"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "kept_plan",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("staged_as", sa.BigInteger(), nullable=False),
        sa.Column("configuration", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("missing_lists", sa.Text(), nullable=False),
        sa.Column("missing_tags", sa.Text(), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("settled_by", sa.BigInteger()),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_kept_plan")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_kept_plan_account_settled_by"), "kept_plan", ["account", "settled_by"])
