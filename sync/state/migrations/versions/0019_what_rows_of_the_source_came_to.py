"""What rows of the source came to at its last reading"""

from typing import Any

import sqlalchemy as sa
from alembic import op

_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "checked_rows",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("basis", sa.String(length=32), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("body_blocks", sa.LargeBinary(length=16_777_215), nullable=False),
        sa.Column("data", sa.LargeBinary(length=16_777_215), nullable=False),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_checked_rows")),
        **_OPTIONS,
    )
