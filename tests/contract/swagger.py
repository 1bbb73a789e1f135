"""The vendor's Swagger file as JSON schemas, with its own slips put right.

The file lies beside this project, as `../shared/constant-contact-v3-swagger.yml`; its definitions
are Swagger 2.0 (a subset of JSON schema), which `jsonschema` reads after little change.
"""

from __future__ import annotations

import copy
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).parents[3] / "shared" / "constant-contact-v3-swagger.yml"
BASE_PATH = "/v3"
REQUIRED = "CONTACT_SYNC_REQUIRE_ALL"

SLIPS = {
    "maxItems: 0": "Seven arrays of ids must have at most 0 items, where their texts say 50, 100"
    " or 500. The limit is dropped; the sandbox enforces the texts'.",
    "home country": "One property of an import is spelled with a space where its neighbours have"
    " an underscore, and the vendor's PHP client sends an underscore. Both are let pass.",
    "cf:custom_field_name": "Stands for any property that begins with cf:.",
    "nested next": "The next link of tags is declared twice, at next.href and next.next.href."
    " Both are optional, so that both pass.",
    "choice_id": "Declared as an integer, with the example 9A63BC. Both are let pass.",
    "list_id of a new list": "ContactListPutPost and ContactList call list_id and name required"
    " and list_id read-only: it is required in answers only, which is what is validated.",
    "readOnly items": "The items of list_memberships and taggings are marked read-only in bodies"
    " whose text tells to send them. The mark is ignored.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    template: str
    pattern: re.Pattern[str]
    query: dict[str, dict[str, Any]]
    form: dict[str, dict[str, Any]]
    body: dict[str, Any] | None
    responses: dict[str, dict[str, Any] | None]
    """By status: the answer's schema, None where none is declared."""


@dataclass(frozen=True, slots=True)
class Contract:
    definitions: dict[str, Any]
    operations: tuple[Operation, ...]

    def find(self, method: str, path: str) -> Operation | None:
        """The operation of a path such as /v3/contacts/counts; fixed parts win over ids."""
        bare = path.removeprefix(BASE_PATH)
        return next(
            (
                one
                for one in self.operations
                if one.method == method and one.pattern.fullmatch(bare)
            ),
            None,
        )

    def is_text(self, schema: dict[str, Any]) -> bool:
        name = schema.get("$ref", "").rpartition("/")[2]
        return bool(self.definitions.get(name, schema).get("type") == "string")


@functools.cache
def load_contract() -> Contract | None:
    """The contract; None if it is not there and need not be."""
    if not PATH.exists():
        if os.environ.get(REQUIRED) == "1":
            raise FileNotFoundError(f"{PATH} must be there: {REQUIRED} is set")
        return None
    with PATH.open(encoding="utf-8") as file:
        text = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    definitions = {
        name: _mend(name, copy.deepcopy(schema)) for name, schema in text["definitions"].items()
    }
    operations = [
        _operation(template, method, operation)
        for template, methods in text["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    # Fixed paths before those with an id, so that /contacts/counts is not a contact.
    operations.sort(key=lambda one: one.template.count("{"))
    return Contract(definitions, tuple(operations))


def _operation(template: str, method: str, declared: dict[str, Any]) -> Operation:
    parameters = declared.get("parameters", [])

    def placed(where: str) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in parameters if one["in"] == where}

    bodies = [_mend("", copy.deepcopy(p["schema"])) for p in placed("body").values()]
    return Operation(
        method=method.upper(),
        template=template,
        pattern=re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template)),
        query=placed("query"),
        form=placed("formData"),
        body=bodies[0] if bodies else None,
        responses={
            str(status): response.get("schema")
            for status, response in declared["responses"].items()
        },
    )


def _mend(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One definition, strict about unknown properties and without the contract's slips."""
    _mend_inside(schema)
    properties = schema.get("properties", {})
    if name == "JsonImportContact":
        schema["patternProperties"] = {"^cf:": properties.pop("cf:custom_field_name")}
        properties["home_country"] = properties["home country"]
    if name in ("CustomFieldChoice", "CustomFieldChoicePutRequest"):
        properties["choice_id"] = {"type": ["integer", "string"]}
    return schema


def _mend_inside(schema: Any) -> None:
    if isinstance(schema, list):
        for one in schema:
            _mend_inside(one)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    if schema.get("maxItems") == 0:
        del schema["maxItems"]
    schema.pop("example", None)
    for value in schema.values():
        _mend_inside(value)
