"""When a run that stopped for want of requests can go on"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("run", sa.Column("resume_at", sa.BigInteger()))
