"""What a plan would do to each contact: fields, old and new, and the lists before and after."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import orjson
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, null, select, true

from sync.state import bodies
from sync.state.comparison import Action, absent
from sync.state.payload import sent_body
from sync.state.schema import contact, list_set, staged, tag_set

_FETCHED_AT_ONCE = 1_000
# The address names the contact, and is no change of it.
_KEY = "email"


class What(StrEnum):
    """What becomes of a contact."""

    NEW = "new"
    CHANGED = "changed"
    OPTED_OUT = "opted out"
    GONE = "gone"


_ACTIONS = {What.NEW: Action.NEW, What.CHANGED: Action.CHANGED, What.OPTED_OUT: Action.OPTED_OUT}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field's value there and in the source; None where there is none."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One contact's line of a plan."""

    email: str
    what: What
    fields: tuple[FieldChange, ...]
    lists_before: tuple[str, ...]
    lists_after: tuple[str, ...]
    tags_before: tuple[str, ...]
    tags_after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupNames:
    """How lists and tags are called, by their ids."""

    lists: Mapping[str, str]
    tags: Mapping[str, str]


def planned(
    connection: Connection,
    account: str,
    staged_as: int,
    what: What,
    names: GroupNames,
    *,
    place_of: Callable[[str], str],
    limit: int | None = None,
) -> Iterator[PlannedChange]:
    """Those of whom this becomes, in the source's order, or by address if they are not in it.

    `place_of` tells under which name a field is cleared.
    """
    lists = _called(connection, account, list_set, names.lists)
    tags = _called(connection, account, tag_set, names.tags)
    wanted = what in (What.NEW, What.CHANGED)
    for row, old, new in islice(_rows(connection, account, staged_as, what), limit):
        yield PlannedChange(
            row.email,
            what,
            _differences(old, new, row.uncleared, place_of) if wanted else (),
            lists_before=lists.get(row.old_lists, ()),
            lists_after=lists.get(row.new_lists if wanted else row.old_lists, ()),
            tags_before=tags.get(row.old_tags, ()),
            tags_after=tags.get(row.new_tags if wanted else row.old_tags, ()),
        )


_Rows = Iterator[tuple[Row[tuple[object, ...]], str, str]]


def _rows(connection: Connection, account: str, staged_as: int, what: What) -> _Rows:
    """Each with its body there and the new one, empty where there is none; some at a time."""
    wanted, key = _wanted(connection, account, staged_as, what)
    after: ColumnElement[bool] = true()
    while rows := connection.execute(
        wanted.where(after).order_by(key).limit(_FETCHED_AT_ONCE)
    ).all():
        old, new = (_texts(connection, account, rows, name) for name in ("old", "new"))
        for row, before, now in zip(rows, old, new, strict=True):
            yield row, before, sent_body(now, _ACTIONS.get(what, ""), row.owned)
        after = key > getattr(rows[-1], key.name)


def _texts(
    connection: Connection, account: str, rows: Sequence[Row[tuple[object, ...]]], name: str
) -> list[str]:
    numbers = [number for row in rows if (number := getattr(row, name)) is not None]
    found = iter(bodies.read(connection, account, numbers))
    return ["" if getattr(row, name) is None else next(found) for row in rows]


def _wanted(
    connection: Connection, account: str, staged_as: int, what: What
) -> tuple[Select[tuple[object, ...]], ColumnElement[object]]:
    """The rows, and by what they are sorted."""
    old = (
        contact.c.body_id.label("old"),
        contact.c.list_set_id.label("old_lists"),
        contact.c.tag_set_id.label("old_tags"),
    )
    if what is What.GONE:
        nothing = (null().label(name) for name in ("new", "owned", "uncleared"))
        gone = select(contact.c.email, *old, *nothing)
        missing = absent(connection, staged_as)
        return gone.where(contact.c.account == account, missing), contact.c.email
    # Who has a new address is there under the former one.
    there = func.coalesce(staged.c.former, staged.c.email)
    known = and_(contact.c.account == account, contact.c.email == there)
    rows = (
        select(
            staged.c.row,
            staged.c.email,
            staged.c.body_id.label("new"),
            staged.c.owned,
            staged.c.uncleared,
            staged.c.list_set_id.label("new_lists"),
            staged.c.tag_set_id.label("new_tags"),
            *old,
        )
        .select_from(staged.outerjoin(contact, known))
        .where(staged.c.run_id == staged_as, staged.c.action == _ACTIONS[what])
    )
    return rows, staged.c.row


def _differences(
    before: str, now: str, uncleared: str | None, place_of: Callable[[str], str]
) -> tuple[FieldChange, ...]:
    new: dict[str, object] = orjson.loads(now)
    old: dict[str, object] = orjson.loads(before) if before else {}
    emptied: list[str] = orjson.loads(uncleared) if uncleared else []
    # A field that is not sent any more and is not cleared either stays as it is over there.
    cleared = [name for name in old if name not in new and place_of(name) in emptied]
    return tuple(
        FieldChange(name, _text(old.get(name)), _text(new.get(name)))
        for name in [*new, *cleared]
        if name != _KEY and old.get(name) != new.get(name)
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _called(
    connection: Connection, account: str, sets: Table, names: Mapping[str, str]
) -> dict[int, tuple[str, ...]]:
    """The names of each set's lists or tags.

    All of them at once: MariaDB answers nothing else while rows are streamed from it.
    """
    ids = sets.c.tag_ids if sets is tag_set else sets.c.list_ids
    rows = connection.execute(
        select(sets.c.id, ids.label("ids")).where(sets.c.account == account)
    ).all()
    return {
        row.id: tuple(sorted(names.get(each, each) for each in row.ids.split(",") if each))
        for row in rows
    }
