"""The contacts' bodies in compressed blocks, and both tables of contacts in the keys' order"""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from alembic import op

# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
_PER_BLOCK = 256

revision = "0017"
down_revision = "0016"

_RUN = sa.table("run", sa.column("id"), sa.column("account"))
_BLOCK = sa.table("body_block", *map(sa.column, ("account", "id", "size", "data")))
_CONTACT = sa.table("contact", *map(sa.column, ("account", "email", "body", "body_id")))
_STAGED = sa.table("staged", *map(sa.column, ("run_id", "row", "body", "body_id")))


def upgrade() -> None:
    op.create_table(
        "body_block",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(length=16_777_215), nullable=False),
        sa.PrimaryKeyConstraint("account", "id", name=op.f("pk_body_block")),
        **_OPTIONS,
    )
    for table in ("contact", "staged"):
        op.add_column(table, sa.Column("body_id", sa.BigInteger()))
    connection = op.get_bind()
    first: dict[str, int] = {}
    for account in connection.scalars(sa.select(_CONTACT.c.account).distinct()).all():
        _move(connection, _CONTACT, account, _CONTACT.c.account == account, "email", first)
    runs = sa.select(_RUN.c.id, _RUN.c.account).where(_RUN.c.id.in_(sa.select(_STAGED.c.run_id)))
    for run_id, account in connection.execute(runs).all():
        _move(connection, _STAGED, account, _STAGED.c.run_id == run_id, "row", first)
    op.drop_index(op.f("ix_contact_account_source_key"), "contact")
    for table in ("contact", "staged"):
        with op.batch_alter_table(
            table, recreate="auto", table_kwargs={"sqlite_with_rowid": False}
        ) as changed:
            changed.drop_column("body")
            changed.alter_column("body_id", existing_type=sa.BigInteger(), nullable=False)
    some = sa.text("source_key IS NOT NULL")
    op.create_index(
        op.f("ix_contact_account_source_key"),
        "contact",
        ["account", "source_key"],
        sqlite_where=some,
        postgresql_where=some,
    )


def _move(
    connection: sa.Connection,
    table: sa.TableClause,
    account: str,
    ours: sa.ColumnElement[bool],
    key: str,
    first: dict[str, int],
) -> None:
    """Put the bodies of an account's rows into blocks, a block's at a time."""
    column = table.c[key]
    after: sa.ColumnElement[bool] = sa.true()
    while rows := connection.execute(
        sa.select(column, table.c.body).where(ours, after).order_by(column).limit(_PER_BLOCK)
    ).all():
        block = first.get(account, 0)
        first[account] = block + 1
        bodies = "\n".join(row.body for row in rows).encode()
        data = pa.compress(bodies, codec="zstd", asbytes=True)
        connection.execute(
            sa.insert(_BLOCK).values(account=account, id=block, size=len(bodies), data=data)
        )
        connection.execute(
            sa.update(table)
            .where(ours, column == sa.bindparam("of"))
            .values(body_id=sa.bindparam("number")),
            [
                {"of": row[0], "number": block * _PER_BLOCK + place}
                for place, row in enumerate(rows)
            ],
        )
        after = column > rows[-1][0]
