"""The options about what goes into each contact field."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from sync.settings.section import Section

Change = Literal["strip", "lower", "upper", "title"]
CustomType = Literal[
    "string",
    "text_area",
    "date",
    "datetime",
    "number",
    "currency",
    "boolean",
    "single_select",
    "multi_select",
]
SELECTS = ("single_select", "multi_select")
Choice = Annotated[str, Field(min_length=1, max_length=255)]  # the contract's CustomFieldChoice


class Recipe(Section):
    """What fills one field: exactly one of column, first_of, join and constant.

    Attributes:
        column: One column.
        first_of: The first of these columns that is not empty.
        join: The columns that are not empty, with the separator between them.
        constant: The same text for all.
        values: Replaces whole values, capitals not mattering; after the changes.
        other_values: What becomes of a value that `values` does not have.
        changes: What is done to the text, in this order.
        date_formats: How dates are written here, instead of mapping.date_formats.
        date_as: Writes a date in another form.
    """

    column: str | None = None
    first_of: tuple[str, ...] = ()
    join: tuple[str, ...] = ()
    constant: str | None = None
    separator: str = " "
    changes: tuple[Change, ...] = ()
    values: dict[str, str] = Field(default_factory=dict)
    other_values: Literal["keep", "drop"] = "keep"
    date_formats: tuple[str, ...] = ()
    date_as: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = (self.column is not None, bool(self.first_of), bool(self.join))
        if sum((*origins, self.constant is not None)) != 1:
            raise ValueError("needs exactly one of column, first_of, join and constant")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that it reads."""
        return (*filter(None, [self.column]), *self.first_of, *self.join)

    @property
    def is_plain(self) -> bool:
        """Whether it hands on the cells of one column as they are."""
        return self.column is not None and not (self.changes or self.values or self.date_as)

    def __str__(self) -> str:
        """For people: which columns, and that something is done to them."""
        if self.constant is not None:
            return f"“{self.constant}” for all"
        names = {
            " or ": self.first_of,
            " + ": self.join,
        }
        text = next((sign.join(found) for sign, found in names.items() if found), self.column or "")
        return text if self.is_plain or not (self.changes or self.values) else f"{text} (changed)"


class CustomRecipe(Recipe):
    """What fills a custom field.

    Attributes:
        type: The field's type in Constant Contact.
        choices: The choices of a single_select or multi_select: other values are left out, and the
            field is made with them.
        currency: The three letters with which a currency field is made.
    """

    type: CustomType = "string"
    choices: tuple[Choice, ...] = Field((), max_length=100)
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")

    @model_validator(mode="after")
    def _of_the_type(self) -> Self:
        if self.choices and self.type not in SELECTS:
            raise ValueError('needs type = "single_select" or "multi_select" for its choices')
        if self.type == "multi_select" and any({",", ";"} & set(each) for each in self.choices):
            raise ValueError("needs choices without comma and semicolon, which stand between them")
        if len({each.casefold() for each in self.choices}) < len(self.choices):
            raise ValueError("needs choices that differ in more than capitals")
        if self.currency is not None and self.type != "currency":
            raise ValueError('needs type = "currency" for its currency')
        return self


def _from_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class FieldMapping(Section):
    """Which source column fills which contact field."""

    auto: bool = Field(
        True,
        description="Map columns with well-known names (E-mail, First name, ZIP, …) by "
        "themselves. What [mapping.columns] names goes first.",
    )
    ignore: tuple[str, ...] = Field(
        (),
        description="Source columns with well-known names that are not to be mapped.",
        examples=[["Title"]],
    )
    columns: dict[str, Annotated[Recipe, BeforeValidator(_from_column)]] = Field(
        {},
        description='Contact field = "source column". The fields: email, first_name, last_name, '
        "job_title, company_name, birthday (or birthday_month and birthday_day), anniversary, "
        "phone, home_phone, work_phone, mobile_phone, other_phone, street, street2, city, state, "
        "zip, country, another address with work_ or other_ before its names, and sms_number with "
        "sms_consent_date (US numbers of people who agreed to text messages; a number without a "
        "date is left out).\n\n"
        'Instead of a column: { constant = "…" }, { first_of = [columns] }, { join = [columns], '
        'separator = " " }, or { column = "…" }, each with changes = [strip, lower, upper, title], '
        'values = { "from" = "to" }, other_values = "keep" or "drop", date_formats = ["%d.%m.%Y"] '
        'and date_as = "%m/%d/%Y".',
        examples=[
            {
                "email": "E-Mail",
                "first_name": {"first_of": ["Nickname", "Given Name"], "changes": ["title"]},
            }
        ],
    )
    custom_fields: dict[str, Annotated[CustomRecipe, BeforeValidator(_from_column)]] = Field(
        {},
        description="Custom field's name in Constant Contact = what fills it, as above; with its "
        "type there, when it is no text: date, datetime, number, currency, boolean, text_area, "
        "single_select or multi_select (in a cell a comma or a semicolon stands between several "
        "choices). With choices = [names] other values are left out with a warning. Times without "
        "a zone go as they are written.",
        examples=[
            {
                "member_no": "Member No.",
                "member_since": {"column": "Since", "type": "date"},
                "size": {"column": "Size", "type": "single_select", "choices": ["S", "M", "L"]},
            }
        ],
    )
    create_missing_custom_fields: bool = Field(
        False,
        description="Make custom fields that don't exist in the account yet; a single_select or "
        'multi_select needs its choices for that, a currency field its currency = "USD". Else a '
        "missing one ends the run before anything is sent.",
    )
    date_formats: tuple[str, ...] = Field(
        ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y"),
        min_length=1,
        description="How dates (birthday, anniversary) are written in the source, tried in this "
        "order; strptime's codes. With %Y-%m-%d a time of day may follow, as databases write it.",
    )
    phone_region: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="The country of phone numbers without +, two letters: then each number is "
        "held against the numbering plans, and one that can't be is left out with a warning. "
        "Default: numbers go as they are written.",
        examples=["US"],
    )
    phone_format: Literal["as_written", "national", "international", "e164"] = Field(
        "as_written",
        description="How valid numbers are written, when phone_region is set.",
    )
    countries: Literal["as_written", "name", "code"] = Field(
        "as_written",
        description="Write countries that are recognised (names in several languages, ISO codes) "
        "as their English name or as their two-letter code.",
    )
    states: Literal["as_written", "name", "code"] = Field(
        "as_written",
        description="The same for the states of the US and the provinces of Canada.",
    )
    too_long: Literal["cut", "drop", "reject"] = Field(
        "cut",
        description="What becomes of a value that is longer than Constant Contact takes: cut it, "
        "drop the value, or reject the contact. Always reported.",
    )
    owned_by_constant_contact: tuple[str, ...] = Field(
        (),
        description="Fields that are sent when a contact is new, and never again: what people "
        "change there stays, and is no drift to verify. Custom fields as cf: and their name; a "
        "part of an address, of a birthday or of a number for text messages stands for the whole. "
        "When this is changed, the contacts with these fields are sent once more (the guard stops "
        "a large share of them until a person approves).",
        examples=[["first_name", "cf:nickname"]],
    )

    @model_validator(mode="after")
    def _format_of_a_region(self) -> Self:
        if self.phone_format != "as_written" and self.phone_region is None:
            raise ValueError("mapping.phone_format needs mapping.phone_region")
        return self
