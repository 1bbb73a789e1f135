"""The custom fields that contacts fill: of the right type in the account, or to be made."""

from collections.abc import Iterator, Sequence

from babel.numbers import get_currency_precision

from sync.api import catalog
from sync.api.catalog import CustomFields, FieldDetails, NewField
from sync.api.session import ApiSession
from sync.contact.fields import CUSTOM_PREFIX
from sync.contact.mapping import MappedField
from sync.destination.groups import near
from sync.errors import ConfigurationError
from sync.settings.mapping import SELECTS, CustomRecipe

_TEXTS = frozenset({"string", "text_area", *SELECTS})
# Types that we know; the contract has no list of them, so others may come.
_CHECKED_TYPES = _TEXTS | {"date", "datetime", "number", "currency", "boolean"}
# The contract's CustomField: more choices than that are only possible in a drop-down list.
_MOST_CHECKBOXES = 20
_MOST_DECIMALS = 4


class FieldsNeeded:
    """The mapped custom fields beside those of the account; nothing is said without `there`."""

    def __init__(
        self, mapped: Sequence[MappedField], there: CustomFields | None, may_make: bool
    ) -> None:
        self._wanted = {
            field.name.removeprefix(CUSTOM_PREFIX): recipe
            for field in mapped
            if isinstance(recipe := field.recipe, CustomRecipe)
        }
        self._may_make = may_make
        self._there = there.by_name if there else {}
        self.names_by_id = there.names_by_id if there else {}
        self.missing = (
            [name for name in self._wanted if name not in self._there] if there is not None else []
        )

    def problems(self) -> list[str]:
        """What must be said before anything is sent; empty when all is there or may be made."""
        lacking = (self._lacking(name) for name in self.missing)
        return [*filter(None, lacking), *self._wrong_types(), *self._wrong_choices()]

    def create_missing(self, session: ApiSession) -> None:
        """Make what is missing; raises ConfigurationError when it comes under another name."""
        for name in self.missing:
            made = catalog.create_custom_field(session, _new_field(name, self._wanted[name]))
            if made != name:
                raise ConfigurationError(
                    f"Constant Contact called the new custom field {made}, not {name}: use that "
                    "name in mapping.custom_fields."
                )
        if self.missing:
            self.names_by_id = catalog.custom_fields(session)
            self.missing = []

    def _lacking(self, name: str) -> str | None:
        if not self._may_make:
            return (
                f'the custom field "{name}" does not exist{near(name, self._there)}: make it '
                "there, or set mapping.create_missing_custom_fields = true"
            )
        recipe = self._wanted[name]
        option = {"currency": "currency", **dict.fromkeys(SELECTS, "choices")}.get(recipe.type)
        if option is None or getattr(recipe, option):
            return None
        return (
            f'the custom field "{name}" does not exist, and one of type {recipe.type} is made '
            f"only with its {option}: name {option} in mapping.custom_fields, or make it there"
        )

    def _wrong_types(self) -> Iterator[str]:
        """Where a field over there takes other values than the configuration says."""
        for name, here, there in self._both():
            known = there.type in _CHECKED_TYPES
            if known and _plain(there.type) != _plain(here.type):
                yield (
                    f'the custom field "{name}" is of type {there.type} there and {here.type} '
                    f'here: set type = "{there.type}" in mapping.custom_fields'
                )

    def _wrong_choices(self) -> Iterator[str]:
        for name, here, there in self._both():
            known = {choice.casefold() for choice in there.choices}
            unknown = [choice for choice in here.choices if choice.casefold() not in known]
            if unknown and there.type in SELECTS:
                yield (
                    f'the custom field "{name}" has no choice "{unknown[0]}" there'
                    f"{near(unknown[0], there.choices)}: add it there, or take it out of "
                    "mapping.custom_fields"
                )

    def _both(self) -> Iterator[tuple[str, CustomRecipe, FieldDetails]]:
        for name, recipe in self._wanted.items():
            if name in self._there:
                yield name, recipe, self._there[name]


def _new_field(name: str, recipe: CustomRecipe) -> NewField:
    """The field as the contract's CustomFieldRequest wants it, taking as many values as it can."""
    match recipe.type:
        case "single_select":
            return NewField(name, recipe.type, {"display_type": "dropdown"}, recipe.choices)
        case "multi_select":
            display = "checkbox" if len(recipe.choices) <= _MOST_CHECKBOXES else "dropdown"
            return NewField(name, recipe.type, {"display_type": display}, recipe.choices)
        case "currency":
            places = get_currency_precision(recipe.currency or "")
            decimals: dict[str, str | int | bool] = {"integer": True}
            if places:
                decimals = {"integer": False, "decimal_places": places}
            return NewField(name, recipe.type, {"currency_code": recipe.currency or "", **decimals})
        case "number":
            metadata = {"allow_negative": True, "integer": False, "decimal_places": _MOST_DECIMALS}
            return NewField(name, recipe.type, metadata)
        case _:
            return NewField(name, recipe.type)


def _plain(kind: str) -> str:
    """Texts are sent alike, whichever kind of text the field holds."""
    return "string" if kind in _TEXTS else kind
