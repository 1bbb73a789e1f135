"""Each row's lists and tags: fixed, by a column, or both; a row without any list is rejected."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sync.contact.mapping import map_columns
from sync.contact.rules import Rules
from sync.contact.validation import Checked, Severity, check
from sync.settings.options import Consent, Lists, Tags
from sync.source import Chunk
from sync.state.staging import ready


def checked(
    cells: Sequence[str], lists: Lists | None = None, tags: Tags | None = None, agreed: str = "yes"
) -> Checked:
    emails = [f"p{number}@example.com" for number in range(len(cells))]
    columns = {"email": emails, "Group": list(cells), "Agreed": [agreed] * len(cells)}
    frame = pd.DataFrame(columns, dtype="str")
    consent = Consent(column="Agreed", values=("yes",))
    rules = Rules(consent, lists=lists or Lists(names=("News",)), tags=tags or Tags())
    chunk = Chunk(frame, np.arange(2, len(cells) + 2, dtype=np.int64))
    return check(chunk, map_columns(tuple(frame.columns), rules), rules)


def lists_of(cells: Sequence[str], lists: Lists) -> list[tuple[str, ...]]:
    return names(checked(cells, lists), "lists")


def tags_of(cells: Sequence[str], tags: Tags) -> list[tuple[str, ...]]:
    return names(checked(cells, tags=tags), "tags")


def names(found: Checked, column: str) -> list[tuple[str, ...]]:
    return [tuple(some) for some in found.contacts[column].to_pylist()]


def codes(found: Checked) -> list[tuple[int, str, str, str]]:
    return [(each.row, each.field, each.code, each.value) for each in found.problems]


def test_a_list_comes_from_its_column_with_its_value_translated() -> None:
    lists = Lists(column="Group", values={"US": "Customers USA"})
    assert lists_of([" US", "Friends", "us"], lists) == [
        ("Customers USA",),
        ("Friends",),
        ("Customers USA",),
    ]


def test_fixed_names_go_first_and_none_comes_twice() -> None:
    lists = Lists(names=("News", "Friends", "News"), column="Group")
    assert lists_of(["Friends", "", "VIP"], lists) == [
        ("News", "Friends"),
        ("News", "Friends"),
        ("News", "Friends", "VIP"),
    ]


def test_a_cell_may_name_several() -> None:
    tags = Tags(column="Group", separator=";", values={"g": "Gold", "none": ""})
    assert tags_of(["G; Garden ;;g", "none", "none;x", ";"], tags) == [
        ("Gold", "Garden"),
        (),
        ("x",),
        (),
    ]


def test_without_a_separator_the_whole_cell_is_one_name() -> None:
    assert lists_of(["Boston, MA"], Lists(column="Group")) == [("Boston, MA",)]
    assert tags_of(["a;b"], Tags(column="Group")) == [("a;b",)]


def test_a_row_without_any_list_is_rejected_with_a_reason() -> None:
    lists = Lists(column="Group", values={"staff": ""})
    found = checked(["VIP", "", "Staff", " \t"], lists)
    assert found.contacts["row"].tolist() == [2]
    assert codes(found) == [
        (3, "list", "no_list", ""),
        (4, "list", "no_list", "Staff"),
        (5, "list", "no_list", ""),
    ]
    assert {each.severity for each in found.problems} == {Severity.REJECT}
    assert "“Group” names no list here, and none is set for all" in found.problems[0].reason


def test_lists_that_only_rejected_rows_name_are_not_asked_for() -> None:
    cells, lists = ["VIP", "Rejected", "VIP"], Lists(column="Group")
    emails = ["a@example.com", "no address", "b@example.com"]
    frame = pd.DataFrame({"email": emails, "Group": cells}, dtype="str")
    rules = Rules(Consent(all_rows_have_consent=True), lists=lists)
    chunk = Chunk(frame, np.arange(2, 5, dtype=np.int64))
    contacts = ready(check(chunk, map_columns(tuple(frame.columns), rules), rules).contacts)
    assert contacts.lists.different == [("VIP",)]
    assert contacts.lists.codes.tolist() == [0, 0]


def test_who_did_not_agree_is_told_of_no_list() -> None:
    found = checked(["", "VIP"], Lists(column="Group"), agreed="no")
    assert {each.code for each in found.problems} == {"no_consent"}


def test_a_row_without_tags_has_none_and_goes() -> None:
    found = checked(["", ""], tags=Tags(column="Group"))
    assert names(found, "tags") == [(), ()]
    assert not found.problems


def test_a_name_that_is_too_long_is_left_out_with_a_warning() -> None:
    long = "x" * 256
    found = checked([f"a;{long}", "x" * 255], tags=Tags(column="Group", separator=";"))
    assert names(found, "tags") == [("a",), ("x" * 255,)]
    assert codes(found) == [(2, "tag", "tag_name_too_long", f"a;{long}")]
    alone = checked([long], Lists(column="Group"))
    assert not len(alone.contacts)
    assert codes(alone) == [(2, "list", "no_list", long)]


def test_more_than_fifty_are_left_out_with_a_warning() -> None:
    found = checked([";".join(map(str, range(60)))], Lists(column="Group", separator=";"))
    assert names(found, "lists") == [tuple(map(str, range(50)))]
    assert [(each.field, each.code) for each in found.problems] == [("list", "too_many_lists")]


@pytest.mark.parametrize("names", [("",), ("x" * 256,), tuple(map(str, range(51)))])
def test_impossible_fixed_names_are_refused(names: tuple[str, ...]) -> None:
    for section in (Lists, Tags):
        with pytest.raises(ValidationError):
            section(names=names)


@settings(max_examples=200, deadline=None, print_blob=True)
@given(
    cells=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), max_size=5),
    fixed=st.lists(st.sampled_from(["News", "VIP"]), max_size=2),
    separator=st.sampled_from([None, ";", ",", "a"]),
)
def test_any_cells_give_possible_names_and_no_row_is_lost(
    cells: list[str], fixed: list[str], separator: str | None
) -> None:
    lists = Lists(names=tuple(fixed), column="Group", separator=separator)
    tags = Tags(names=tuple(fixed), column="Group", separator=separator)
    found = checked(cells, lists, tags)
    ended = {each.row for each in found.problems if each.severity.ends_row}
    sent = found.contacts["row"].tolist()
    assert sorted([*sent, *ended]) == list(range(2, len(cells) + 2))
    for some in names(found, "lists") + names(found, "tags"):
        assert len(set(some)) == len(some) <= 50
        assert all(1 <= len(name) <= 255 for name in some)
        assert set(fixed) <= set(some)
    assert all(names(found, "lists"))
    if fixed:
        assert not ended
