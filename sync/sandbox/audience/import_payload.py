"""What arrives at an import, and the silent cuts: 4 MB, and 40,000 contacts.

"If the request body exceeds 4 MB, this method only imports the first 4 MB and drops the remaining
data" (the contract). The lists are taken from the whole body; of the contacts, those count that
lie completely inside its first part.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import orjson

_START = re.compile(r'"import_data"\s*:\s*\[')
_GAP = re.compile(r"[\s,]*")

CSV_NUMBERS = ("birthday_month", "birthday_day")


def cut_contacts(body: bytes, contacts: list[Any], limit: int) -> list[Any]:
    """The contacts of a JSON body that lie inside its first `limit` bytes."""
    if len(body) <= limit:
        return contacts
    text = body[:limit].decode("utf-8", "ignore")
    start = _START.search(text)
    if start is None:
        return []
    decoder, position, complete = json.JSONDecoder(), start.end(), 0
    while complete < len(contacts):
        position = _end_of_gap(text, position)
        try:
            _, position = decoder.raw_decode(text, position)
        except ValueError:
            break
        complete += 1
    return contacts[:complete]


def read_csv(data: bytes, byte_limit: int, line_limit: int) -> list[dict[str, Any]]:
    """The contacts of a CSV file: one header row, and what lies inside both limits.

    Raises ValueError when it is no UTF-8 text or has no header with an address or a number.
    """
    text = data[:byte_limit].decode("utf-8-sig", "strict" if len(data) <= byte_limit else "ignore")
    if len(data) > byte_limit:
        text = text[: text.rfind("\n") + 1]
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if not {"email", "sms_number"}.intersection(header):
        raise ValueError("the file must have a column named email or sms_number")
    contacts: list[dict[str, Any]] = []
    for row in reader:
        if len(contacts) + 1 >= line_limit:
            break
        if row:
            contacts.append(
                {
                    name: int(value) if name in CSV_NUMBERS and value.isdigit() else value
                    for name, value in zip(header, row, strict=False)
                    if value or name not in CSV_NUMBERS
                }
            )
    return contacts


def pack(lists: list[int], contacts: list[Any], sms_permission: str | None) -> bytes:
    """What an import activity keeps until it is worked on."""
    return orjson.dumps({"lists": lists, "contacts": contacts, "sms_permission": sms_permission})


def _end_of_gap(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return position if match is None else match.end()
