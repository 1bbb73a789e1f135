"""Bulk changes are remembered once they are settled, and whether their activity was only found"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    for name in ("activity_found", "settled"):
        op.add_column(
            "bulk_change",
            sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()),
        )
