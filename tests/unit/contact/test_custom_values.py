"""Custom fields with times and with choices: one form each, and a reason for what is left out."""

import json
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import Problem, check
from sync.errors import ConfigurationError
from sync.settings.options import Consent, FieldMapping
from tests.unit.contact.test_validation import table


def only(
    cell: str, recipe: Mapping[str, object], **options: object
) -> tuple[object, list[Problem]]:
    """What a custom field comes to, and what is told."""
    fields = {"field": {"column": "Cell", **recipe}}
    mapping = FieldMapping.model_validate({"custom_fields": fields, **options})
    rules = Rules(Consent(all_rows_have_consent=True), mapping)
    rows = table({"email": ["a@example.com"], "Cell": [cell]})
    found = check(rows, map_columns(("email", "Cell"), rules), rules)
    assert len(found.contacts) == 1
    return json.loads(found.contacts["body"][0].as_py()).get("cf:field"), list(found.problems)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2024-05-06 07:08:09", "2024-05-06T07:08:09"),
        ("2024-05-06T07:08:09.123", "2024-05-06T07:08:09"),
        ("2024-05-06", "2024-05-06T00:00:00"),
        ("2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09Z"),
        ("2024-05-06T07:08Z", "2024-05-06T07:08:00Z"),
        ("5/6/2024 7:08 PM", "2024-05-06T19:08:00"),
        ("06.05.2024 19:08:01", "2024-05-06T19:08:01"),
        ("06.05.2024", "2024-05-06T00:00:00"),
        ("", None),
    ],
)
def test_a_point_in_time_is_sent_in_one_form(written: str, sent: str | None) -> None:
    assert only(written, {"type": "datetime"}) == (sent, [])


@pytest.mark.parametrize(
    "written", ["soon", "2024-02-30 10:00", "07:08", "2024-05-06 25:00", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_point_in_time_is_left_out_with_a_reason(written: str) -> None:
    sent, [problem] = only(written, {"type": "datetime"})
    assert sent is None
    assert (problem.field, problem.code, problem.value) == ("cf:field", "datetime_invalid", written)


def test_a_format_of_one_s_own_may_have_the_time_in_it() -> None:
    recipe = {"type": "datetime", "date_formats": ["%H:%M on %d %B %Y", "%d %b"]}
    assert only("07:08 on 6 May 2024", recipe)[0] == "2024-05-06T07:08:00"
    # Without a year it is no point in time.
    assert only("6 May", recipe)[1][0].code == "datetime_invalid"


SIZE = {"type": "single_select", "choices": ["S", "M", "Extra large"]}
LIKES = {"type": "multi_select", "choices": ["Cats", "Dogs", "Fish"]}


@pytest.mark.parametrize(
    ("recipe", "written", "sent"),
    [
        (SIZE, " extra LARGE", "Extra large"),
        (SIZE, "", None),
        (LIKES, "dogs;Cats", "Dogs,Cats"),
        (LIKES, "cats, cats ,,", "Cats"),
    ],
)
def test_choices_are_sent_as_they_are_called(
    recipe: Mapping[str, object], written: str, sent: str | None
) -> None:
    assert only(written, recipe) == (sent, [])


@pytest.mark.parametrize(
    ("recipe", "written", "sent"),
    [(SIZE, "XL", None), (SIZE, "S;M", None), (LIKES, "cats;birds", "Cats"), (LIKES, "x", None)],
)
def test_another_choice_is_left_out_with_a_reason(
    recipe: Mapping[str, object], written: str, sent: str | None
) -> None:
    found, [problem] = only(written, recipe)
    assert found == sent
    assert (problem.code, problem.value) == ("choice_unknown", written)


def test_without_configured_choices_a_select_takes_any_text() -> None:
    assert only("XL", {"type": "single_select"}) == ("XL", [])


def test_chosen_text_that_is_too_long_together_is_left_out() -> None:
    long = [letter * 200 for letter in "ab"]
    recipe: Mapping[str, object] = {"type": "multi_select", "choices": long}
    found, [problem] = only(";".join(long), recipe)
    assert found is None
    assert problem.code == "too_long_dropped"


@pytest.mark.parametrize(
    "recipe",
    [
        {"choices": ["a"]},
        {"type": "multi_select", "choices": ["a,b"]},
        {"type": "single_select", "choices": ["a", "A"]},
        {"type": "number", "currency": "USD"},
        {"type": "currency", "currency": "usd"},
    ],
)
def test_what_does_not_fit_the_type_is_refused(recipe: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        only("x", recipe)


def test_a_currency_that_is_none_is_a_sentence() -> None:
    with pytest.raises(ConfigurationError) as failed:
        only("x", {"type": "currency", "currency": "XQQ"})
    assert failed.value.problems == ("mapping.custom_fields.field: XQQ is no currency; write USD",)
