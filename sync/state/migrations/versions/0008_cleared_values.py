"""Values to clear, and the company's own key of a person"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for table in ("contact", "staged"):
        op.add_column(table, sa.Column("uncleared", sa.Text()))
        op.add_column(table, sa.Column("source_key", sa.String(length=100)))
    op.create_index(op.f("ix_contact_account_source_key"), "contact", ["account", "source_key"])
    for name in ("cleared", "readdressed"):
        op.add_column(
            "run", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
