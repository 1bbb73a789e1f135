"""E-mail addresses: what is one, and in which form."""

import re

import email_validator
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.contact.address import ORDINARY, check_addresses


def judged(text: str) -> str | None:
    """The normal form, or the code of what is wrong."""
    column, findings = check_addresses(pa.array([text], pa.large_string()))
    address: str | None = column[0].as_py()
    assert (address is None) == bool(findings)
    return findings[0].code if findings else address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann.O'Neill+news@Example.COM\t", "ann.o'neill+news@example.com"),
        ("ann\u200b@example\u00a0.com", "ann@example.com"),
        ("\ufeffann@example.com\r\n", "ann@example.com"),
        ("an\0n@example.com", "ann@example.com"),
        ("ann@münchen.example.com", "ann@xn--mnchen-3ya.example.com"),
        ("ANN@MÜNCHEN.example.com", "ann@xn--mnchen-3ya.example.com"),
        ("a{b}c@example.com", "a{b}c@example.com"),
        ("a" * 38 + "@example.com", "a" * 38 + "@example.com"),
        ("a" * 39 + "@example.com", "email_too_long"),
        ("a" * 36 + "@ü.example.com", "email_too_long"),
        ("", "email_missing"),
        (" \u00a0\u200b ", "email_missing"),
        ("ann", "email_invalid"),
        ("ann@example", "email_invalid"),
        ("ann@@example.com", "email_invalid"),
        ("ann smith@example.com", "email_invalid"),
        ("ann..smith@example.com", "email_invalid"),
        ("ann@example,com", "email_invalid"),
        ("ann@example.com;bob@example.com", "email_invalid"),
        ("Ann <ann@example.com>", "ann@example.com"),
        ("<Ann@Example.com>", "ann@example.com"),
        ("mailto:ann@example.com?subject=Hello", "ann@example.com"),
        ("Ann <ann@example.com>, Bob <bob@example.com>", "email_invalid"),
        ("Ann <>", "email_invalid"),
        ("bob@example.com <ann@example.com>", "email_invalid"),
        ("ann@printer.local", "email_invalid"),
        ("ann@localhost", "email_invalid"),
        ("ann@127.0.0.1", "email_invalid"),
        ("änn@example.com", "email_invalid"),
        ("😀@example.com", "email_invalid"),
    ],
)
def test_an_address_is_brought_into_its_form_or_refused(written: str, address: str) -> None:
    assert judged(written) == address


def test_reasons_are_sentences() -> None:
    _, findings = check_addresses(pa.array(["ann", "bob@example"], pa.large_string()))
    assert len(findings) == 1
    assert findings[0].reason[0] == "An email address must have an @-sign."
    assert findings[0].positions.tolist() == [0, 1]


NEAR_ADDRESSES = st.builds(
    "{}@{}.{}".format,
    st.text("abz09_'+-.", min_size=1, max_size=12),
    st.text("abz09-.", min_size=1, max_size=12),
    st.sampled_from(["com", "museum", "c", "local", "test", "a1", "invalid", "co.uk"]),
)


@settings(max_examples=500, deadline=None, print_blob=True)
@given(NEAR_ADDRESSES)
def test_the_fast_check_and_email_validator_agree(text: str) -> None:
    try:
        expected = email_validator.validate_email(text, check_deliverability=False).ascii_email
    except email_validator.EmailNotValidError:
        expected = "email_invalid"
    assert judged(text) == expected


def test_the_fast_check_settles_the_ordinary() -> None:
    assert re.search(ORDINARY, "ann.o'neill+news@mail-2.example.com")
    assert not re.search(ORDINARY, "ann@xn--mnchen-3ya.example.com")


@settings(max_examples=500, deadline=None, print_blob=True)
@given(st.one_of(st.text(max_size=60), st.emails(), st.from_regex(r"\A\S{1,9}@\S{1,9}\.\S{2,4}\Z")))
def test_any_text_is_judged_and_the_form_is_stable(text: str) -> None:
    found = judged(text)
    assert found is not None
    if not found.startswith("email_"):
        assert found.isascii()
        assert len(found) <= 50
        assert judged(found) == found
        assert judged(found.upper()) == found
