"""Which column goes where, and what can't be mapped."""

from collections.abc import Sequence

import pytest

from sync.contact.fields import CUSTOM_PREFIX, FIELDS, REFUSED
from sync.contact.header_names import well_known_field
from sync.contact.mapping import ColumnMapping, map_columns
from sync.contact.rules import Rules
from sync.errors import ConfigurationError, SourceError
from sync.settings.options import Consent, FieldMapping, Lists
from tests.contract.swagger import load_contract


def mapped(header: Sequence[str], lists: Lists | None = None, **options: object) -> ColumnMapping:
    rules = Rules(
        Consent(all_rows_have_consent=True),
        FieldMapping.model_validate(options),
        lists or Lists(),
    )
    return map_columns(header, rules)


def pairs(mapping: ColumnMapping) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, str(field.recipe)) for field in mapping.fields)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("E-mail", "email"),
        ("E-Mail Address", "email"),
        ("Courriel", "email"),
        ("Correo electrónico", "email"),
        ("GIVEN_NAME", "first_name"),
        ("Prénom", "first_name"),
        ("Surname", "last_name"),
        ("Nachname", "last_name"),
        ("Organisation", "company_name"),
        ("Job title", "job_title"),
        ("Date of Birth", "birthday"),
        ("Geburtsdatum", "birthday"),
        ("Cell phone", "mobile_phone"),
        ("Business Phone", "work_phone"),
        ("Téléphone", "phone"),
        ("Straße", "street"),
        ("Address 2", "street2"),
        ("Postleitzahl", "zip"),
        ("ZIP/Postal code", "zip"),
        ("State/Province", "state"),
        ("Country/Region", "country"),
        ("Home City", "city"),
        ("Business Postal Code", "work_zip"),
        ("Other Street", "other_street"),
        ("work_country", "work_country"),
    ],
)
def test_well_known_names_are_understood(column: str, field: str) -> None:
    assert well_known_field(column) == field


@pytest.mark.parametrize("column", ["", "Name", "Notes", "Member No.", "Fax", "会員"])
def test_other_names_are_not_guessed_at(column: str) -> None:
    assert well_known_field(column) is None


def test_fields_come_in_canonical_order_whatever_the_header() -> None:
    header = ["Country", "First name", "Birthday", "E-mail", "Notes"]
    expected = ("email", "first_name", "birthday", "country")
    assert tuple(field.name for field in mapped(header).fields) == expected
    assert tuple(field.name for field in mapped(header[::-1]).fields) == expected
    assert mapped(header).unmapped == ("Notes",)


def test_the_configuration_goes_first() -> None:
    mapping = mapped(["E-mail", "Mail 2"], columns={"email": "Mail 2"})
    assert pairs(mapping) == (("email", "Mail 2"),)
    assert mapping.unmapped == ("E-mail",)


def test_the_first_of_several_well_known_columns_is_taken() -> None:
    mapping = mapped(["E-mail", "E-mail address"])
    assert pairs(mapping) == (("email", "E-mail"),)


def test_custom_fields_come_last_and_sorted() -> None:
    mapping = mapped(["E-mail", "Z", "A", "Phone"], custom_fields={"zeal": "Z", "age": "A"})
    assert [field.name for field in mapping.fields] == ["email", "phone", "cf:age", "cf:zeal"]


def test_without_auto_only_what_is_configured_is_mapped() -> None:
    mapping = mapped(["E-mail", "City"], auto=False, columns={"email": "E-mail"})
    assert pairs(mapping) == (("email", "E-mail"),)


def test_the_list_column_is_used_and_may_also_fill_a_field() -> None:
    mapping = mapped(["E-mail", "Country", "Group"], Lists(column="Group"))
    assert mapping.unmapped == ()
    assert mapped(["E-mail", "Country"], Lists(column="Country")).fields[1].name == "country"


def test_what_is_well_known_never_clashes_with_what_is_configured() -> None:
    mapping = mapped(["E-mail", "Street 9", "City"], columns={"home_street": "Street 9"})
    assert [field.name for field in mapping.fields] == ["email", "home_street"]


def test_a_mapped_column_that_is_missing_is_named_with_the_nearest() -> None:
    with pytest.raises(SourceError, match=r"no column “Vornamen”.*did you mean “Vorname”"):
        mapped(["E-mail", "Vorname"], columns={"first_name": "Vornamen"})
    with pytest.raises(SourceError, match=r"no column “Group”.*its columns are: “E-mail”"):
        mapped(["E-mail"], Lists(column="Group"))


def test_without_a_column_of_addresses_nothing_can_be_done() -> None:
    with pytest.raises(SourceError, match=r"e-mail addresses.*Its columns are: “Name”"):
        mapped(["Name"])


def test_a_repeated_name_matters_only_when_it_is_mapped() -> None:
    assert mapped(["E-mail", "Notes", "Notes"]).unmapped == ("Notes", "Notes")
    with pytest.raises(SourceError, match=r"2 columns named “Phone” \(number 2 and 4\)"):
        mapped(["E-mail", "Phone", "City", "Phone"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": {"frist_name": "a"}}, "did you mean first_name"),
        ({"columns": {"shoe": "a"}}, "is not a contact field"),
        ({"columns": {"cf:x": "a"}}, r"\[mapping.custom_fields\]"),
        ({"columns": {"home_country": "a"}}, "map street, street2, city, state, zip and country"),
        ({"columns": {"sms_number": "a"}}, "belong together"),
        ({"columns": {"phone": "a", "other_phone": "b"}}, "can't both be mapped"),
        ({"columns": {"city": "a", "home_street": "b"}}, "both are the home address"),
        ({"columns": {"birthday": "a", "birthday_day": "b", "birthday_month": "c"}}, "not both"),
        ({"columns": {"birthday_month": "a"}}, "needs its month and its day"),
        ({"custom_fields": {str(number): "a" for number in range(26)}}, "takes 25 a contact"),
        ({"custom_fields": {"x" * 51: "a"}}, "1 to 50 characters"),
        ({"custom_fields": {"Shoe size": "a"}}, "for blanks: write Shoe_size"),
        ({"date_formats": ("%Y-%m",)}, "one day"),
        ({"date_formats": ("%Q",)}, "%Q is not supported"),
        ({"date_formats": ("%d.%m.%Y %y",)}, "at most one year"),
    ],
)
def test_a_mapping_that_can_not_be_is_a_configuration_error(
    options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        mapped(["E-mail", "a", "b", "c"], None, **options)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        mapped(["E-mail"], columns={"shoe": "a", "sms_number": "b", "birthday_day": "c"})
    assert len(caught.value.problems) == 3


def test_each_field_of_the_contract_can_be_mapped_or_is_refused_with_its_reason() -> None:
    contract = load_contract()
    if contract is None:
        pytest.skip("the vendor's contract is not beside the project")
    declared = contract.definitions["JsonImportContact"]["properties"]
    plain = {name for name in declared if not name.startswith(CUSTOM_PREFIX)}
    assert plain - REFUSED.keys() == FIELDS.keys()
    lengths = {name: declared[name].get("maxLength") for name in FIELDS}
    assert [name for name, most in lengths.items() if most and FIELDS[name].longest > most] == []
