"""Sets of list ids, kept once and referred to by a number."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection, insert, select

from sync.state.schema import list_set


def list_set_id(connection: Connection, account: str, list_ids: Iterable[str]) -> int:
    """The number of this set of lists; it is recorded when it is new."""
    joined = ",".join(sorted(set(list_ids)))
    key = hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
    known: int | None = connection.scalar(
        select(list_set.c.id).where(list_set.c.account == account, list_set.c.key == key)
    )
    if known is not None:
        return known
    made = connection.execute(
        insert(list_set).values(account=account, key=key, list_ids=joined)
    ).inserted_primary_key
    return int(made[0]) if made else list_set_id(connection, account, list_ids)


def lists_of_set(connection: Connection, set_id: int) -> tuple[str, ...]:
    """The list ids of a set, sorted."""
    joined = connection.scalar(select(list_set.c.list_ids).where(list_set.c.id == set_id))
    return tuple(joined.split(",")) if joined else ()
