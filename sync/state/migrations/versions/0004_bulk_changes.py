"""What follows an import: lists to leave, tags, and contacts that are gone from the source"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("contact", sa.Column("contact_id", sa.String(length=36)))
    op.add_column("contact", sa.Column("removed_at", sa.BigInteger()))
    op.add_column("contact", _count("missing_runs"))
    op.add_column("staged", sa.Column("held_set_id", sa.BigInteger()))
    for name in ("moved", "tagged", "removed", "deleted"):
        op.add_column("run", _count(name))
    op.create_table(
        "bulk_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("posting_at", sa.BigInteger(), nullable=False),
        sa.Column("activity_id", sa.String(length=36)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_change")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_bulk_change_account"), "bulk_change", ["account"])
    op.create_table(
        "bulk_change_member",
        sa.Column("bulk_change_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("bulk_change_id", "email", name=op.f("pk_bulk_change_member")),
        **_OPTIONS,
    )


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
