"""What one run knows of the account that its contacts go to."""

from collections.abc import Iterable

from sqlalchemy import Connection

from sync.api import catalog
from sync.api.session import ApiSession
from sync.contact.fields import CUSTOM_PREFIX
from sync.contact.groups import Names
from sync.contact.mapping import ColumnMapping
from sync.destination.custom_fields import FieldsNeeded
from sync.destination.groups import LIST_KIND, TAG_KIND, Groups
from sync.errors import ConfigurationError, UsageError
from sync.settings import Settings
from sync.state.store import Store


class Destination:
    """Knows which lists and tags a row goes with, and what the account lacks for that."""

    def __init__(self, lists: Groups, tags: Groups, fields: FieldsNeeded) -> None:
        self._lists = lists
        self._tags = tags
        self._fields = fields

    @property
    def custom_field_names(self) -> dict[str, str]:
        """The names of the account's custom fields by id; empty when none is mapped."""
        return self._fields.names_by_id

    @property
    def missing(self) -> tuple[str, ...]:
        """What the account doesn't have yet, for people, as far as the rows were read."""
        missing = {
            "the list": self._lists.missing,
            "the tag": self._tags.missing,
            "the custom field": self._fields.missing,
        }
        return tuple(f"{what} {name}" for what, names in missing.items() for name in names)

    @property
    def missing_lists(self) -> tuple[str, ...]:
        """The names of the lists that must be made, as far as the rows were read."""
        return tuple(self._lists.missing)

    @property
    def missing_tags(self) -> tuple[str, ...]:
        """The same of the tags."""
        return tuple(self._tags.missing)

    def want(self, lists: Iterable[str], tags: Iterable[str]) -> None:
        """Take over what an earlier plan would make; raises UsageError if it is there by now."""
        there = self._lists.want(lists) + self._tags.want(tags)
        if there:
            raise UsageError(
                f"The plan would make what has been made since ({', '.join(there)}): plan anew "
                "with contact-sync --run-now."
            )

    def list_sets(self, connection: Connection, names: Iterable[Names]) -> dict[Names, int]:
        """The numbers of the list sets of these names."""
        return self._lists.set_ids(connection, names)

    def tag_sets(self, connection: Connection, names: Iterable[Names]) -> dict[Names, int | None]:
        """The numbers of the tag sets of these names; None for no tags."""
        wanted = set(names)
        found = self._tags.set_ids(connection, wanted - {()})
        return {some: found.get(some) for some in wanted}

    def refuse_missing(self) -> None:
        """Raise ConfigurationError for what is missing and may not be made."""
        problems = [
            *self._lists.problems(),
            *self._tags.problems(),
            *self._fields.problems(),
        ]
        if problems:
            raise ConfigurationError(
                "Constant Contact lacks what the configuration names; nothing was sent:",
                tuple(problems),
            )

    def create_missing(self, session: ApiSession, store: Store) -> None:
        """Make the missing lists, tags and custom fields."""
        self._fields.create_missing(session)
        self._lists.create_missing(session, store)
        self._tags.create_missing(session, store)


def read_destination(
    session: ApiSession, store: Store, settings: Settings, mapping: ColumnMapping
) -> Destination:
    """Ask the account for its lists and, when some are configured, its tags and custom fields.

    Raises ConfigurationError for what is missing and may not be made.
    """
    list_ids = catalog.lists(session)
    tag_ids = catalog.tags(session) if settings.tags.used else {}
    with store.write() as connection:
        LIST_KIND.sets.remember(connection, settings.account.name, list_ids)
        if settings.tags.used:
            TAG_KIND.sets.remember(connection, settings.account.name, tag_ids)
    wanted = [field for field in mapping.fields if field.name.startswith(CUSTOM_PREFIX)]
    there = catalog.typed_custom_fields(session) if wanted else None
    may_make = settings.mapping.create_missing_custom_fields
    destination = _destination(settings, list_ids, tag_ids, FieldsNeeded(wanted, there, may_make))
    destination.refuse_missing()
    return destination


def remembered_destination(store: Store, settings: Settings) -> Destination:
    """The account as it was last read, for planning without a connection."""
    with store.read() as connection:
        list_ids = LIST_KIND.sets.remembered(connection, settings.account.name)
        tag_ids = TAG_KIND.sets.remembered(connection, settings.account.name)
    return _destination(settings, list_ids, tag_ids, FieldsNeeded([], None, may_make=False))


def _destination(
    settings: Settings, list_ids: dict[str, str], tag_ids: dict[str, str], fields: FieldsNeeded
) -> Destination:
    account = settings.account.name
    return Destination(
        Groups(LIST_KIND, account, settings.lists, list_ids),
        Groups(TAG_KIND, account, settings.tags, tag_ids),
        fields,
    )
