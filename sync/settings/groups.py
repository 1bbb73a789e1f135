"""The options about the lists and tags that contacts go with."""

from typing import Annotated

from pydantic import Field

from sync.settings.section import Section

MOST = 50  # a contact's lists, and its tags (the contract's ContactResource)
LONGEST = 255  # a name's characters (the contract's ListInput and TagPost)

Name = Annotated[str, Field(min_length=1, max_length=LONGEST)]
Separator = Annotated[str, Field(min_length=1, max_length=5)]


class Lists(Section):
    """The Constant Contact lists that the contacts are put on."""

    names: tuple[Name, ...] = Field(
        (),
        max_length=MOST,
        description="Every contact goes on these lists, by name.",
        examples=[["General Interest"]],
    )
    column: str | None = Field(
        None,
        description="A source column whose value names a further list of the contact. Without "
        "any list a row is rejected.",
        examples=["Country"],
    )
    separator: Separator | None = Field(
        None,
        description="What stands between several lists in one cell of that column. Default: the "
        "whole cell names one list.",
        examples=[";"],
    )
    values: dict[str, str] = Field(
        {},
        description='Value of that column = "list name"; capitals don\'t matter. Without an entry '
        'the value itself is the list\'s name, and "" is no list.',
        examples=[{"US": "Customers USA"}],
    )
    create_missing: bool = Field(
        False,
        description="Make lists that don't exist in the account yet. Else a missing one ends the "
        "run before anything is sent.",
    )


class Tags(Section):
    """The Constant Contact tags that the contacts get."""

    names: tuple[Name, ...] = Field(
        (),
        max_length=MOST,
        description="Every contact gets these tags, by name.",
        examples=[["From the CRM"]],
    )
    column: str | None = Field(
        None,
        description="A source column whose value names a further tag of the contact.",
        examples=["Interests"],
    )
    separator: Separator | None = Field(
        None,
        description="What stands between several tags in one cell of that column. Default: the "
        "whole cell names one tag.",
        examples=[";"],
    )
    values: dict[str, str] = Field(
        {},
        description='Value of that column = "tag name"; capitals don\'t matter. Without an entry '
        'the value itself is the tag\'s name, and "" is no tag.',
        examples=[{"G": "Gold member"}],
    )
    create_missing: bool = Field(
        False,
        description="Make tags that don't exist in the account yet. Else a missing one ends the "
        "run before anything is sent.",
    )

    @property
    def used(self) -> bool:
        """Whether contacts get any tags."""
        return bool(self.names) or self.column is not None
