"""What is known of each observation, when all was last read, and what the company was told"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for column in _details():
        op.add_column("observation", column)
    op.create_table(
        "past_observation",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("list_id", sa.String(length=36), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        *_details(),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account", "email", "kind", "list_id", name=op.f("pk_past_observation")
        ),
        **_OPTIONS,
    )
    op.create_table(
        "fed_back",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("configuration", sa.String(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_fed_back")),
        **_OPTIONS,
    )
    for name in ("full_at", "own_from", "own_until"):
        op.add_column("observed", sa.Column(name, sa.BigInteger()))
    op.add_column("observed", _count("runs_since_full"))
    for what in ("unsubscribed", "deleted", "left", "returned"):
        op.add_column("run", _count(f"seen_{what}"))
    op.add_column("run", sa.Column("notes", sa.Text()))
    op.execute("UPDATE observation SET first_seen_at = observed_at")


def _details() -> list[sa.Column[Any]]:
    return [
        sa.Column("first_seen_at", sa.BigInteger()),
        sa.Column("happened_at", sa.BigInteger()),
        sa.Column("reason", sa.Text()),
        sa.Column("source", sa.String(length=20)),
        sa.Column("list_name", sa.String(length=255)),
        sa.Column("source_key", sa.Text()),
    ]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
