"""The account's lists and tags by name, and sets of their ids, kept once and called by a number."""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Table, delete, insert, select, update

from sync.state.schema import known_list, known_tag, list_set, tag_set


class IdSets:
    """Lists, or tags: what the account has of them, and the sets of them that contacts go with."""

    def __init__(self, sets: Table, ids: str, known: Table, known_id: str) -> None:
        self._sets = sets
        self._ids = sets.c[ids]
        self._known = known
        self._known_id = known.c[known_id]

    def set_id(self, connection: Connection, account: str, ids: Iterable[str]) -> int:
        """The number of this set of ids; it is recorded when it is new."""
        joined = _joined(ids)
        key = _key(joined)
        known: int | None = connection.scalar(
            select(self._sets.c.id).where(self._sets.c.account == account, self._sets.c.key == key)
        )
        if known is not None:
            return known
        made = connection.execute(
            insert(self._sets).values({"account": account, "key": key, self._ids.name: joined})
        ).inserted_primary_key
        return int(made[0]) if made else self.set_id(connection, account, ids)

    def ids_of(self, connection: Connection, set_id: int) -> tuple[str, ...]:
        """The ids of a set, sorted."""
        joined = connection.scalar(select(self._ids).where(self._sets.c.id == set_id))
        return tuple(joined.split(",")) if joined else ()

    def union(
        self, connection: Connection, account: str, set_ids: Iterable[int | None]
    ) -> int | None:
        """The number of the set of all that these sets hold; None counts as none."""
        different = set(set_ids) - {None}
        if len(different) <= 1:
            return different.pop() if different else None
        ids = {each for set_id in different if set_id for each in self.ids_of(connection, set_id)}
        return self.set_id(connection, account, ids)

    def remember(
        self, connection: Connection, account: str, ids_by_name: Mapping[str, str]
    ) -> None:
        """Keep what the account has, as just read."""
        connection.execute(delete(self._known).where(self._known.c.account == account))
        rows = [
            {"account": account, self._known_id.name: each, "name": name}
            for name, each in ids_by_name.items()
        ]
        if rows:
            connection.execute(insert(self._known), rows)

    def remembered(self, connection: Connection, account: str) -> dict[str, str]:
        """The ids by name, as last read."""
        rows = connection.execute(
            select(self._known.c.name, self._known_id).where(self._known.c.account == account)
        )
        return {row[0]: row[1] for row in rows}

    def replace_id(self, connection: Connection, account: str, old: str, new: str) -> None:
        """Put a real id into the sets that were recorded with a stand-in."""
        rows = connection.execute(
            select(self._sets.c.id, self._ids).where(
                self._sets.c.account == account, self._ids.contains(old, autoescape=True)
            )
        ).all()
        for set_id, joined in rows:
            ids = joined.split(",")
            if old in ids:
                renamed = _joined(new if each == old else each for each in ids)
                connection.execute(
                    update(self._sets)
                    .where(self._sets.c.id == set_id)
                    .values({self._ids.name: renamed, "key": _key(renamed)})
                )


LISTS = IdSets(list_set, "list_ids", known_list, "list_id")
TAGS = IdSets(tag_set, "tag_ids", known_tag, "tag_id")


def _joined(ids: Iterable[str]) -> str:
    return ",".join(sorted(set(ids)))


def _key(joined: str) -> str:
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
