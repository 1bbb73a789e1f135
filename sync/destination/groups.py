"""The account's lists, or its tags, that contacts go with: found, or to be made."""

import difflib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from sync.api import catalog
from sync.api.session import ApiSession
from sync.contact.groups import Names
from sync.settings.options import Lists, Tags
from sync.state.id_sets import LISTS, TAGS, IdSets
from sync.state.store import Store

# An account holds 1,000 lists (the guide's page on lists); of tags nothing is said.
_MOST = 1000
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class GroupKind:
    """Lists or tags; `section` is the configuration's."""

    word: str
    section: str
    sets: IdSets
    create: Callable[[ApiSession, str], str]


LIST_KIND = GroupKind("list", "lists", LISTS, catalog.create_list)
TAG_KIND = GroupKind("tag", "tags", TAGS, catalog.create_tag)


class Groups:
    """Knows the numbers of the sets that rows go with, and what the account lacks for them.

    A name is first looked for as it is written, then without regard to capitals: nobody means two
    lists by News and news.
    """

    def __init__(
        self, kind: GroupKind, account: str, options: Lists | Tags, ids: dict[str, str]
    ) -> None:
        self._kind = kind
        self._account = account
        self._options = options
        self._ids = ids
        self._folded = {name.casefold(): each for name, each in ids.items()}
        self._set_ids: dict[Names, int] = {}
        self._missing: dict[str, str] = {}
        for name in options.names:
            self._id_of(name)

    @property
    def missing(self) -> list[str]:
        """The names that the account doesn't have, as far as the rows were read."""
        return sorted(self._missing.values())

    def want(self, names: Iterable[str]) -> list[str]:
        """Take these as missing; returns those that are there."""
        return [name for name in names if self._id_of(name) != stand_in(name)]

    def set_ids(self, connection: Connection, names: Iterable[Names]) -> dict[Names, int]:
        """The numbers of the sets of these names, among others."""
        for some in names:
            if some not in self._set_ids:
                ids = [self._id_of(name) for name in some]
                self._set_ids[some] = self._kind.sets.set_id(connection, self._account, ids)
        return self._set_ids

    def problems(self) -> list[str]:
        """What must be said before anything is sent; empty when all is there or may be made."""
        word, section, missing = self._kind.word, self._kind.section, self.missing
        if not missing:
            return []
        if self._options.create_missing:
            if len(missing) + len(self._ids) <= _MOST:
                return []
            return [
                f"{len(missing):,} {word}s would be made, and an account has at most {_MOST:,}: "
                f"look whether {section}.column is the right column"
            ]
        told = [
            f'the {word} "{name}" does not exist{near(name, self._ids)}: make it there, or set '
            f"{section}.create_missing = true"
            for name in missing[:_MOST_TOLD]
        ]
        if len(missing) > _MOST_TOLD:
            told.append(f"and {len(missing) - _MOST_TOLD:,} more {word}s")
        return told

    def create_missing(self, session: ApiSession, store: Store) -> None:
        """Make what is missing, and put the ids into the sets that were recorded without."""
        for key, name in sorted(self._missing.items()):
            made = self._kind.create(session, name)
            self._ids[name] = self._folded[key] = made
            with store.write() as connection:
                self._kind.sets.replace_id(connection, self._account, stand_in(key), made)
                self._kind.sets.remember(connection, self._account, self._ids)
        self._missing = {}

    def _id_of(self, name: str) -> str:
        key = name.casefold()
        found = self._ids.get(name) or self._folded.get(key)
        if found is None:
            self._missing.setdefault(key, name)
        return found or stand_in(key)


def near(name: str, known: Iterable[str]) -> str:
    """The one that was perhaps meant, in brackets."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f' (there is "{found[0]}")' if found else ""


def stand_in(name: str) -> str:
    """For what is made only after the guard has passed: as long as an id, and never one."""
    return f"pending-{hashlib.blake2b(name.casefold().encode(), digest_size=14).hexdigest()}"
