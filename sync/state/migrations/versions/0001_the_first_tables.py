"""The first tables"""

from typing import Any

import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "api_day",
        sa.Column("application", sa.String(length=100), nullable=False),
        sa.Column("utc_day", sa.String(length=10), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("application", "utc_day", name=op.f("pk_api_day")),
        **_OPTIONS,
    )
    op.create_table(
        "api_slot",
        sa.Column("application", sa.String(length=100), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("free_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("application", "slot", name=op.f("pk_api_slot")),
        **_OPTIONS,
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("list_set_id", sa.BigInteger(), nullable=False),
        sa.Column("first_row", sa.BigInteger(), nullable=False),
        sa.Column("last_row", sa.BigInteger(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("posting_at", sa.BigInteger(), nullable=True),
        sa.Column("activity_id", sa.String(length=36), nullable=True),
        sa.Column("activity_found", sa.Boolean(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        **_OPTIONS,
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_account_state"), ["account", "state"], unique=False
        )

    op.create_table(
        "contact",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=100), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=16), nullable=False),
        sa.Column("list_set_id", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("first_synced_at", sa.BigInteger(), nullable=False),
        sa.Column("last_synced_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email", name=op.f("pk_contact")),
        **_OPTIONS,
    )
    op.create_table(
        "known_list",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("list_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("account", "list_id", name=op.f("pk_known_list")),
        **_OPTIONS,
    )
    op.create_table(
        "list_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("list_ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_set")),
        **_OPTIONS,
    )
    with op.batch_alter_table("list_set", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_list_set_account_key"), ["account", "key"], unique=True
        )

    op.create_table(
        "observation",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("list_id", sa.String(length=36), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "email", "kind", "list_id", name=op.f("pk_observation")),
        **_OPTIONS,
    )
    op.create_table(
        "observed",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_observed")),
        **_OPTIONS,
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("new", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("opted_out", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Integer(), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("rejects", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        **_OPTIONS,
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_account_id"), ["account", "id"], unique=False)

    op.create_table(
        "staged",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=100), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("list_set_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "row", name=op.f("pk_staged")),
        **_OPTIONS,
    )
    with op.batch_alter_table("staged", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_staged_run_id_email"), ["run_id", "email"], unique=False
        )

    op.create_table(
        "token_pair",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("access_token", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("encoded_account_id", sa.String(length=100), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("token_url", sa.Text(), nullable=False),
        sa.Column("refresh_begun_at", sa.BigInteger(), nullable=True),
        sa.Column("refresh_attempts", sa.Integer(), nullable=False),
        sa.Column("lost_at", sa.BigInteger(), nullable=True),
        sa.Column("lost_cause", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_token_pair")),
        **_OPTIONS,
    )
