"""The account as the contacts' destination: its lists and custom fields, found or to be made."""

import difflib
import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection

from sync.api import catalog
from sync.api.catalog import CustomFields
from sync.api.session import ApiSession
from sync.contact.mapping import ColumnMapping
from sync.errors import ConfigurationError
from sync.settings import Settings
from sync.state.list_sets import (
    list_set_id,
    remember_lists,
    remembered_lists,
    replace_list_id,
)
from sync.state.store import Store

_CUSTOM_FIELD = "cf:"
# The others need choices or a currency, which only a person knows.
_TYPES_TO_MAKE = frozenset({"string", "text_area", "date", "number", "boolean"})
_TEXTS = frozenset({"string", "text_area", "single_select", "multi_select"})
# Types that we know; the contract has no list of them, so others may come.
_CHECKED_TYPES = _TEXTS | {"date", "number", "currency", "boolean"}


class Destination:
    """Knows which lists a row goes on, and what the account lacks for that."""

    def __init__(
        self,
        settings: Settings,
        mapping: ColumnMapping,
        list_ids: dict[str, str],
        custom_fields: CustomFields | None,
    ) -> None:
        self._settings = settings
        self._list_ids = list_ids
        self._list_sets: dict[str | None, int] = {}
        self.custom_field_names = custom_fields.names_by_id if custom_fields else {}
        self._wanted_types = {
            field.name.removeprefix(_CUSTOM_FIELD): field.custom_type
            for field in mapping.fields
            if field.name.startswith(_CUSTOM_FIELD)
        }
        self._types = custom_fields.types_by_name if custom_fields else {}
        self.missing_lists = {name for name in settings.lists.names if name not in list_ids}
        self.missing_custom_fields: list[str] = []
        if custom_fields is not None:
            there = self.custom_field_names.values()
            self.missing_custom_fields = [name for name in self._wanted_types if name not in there]

    def list_sets(
        self, connection: Connection, names: Iterable[str | None]
    ) -> dict[str | None, int]:
        """The list set of a row, by the further list that the row names."""
        for name in names:
            if name not in self._list_sets:
                wanted = {*self._settings.lists.names} | ({name} if name else set())
                self.missing_lists |= wanted - self._list_ids.keys()
                self._list_sets[name] = list_set_id(
                    connection,
                    self._settings.account.name,
                    (self._list_ids.get(each) or _stand_in(each) for each in wanted),
                )
        return self._list_sets

    def refuse_missing(self) -> None:
        """Raise ConfigurationError for what is missing and may not be made."""
        problems = []
        if self.missing_lists and not self._settings.lists.create_missing:
            problems += [
                _missing_list_sentence(name, self._list_ids) for name in sorted(self.missing_lists)
            ]
        if self.missing_custom_fields and not self._settings.mapping.create_missing_custom_fields:
            problems += [
                _missing_field_sentence(name, self.custom_field_names.values())
                for name in self.missing_custom_fields
            ]
        else:
            problems += [
                f'the custom field "{name}" does not exist, and one of type '
                f"{self._wanted_types[name]} can't be made from here: make it there"
                for name in self.missing_custom_fields
                if self._wanted_types[name] not in _TYPES_TO_MAKE
            ]
        problems += self._wrong_types()
        if problems:
            raise ConfigurationError(
                "Constant Contact lacks what the configuration names; nothing was sent:",
                tuple(problems),
            )

    def _wrong_types(self) -> list[str]:
        """Where a field over there takes other values than the configuration says."""
        return [
            f'the custom field "{name}" is of type {self._types[name]} there and '
            f'{wanted} here: set type = "{self._types[name]}" in mapping.custom_fields'
            for name, wanted in self._wanted_types.items()
            if self._types.get(name, wanted) in _CHECKED_TYPES
            and _plain(self._types.get(name, wanted)) != _plain(wanted)
        ]

    def create_missing(self, session: ApiSession, store: Store) -> None:
        """Make the missing lists and custom fields."""
        for name in self.missing_custom_fields:
            made = catalog.create_custom_field(session, name, self._wanted_types[name])
            if made != name:
                raise ConfigurationError(
                    f"Constant Contact called the new custom field {made}, not {name}: use that "
                    "name in mapping.custom_fields."
                )
        if self.missing_custom_fields:
            self.custom_field_names = catalog.custom_fields(session)
            self.missing_custom_fields = []
        for name in sorted(self.missing_lists):
            self._list_ids[name] = catalog.create_list(session, name)
            with store.write() as connection:
                account = self._settings.account.name
                replace_list_id(connection, account, _stand_in(name), self._list_ids[name])
                remember_lists(connection, account, self._list_ids)
        self.missing_lists = set()


def read_destination(
    session: ApiSession, store: Store, settings: Settings, mapping: ColumnMapping
) -> Destination:
    """Ask the account for its lists and, when some are mapped, its custom fields."""
    list_ids = catalog.lists(session)
    with store.write() as connection:
        remember_lists(connection, settings.account.name, list_ids)
    uses_custom_fields = any(field.name.startswith(_CUSTOM_FIELD) for field in mapping.fields)
    custom_fields = catalog.typed_custom_fields(session) if uses_custom_fields else None
    destination = Destination(settings, mapping, list_ids, custom_fields)
    destination.refuse_missing()
    return destination


def remembered_destination(store: Store, settings: Settings, mapping: ColumnMapping) -> Destination:
    """The account as it was last read, for planning without a connection."""
    with store.read() as connection:
        list_ids = remembered_lists(connection, settings.account.name)
    return Destination(settings, mapping, list_ids, None)


def _missing_list_sentence(name: str, known: Iterable[str]) -> str:
    """What to do about a list that isn't there."""
    return (
        f'the list "{name}" does not exist{_near(name, known)}: make it there, or set '
        "lists.create_missing = true"
    )


def _missing_field_sentence(name: str, known: Iterable[str]) -> str:
    """What to do about a custom field that isn't there."""
    return (
        f'the custom field "{name}" does not exist{_near(name, known)}: make it there, or set '
        "mapping.create_missing_custom_fields = true"
    )


def _plain(kind: str) -> str:
    """Texts are sent alike, whichever kind of text the field holds."""
    return "string" if kind in _TEXTS else kind


def _stand_in(name: str) -> str:
    """For a list that is made only after the guard has passed: as long as an id, and never one."""
    return f"pending-{hashlib.blake2b(name.encode(), digest_size=14).hexdigest()}"


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f' (there is "{near[0]}")' if near else ""
