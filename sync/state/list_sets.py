"""The account's lists, and sets of list ids, kept once and referred to by a number."""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, insert, select, update

from sync.state.schema import known_list, list_set


def list_set_id(connection: Connection, account: str, list_ids: Iterable[str]) -> int:
    """The number of this set of lists; it is recorded when it is new."""
    joined = _joined(list_ids)
    key = _key(joined)
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


def remember_lists(connection: Connection, account: str, ids_by_name: Mapping[str, str]) -> None:
    """Keep the account's lists as just read."""
    connection.execute(delete(known_list).where(known_list.c.account == account))
    rows = [
        {"account": account, "list_id": list_id, "name": name}
        for name, list_id in ids_by_name.items()
    ]
    if rows:
        connection.execute(insert(known_list), rows)


def remembered_lists(connection: Connection, account: str) -> dict[str, str]:
    """The ids of the account's lists by name, as last read."""
    rows = connection.execute(
        select(known_list.c.name, known_list.c.list_id).where(known_list.c.account == account)
    )
    return {row.name: row.list_id for row in rows}


def replace_list_id(connection: Connection, account: str, old: str, new: str) -> None:
    """Put a list's real id into the sets that were recorded with a stand-in."""
    rows = connection.execute(
        select(list_set.c.id, list_set.c.list_ids).where(
            list_set.c.account == account, list_set.c.list_ids.contains(old, autoescape=True)
        )
    ).all()
    for set_id, joined in rows:
        list_ids = joined.split(",")
        if old in list_ids:
            renamed = _joined(new if each == old else each for each in list_ids)
            connection.execute(
                update(list_set)
                .where(list_set.c.id == set_id)
                .values(list_ids=renamed, key=_key(renamed))
            )


def _joined(list_ids: Iterable[str]) -> str:
    return ",".join(sorted(set(list_ids)))


def _key(joined: str) -> str:
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
