"""The address under which a contact with a new one is there still"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("staged", sa.Column("former", sa.String(length=100)))
