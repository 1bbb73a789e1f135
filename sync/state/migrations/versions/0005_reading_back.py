"""The whole audience read back, and the fields that Constant Contact owns"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    kind = sa.Column("kind", sa.String(length=10), nullable=False, server_default="sync")
    op.add_column("run", kind)
    op.add_column("run", sa.Column("drift", sa.Integer()))
    op.add_column("contact", sa.Column("seen_at", sa.BigInteger()))
    op.add_column("staged", sa.Column("owned", sa.Text()))
    op.add_column("staged", sa.Column("owned_size", sa.Integer()))
