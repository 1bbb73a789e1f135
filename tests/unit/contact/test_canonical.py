"""The one JSON form of a contact."""

import json

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.canonical import canonical_bodies, fingerprints


def column(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.large_string())


def test_keys_have_one_order_and_nothing_is_padded() -> None:
    columns = {
        "cf:b": column("2"),
        "zip": column("02451"),
        "cf:a": column("1"),
        "birthday_day": column("7"),
        "email": column("a@example.com"),
        "birthday_month": column("5"),
    }
    assert canonical_bodies(columns).to_pylist() == [
        '{"email":"a@example.com","birthday_month":5,"birthday_day":7,"zip":"02451",'
        '"cf:a":"1","cf:b":"2"}'
    ]


def test_empty_cells_are_no_keys() -> None:
    columns = {"email": column("a", None, "c"), "city": column(None, None, "d")}
    assert canonical_bodies(columns).to_pylist() == [
        '{"email":"a"}',
        "{}",
        '{"email":"c","city":"d"}',
    ]


@settings(max_examples=200, deadline=None, print_blob=True)
@given(
    st.lists(
        st.text(
            st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\/\0\n\x1f'))
        ),
        max_size=5,
    ),
    st.text(min_size=1),
    st.integers(0, 3),
)
def test_any_text_is_read_back_as_it_was(texts: list[str], name: str, start: int) -> None:
    bodies = canonical_bodies({f"cf:{name}": column(*texts)[start:]})
    assert [json.loads(body) for body in bodies.to_pylist()] == [
        {f"cf:{name}": text} for text in texts[start:]
    ]


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.lists(st.tuples(*[st.sampled_from([None, "x", "y"])] * 3), min_size=1))
def test_each_row_keeps_its_place_whatever_is_empty(
    rows: list[tuple[str | None, str | None, str | None]],
) -> None:
    names = ("email", "city", "cf:a")
    columns = {name: column(*[row[at] for row in rows]) for at, name in enumerate(names)}
    assert [json.loads(body) for body in canonical_bodies(columns).to_pylist()] == [
        {name: cell for name, cell in zip(names, row, strict=True) if cell} for row in rows
    ]


def test_a_fingerprint_is_the_bodys() -> None:
    bodies = column('{"email":"é"}', '{"email":"e"}', '{"email":"é"}')
    ann, other, again = fingerprints(bodies).to_pylist()
    assert ann == again != other
    assert len(ann) == 16
