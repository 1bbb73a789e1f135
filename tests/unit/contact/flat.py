"""A contact as the service shows it, by the names of the import."""

from collections.abc import Mapping

from sync.contact.remote import Value, fields_of


def flat(resource: Mapping[str, object], custom_field_names: Mapping[str, str]) -> dict[str, Value]:
    """Its values; of those that share a name the first."""
    found: dict[str, Value] = {}
    for name, value in fields_of(resource, custom_field_names):
        found.setdefault(name, value)
    return found
