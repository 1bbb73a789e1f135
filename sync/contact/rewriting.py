"""Changing single contacts over there by PUT, which can do what an import can't.

An import only sets what it carries: it neither clears a value nor changes an address. Sources: the
V3 contract's PUT /contacts/{contact_id} and its `ContactPutRequest`. A core field that the request
omits becomes null, so all of them are carried over; an array that it omits stays as it is, and one
that it holds replaces the old one whole, so only those that must change are there.

Never there are permission_to_send and sms_channel, since a consent that was read a moment ago may
have been withdrawn meanwhile, nor lists, tags and notes. (That an omitted sms_channel stays is not
stated in so many words; it is no core property of the contact, and has its own id.)
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import orjson

from sync.contact.fields import BIRTHDAY_DAY, BIRTHDAY_MONTH, CUSTOM_PREFIX
from sync.contact.remote import (
    ADDRESS_PARTS,
    PHONE_OF_KIND,
    PLAIN,
    PREFIX_OF_KIND,
    is_street,
    mapping_of,
    mappings_of,
    place_of,
    same,
    text_of,
)

_BIRTHDAY = (BIRTHDAY_MONTH, BIRTHDAY_DAY)
_Part = dict[str, object]


def emptied(
    before: str, now: str, uncleared: Iterable[str], mapped: Collection[str]
) -> tuple[str, ...]:
    """The fields that the account may hold and the source has no more, sorted.

    A street whose second line has gone is one of them: over there both are one field.

    Args:
        before: The body (canonical JSON) that the account is known to hold.
        now: The body that is about to be imported.
        uncleared: What this function gave last time, as far as it was not cleared since.
        mapped: The fields that the source fills; what it has never been asked for, or is not
            asked for any more, is not emptied.
    """
    held, filled = (Counter(map(place_of, orjson.loads(body))) for body in (before, now))
    lost = {name for name, lines in held.items() if lines > filled[name]}
    lost |= {name for name in uncleared if name not in filled or is_street(name)}
    return tuple(sorted(lost & {place_of(name) for name in mapped}))


def rewritten(
    resource: Mapping[str, object],
    custom_field_names: Mapping[str, str],
    *,
    clear: Collection[str] = (),
    body: str = "{}",
    address: str | None = None,
) -> bytes | None:
    """The body of the PUT that clears fields or changes the address, and leaves all else alone.

    None when nothing has to be changed.

    Args:
        resource: The contact as GET shows it, with custom fields, phones and addresses.
        custom_field_names: The custom fields' names by custom_field_id.
        clear: What `emptied` gave.
        body: What was imported last: a field that it has is not cleared, and a street of `clear`
            becomes what it says.
        address: The new address, if it shall have another.
    """
    here = orjson.loads(body)
    filled = {place_of(name) for name in here}
    clear = {name for name in clear if name not in filled or is_street(name)}
    if clear.intersection(_BIRTHDAY):
        clear |= set(_BIRTHDAY)  # one is nothing without the other
    core = dict(_core(resource))
    kept = {name: value for name, value in core.items() if name not in clear}
    written = text_of(mapping_of(resource.get("email_address")).get("address"))
    address = address or written
    arrays = {
        "custom_fields": list(_custom_fields(resource)),
        "phone_numbers": list(_phones(resource)),
        "street_addresses": list(_addresses(resource)),
    }
    wanted = {
        "custom_fields": [
            part
            for part in arrays["custom_fields"]
            if _custom_name(part, custom_field_names) not in clear
        ],
        "phone_numbers": [
            part
            for part in arrays["phone_numbers"]
            if PHONE_OF_KIND.get(text_of(part.get("kind")), "phone") not in clear
        ],
        "street_addresses": [
            changed
            for part in arrays["street_addresses"]
            if len(changed := _cleared_address(part, clear, here)) > 1 or changed == part
        ],
    }
    changed_arrays = {name: parts for name, parts in wanted.items() if parts != arrays[name]}
    if kept == core and not changed_arrays and address.lower() == written.lower():
        return None
    put = {"update_source": "Account", "email_address": {"address": address}}
    return orjson.dumps({**put, **kept, **changed_arrays})


def _core(resource: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name in PLAIN:
        if text_of(resource.get(name)):
            yield name, resource[name]
    if all(resource.get(name) for name in _BIRTHDAY):
        yield from ((name, resource[name]) for name in _BIRTHDAY)


def _phones(resource: Mapping[str, object]) -> Iterator[_Part]:
    for phone in mappings_of(resource.get("phone_numbers")):
        yield _members(phone, ("phone_number", "kind"))


def _addresses(resource: Mapping[str, object]) -> Iterator[_Part]:
    for place in mappings_of(resource.get("street_addresses")):
        yield _members(place, ("kind", *ADDRESS_PARTS))


def _custom_fields(resource: Mapping[str, object]) -> Iterator[_Part]:
    for custom in mappings_of(resource.get("custom_fields")):
        part = _members(custom, ("custom_field_id", "value"))
        if isinstance(choices := custom.get("choice_ids"), list) and choices:
            # Numbers in some answers and texts in the contract of the request.
            part["choice_ids"] = [str(choice) for choice in choices]
        yield part


def _members(part: Mapping[str, object], names: Iterable[str]) -> _Part:
    """What a request may hold of what an answer does."""
    return {name: part[name] for name in names if part.get(name) is not None}


def _custom_name(part: _Part, names: Mapping[str, str]) -> str:
    return CUSTOM_PREFIX + names.get(text_of(part.get("custom_field_id")), "")


def _cleared_address(part: _Part, clear: Collection[str], here: Mapping[str, str | int]) -> _Part:
    prefix = PREFIX_OF_KIND.get(text_of(part.get("kind")))
    if prefix is None:
        return part
    changed = dict(part)
    for member, field in ADDRESS_PARTS.items():
        name = prefix + field
        if name not in clear or member not in part:
            continue
        lines = " ".join(str(value) for each, value in here.items() if place_of(each) == name)
        if not lines:
            del changed[member]
        elif not same(name, lines, text_of(part[member])):
            changed[member] = lines
    return changed
