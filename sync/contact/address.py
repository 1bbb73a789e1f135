"""E-mail addresses: tidied, told apart from what is none, and in one normal form.

A regular expression settles what is surely an address; only what it can't settle is looked at one
by one, by email-validator's rules (RFC 5322 as it is used, IDNA 2008), without DNS.
"""

import re

import email_validator
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.fields import EMAIL, FIELDS
from sync.contact.findings import Finding, Severity
from sync.contact.text import (
    Mask,
    Positions,
    as_mask,
    blank_at,
    has_controls,
    is_ascii,
    longer_than,
    mask_of,
    where,
    without_empty,
)
from sync.text_bytes import ends_of, raw_bytes

# What people don't see and copy along: controls, no-break and zero-width spaces, soft hyphens,
# marks of writing direction, byte order marks.
_UNSEEN = (
    r"[\x00-\x1f\x7f-\x{a0}\x{ad}\x{200b}-\x{200f}\x{2028}-\x{202f}\x{2060}-\x{206f}\x{feff}]+"
)

ORDINARY = r"^[a-z0-9_'+-]+(?:\.[a-z0-9_'+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}$"
_SPECIAL = (
    r"[@.](?:"
    + "|".join(re.escape(domain) for domain in email_validator.SPECIAL_USE_DOMAIN_NAMES)
    + ")$"
)

_SPECIAL_LETTERS = [ord(domain[-1]) for domain in email_validator.SPECIAL_USE_DOMAIN_NAMES]

# With the name before it, as mail programs copy it, or as a link.
_WRAPPED = re.compile(r"[^<>@]*<\s*(?:mailto:)?([^<>\s]+)\s*>|mailto:([^?\s]+)(?:\?.*)?")

_LONGEST = FIELDS[EMAIL].longest


def check_addresses(cells: pa.Array) -> tuple[pa.Array, tuple[Finding, ...]]:
    """Addresses in lower case and without clutter; null where there is none that can be used.

    Domains in other scripts become their ASCII form (punycode), so that one mailbox has one form.
    """
    column = tidy_addresses(cells)
    missing = where(pc.is_null(column))
    too_long = longer_than(column, _LONGEST)
    findings = []
    if len(missing):
        findings.append(
            Finding(Severity.REJECT, EMAIL, "email_missing", "There is no e-mail address.", missing)
        )
    column = blank_at(column, too_long)
    doubtful = np.flatnonzero(as_mask(pc.is_valid(column)) & ~_ordinary(column))
    if len(doubtful):
        column, more_too_long, finding = _settle(column, doubtful)
        too_long = np.concatenate([too_long, more_too_long])
        findings.extend(finding)
    if len(too_long):
        reason = f"The address has more than the {_LONGEST} characters that an import takes."
        findings.append(Finding(Severity.REJECT, EMAIL, "email_too_long", reason, too_long))
    return column, tuple(findings)


def tidy_addresses(cells: pa.Array) -> pa.Array:
    """Without what people don't see, in lower case; null if empty."""
    column = cells
    plain = is_ascii(column)
    if not plain or has_controls(column):
        column = pc.replace_substring_regex(column, _UNSEEN, "")
    column = pc.utf8_trim_whitespace(column)
    return without_empty(pc.ascii_lower(column) if plain else pc.utf8_lower(column))


def _ordinary(column: pa.Array) -> Mask:
    """Which are addresses for sure; only those that may end in a special domain are looked at."""
    ordinary = as_mask(pc.match_substring_regex(column, ORDINARY))
    letters, ends = raw_bytes(column), ends_of(column)
    at = np.flatnonzero(ordinary)
    suspects = at[np.isin(letters[ends[at + 1] - ends[0] - 1], _SPECIAL_LETTERS)]
    special = as_mask(pc.match_substring_regex(column.take(pa.array(suspects)), _SPECIAL))
    ordinary[suspects[special]] = False
    return ordinary


def _settle(column: pa.Array, doubtful: Positions) -> tuple[pa.Array, Positions, list[Finding]]:
    """Look at these addresses one by one; give the column, what grew too long, what is none."""
    found: list[str | None] = []
    reasons = {}
    for position, text in zip(
        doubtful.tolist(), column.take(pa.array(doubtful)).to_pylist(), strict=True
    ):
        try:
            found.append(_ascii_form(text))
        except email_validator.EmailNotValidError as error:
            found.append(None)
            reasons[position] = str(error)
    settled = pa.array(found, pa.large_string())
    too_long = doubtful[longer_than(settled, _LONGEST)]
    mask = pa.array(mask_of(doubtful, len(column)))
    column = blank_at(pc.replace_with_mask(column, mask, settled), too_long)
    if not reasons:
        return column, too_long, []
    positions = np.array(list(reasons), np.int64)
    finding = Finding(Severity.REJECT, EMAIL, "email_invalid", tuple(reasons.values()), positions)
    return column, too_long, [finding]


def _ascii_form(text: str) -> str:
    """The normal form of one address, also of `Ann <ann@example.com>` and of a mailto link.

    Raises:
        EmailNotValidError: it is none, or its part before the @ isn't ASCII, for which nothing
            says that Constant Contact takes it.
    """
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1] or wrapped[2]
    checked = email_validator.validate_email(text, check_deliverability=False, allow_smtputf8=False)
    return (checked.ascii_email or checked.normalized).lower()
