"""Addresses and domains that are never sent."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import email_validator
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sync.contact.address import check_addresses
from sync.contact.text import Mask, as_mask
from sync.errors import SourceError

_DOMAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

_COMMENT = re.compile(r"(?:^|\s)#")  # within an address it is a letter like others


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The list, in the form in which contacts are keyed."""

    addresses: pa.Array = field(default_factory=lambda: pa.array([], pa.large_string()))
    domains: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.addresses) + len(self.domains)

    def with_others(self, others: "Suppressed") -> "Suppressed":
        """Both lists in one."""
        addresses = pc.unique(pa.chunked_array([self.addresses, others.addresses]))
        return Suppressed(addresses, self.domains | others.domains)

    def holds(self, emails: pa.Array) -> Mask:
        """Which of these addresses must not be sent; a domain holds those below it too."""
        mask: Mask = np.zeros(len(emails), np.bool_)
        if len(self.addresses):
            mask |= as_mask(pc.is_in(emails, value_set=self.addresses))
        if self.domains:
            domains = pc.replace_substring_regex(emails, "^.*@", "").dictionary_encode()
            bad = [self._holds_domain(domain) for domain in domains.dictionary.to_pylist()]
            mask |= as_mask(pa.array(bad, pa.bool_()).take(domains.indices))
        return mask

    def _holds_domain(self, domain: str) -> bool:
        labels = domain.split(".")
        return any(".".join(labels[start:]) in self.domains for start in range(len(labels)))


def read_suppressed(lines: Iterable[str], origin: str) -> Suppressed:
    """The list from its lines; blank ones, comments after # and a header line are passed over.

    Raises:
        SourceError: a line is neither an address nor a domain. Guessing would send to somebody
            who must not be written to.
    """
    domains: set[str] = set()
    written: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, 1):
        text = _COMMENT.split(line, 1)[0].strip().strip('",;').strip("\ufeff").strip().lower()
        if not text:
            continue
        domain = text.removeprefix("@").removeprefix("*.")
        if "@" in domain:
            written.append(text)
            numbers.append(number)
        elif (ascii_form := _domain(domain)) is not None:
            domains.add(ascii_form)
        elif number > 1 or " " in text:
            raise _unreadable(origin, number, line)
    addresses = _addresses(written, numbers, origin)
    return Suppressed(addresses, frozenset(domains))


def _domain(text: str) -> str | None:
    """The ASCII form of a domain with a dot in it."""
    if "." not in text:
        return None
    if not text.isascii():
        try:
            address = email_validator.validate_email(f"a@{text}", check_deliverability=False)
        except email_validator.EmailNotValidError:
            return None
        text = address.ascii_domain or text
    return text if _DOMAIN.fullmatch(text) else None


def _addresses(written: list[str], numbers: list[int], origin: str) -> pa.Array:
    column, findings = check_addresses(pa.array(written, pa.large_string()))
    for finding in findings:
        # One that is too long for an import can't be sent anyway.
        if finding.code == "email_invalid":
            at = int(finding.positions[0])
            raise _unreadable(origin, numbers[at], written[at])
    return pc.unique(column.drop_null())


def _unreadable(origin: str, number: int, line: str) -> SourceError:
    return SourceError(
        f"{origin}, line {number}: “{line.strip()[:60]}” is neither an address nor a domain; "
        "nothing is sent while it is not clear who must not be written to."
    )
