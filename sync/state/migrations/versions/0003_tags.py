"""The tags that contacts are to have"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "tag_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("tag_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_set")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_tag_set_account_key"), "tag_set", ["account", "key"], unique=True)
    op.create_table(
        "known_tag",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("tag_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("account", "tag_id", name=op.f("pk_known_tag")),
        **_OPTIONS,
    )
    for table in ("contact", "staged"):
        op.add_column(table, sa.Column("tag_set_id", sa.BigInteger()))
