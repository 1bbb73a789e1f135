"""The rows of `token_pair`: how a pair is read, journalled, replaced and set aside.

Tokens are ciphertext here; `sync.auth` alone can read them. What a function changes is one
statement, and durable when it returns.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, literal, select, text, update

from sync.state.column_types import Instant
from sync.state.schema import token_pair
from sync.state.store import Store


@dataclass(frozen=True, slots=True)
class StoredPair:
    """One row. After a logout both tokens are empty."""

    account: str
    generation: int
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    scope: str
    issued_at: datetime
    expires_at: datetime
    encoded_account_id: str | None
    host: str
    client_id: str
    token_url: str
    refresh_begun_at: datetime | None = None
    refresh_attempts: int = 0
    lost_at: datetime | None = None
    lost_cause: str | None = None


def emptied(row: StoredPair) -> StoredPair:
    """The row after a logout: no tokens, the account still known, the generation counted on."""
    return replace(
        row,
        generation=row.generation + 1,
        access_token="",
        refresh_token="",
        refresh_begun_at=None,
        refresh_attempts=0,
        lost_at=None,
        lost_cause=None,
    )


# Asked before each request, so it is built once: building it took longer than asking.
_OF_ACCOUNT = select(token_pair).where(token_pair.c.account == bindparam("account"))


def read_pair(store: Store, account: str) -> StoredPair | None:
    """The account's row, or None when nobody has authorized yet."""
    with store.read() as connection:
        row = connection.execute(_OF_ACCOUNT, {"account": account}).first()
    return None if row is None else _pair(row)


def read_pairs(store: Store) -> Sequence[StoredPair]:
    """The rows of every account."""
    with store.read() as connection:
        rows = connection.execute(select(token_pair).order_by(token_pair.c.account)).all()
    return [_pair(row) for row in rows]


def begin_refresh(store: Store, account: str, generation: int, now: datetime) -> bool:
    """Record that a refresh of this generation begins; False when it is no longer there.

    The count of attempts grows each time, so that something is really written: it proves that
    the database can keep the new pair before the old one is spent.
    """
    begun = func.coalesce(token_pair.c.refresh_begun_at, literal(now, Instant()))
    return _change(
        store,
        account,
        generation,
        refresh_begun_at=begun,
        refresh_attempts=token_pair.c.refresh_attempts + 1,
    )


def drop_refresh(store: Store, account: str, generation: int) -> bool:
    """Forget a begun refresh that surely did not reach the service."""
    return _change(store, account, generation, refresh_begun_at=None, refresh_attempts=0)


def mark_lost(store: Store, account: str, generation: int, now: datetime, cause: str) -> bool:
    """Set the refresh token aside, and keep it; False when a newer pair is there."""
    return _change(store, account, generation, lost_at=now, lost_cause=cause)


def replace_pair(store: Store, pair: StoredPair) -> bool:
    """Write a new pair over one of a lower generation, or as the first.

    False when the row has this generation already, or a higher one: another was first.
    """
    with store.write_one() as connection:
        _wait_for_the_disk(connection)
        values = asdict(pair)
        account = values.pop("account")
        older = (token_pair.c.account == account) & (token_pair.c.generation < pair.generation)
        if connection.execute(update(token_pair).where(older).values(values)).rowcount == 1:
            return True
        there = select(token_pair.c.refresh_token).where(token_pair.c.account == account)
        if (found := connection.execute(there).first()) is not None:
            # The same ciphertext: an earlier try was committed, only its confirmation was lost.
            return bool(found.refresh_token == pair.refresh_token)
        connection.execute(token_pair.insert().values(account=account, **values))
        return True


def reseal_pair(store: Store, pair: StoredPair, access_token: str, refresh_token: str) -> bool:
    """Put the same tokens there under another key; False when the row has changed meanwhile."""
    unchanged = token_pair.c.refresh_token == pair.refresh_token
    with store.write_one() as connection:
        _wait_for_the_disk(connection)
        return (
            connection.execute(
                update(token_pair)
                .where(token_pair.c.account == pair.account, unchanged)
                .values(access_token=access_token, refresh_token=refresh_token)
            ).rowcount
            == 1
        )


def adopt_pair(
    store: Store, account: str, generation: int, *, host: str, client_id: str, token_url: str
) -> bool:
    """Say that the pair belongs here."""
    return _change(store, account, generation, host=host, client_id=client_id, token_url=token_url)


def pin_account(store: Store, account: str, generation: int, encoded_account_id: str) -> bool:
    """Record which Constant Contact account the pair is for."""
    return _change(store, account, generation, encoded_account_id=encoded_account_id)


def database_identity(store: Store) -> str | None:
    """What tells this database server from a copy of it; None for SQLite, which is a file.

    PostgreSQL makes its system identifier at initdb, so a dump that is restored elsewhere has
    another (https://www.postgresql.org/docs/current/functions-info.html); MariaDB's is a digest
    of its machine, port and data directory (https://mariadb.com/kb/en/server_uid/), and MySQL's a
    UUID in its data directory.
    """
    queries = {
        "postgresql": "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        "mariadb": "SELECT CONCAT(@@server_uid, '/', DATABASE())",
        "mysql": "SELECT CONCAT(@@server_uuid, '/', DATABASE())",
    }
    dialect = store.engine.dialect
    # SQLAlchemy calls MariaDB's dialect mysql when the address does.
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    if name not in queries:
        return None
    with store.read() as connection:
        return str(connection.scalar(text(queries[name])))


def _change(store: Store, account: str, generation: int, **values: Any) -> bool:
    same = (token_pair.c.account == account) & (token_pair.c.generation == generation)
    with store.write_one() as connection:
        _wait_for_the_disk(connection)
        return connection.execute(update(token_pair).where(same).values(values)).rowcount == 1


def _wait_for_the_disk(connection: Connection) -> None:
    # A PostgreSQL server may be set up to answer before a commit is on its disk. MariaDB's
    # innodb_flush_log_at_trx_commit, which is the same, can't be chosen for one transaction.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL synchronous_commit TO on"))


def _pair(row: Row[Any]) -> StoredPair:
    return StoredPair(**row._asdict())
