"""Holds requests and answers to the vendor's contract, the Swagger file of the V3 API.

    validate_request(entry)           # an entry of the sandbox's request log, or one like it
    validate_answer(method, path, status, content_type, body)

Both raise `ContractError` with everything that is wrong. The contract is not part of this project:
where it does not lie beside it, nothing is validated, unless the environment says that it must be
(`CONTACT_SYNC_REQUIRE_ALL=1`, as in continuous integration).

Stricter than the contract's letter: a property that it does not know is refused, in both
directions. More lenient in the places that `swagger.SLIPS` lists, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import parse_qsl

from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from tests.contract.formats import FORMATS
from tests.contract.swagger import BASE_PATH, Contract, Operation, load_contract

IMPORT_PATH = "/activities/contacts_json_import"
IMPORT_BYTES_MAX = 4_000_000
IMPORT_CONTACTS_MAX = 40_000
CUSTOM_FIELDS_MAX = 25
VALIDATED_CONTACTS = 50
"""So many contacts of an import go through the full schema; all of them through its lengths."""

GATEWAY_STATUSES = frozenset({401, 403, 404, 405, 406, 415, 429, 500, 502, 503, 504})
"""What the service's gateway may answer anywhere, declared for an operation or not: the contract
declares 429 on activities only, and the vendor's page on limits names it for every call."""


class ContractError(AssertionError):
    """Something was sent or answered that the contract does not allow."""


class Request(Protocol):
    """What is needed of a recorded request; the sandbox's log entries have it."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def raw_body(self) -> bytes | None: ...
    @property
    def request_bytes(self) -> int: ...
    @property
    def body(self) -> Any: ...


def validate_request(request: Request) -> None:
    """Raise ContractError unless the contract allows this request. Other paths are not its."""
    problems = request_problems(request)
    if problems:
        raise ContractError(f"{request.method} {request.path}: " + "; ".join(problems))


def validate_requests(requests: Iterable[Request]) -> None:
    """All of them, told in one error."""
    problems = [
        f"{request.method} {request.path}: {problem}"
        for request in requests
        for problem in request_problems(request)
    ]
    if problems:
        raise ContractError("\n".join(problems))


def request_problems(request: Request) -> list[str]:
    contract = load_contract()
    if contract is None or not request.path.startswith(f"{BASE_PATH}/"):
        return []
    operation = contract.find(request.method, request.path)
    if operation is None:
        return ["the contract has no such operation"]
    return [
        *_query_problems(operation, request.query),
        *_body_problems(contract, operation, request),
    ]


def validate_answer(
    method: str, path: str, status: int, content_type: str, body: Any
) -> tuple[str, str]:
    """Raise ContractError unless the contract allows this answer; `body` is its JSON or text.

    Returns the operation as (method, path template).
    """
    contract = load_contract()
    if contract is None:
        return method, path
    operation = contract.find(method, path)
    if operation is None:
        raise ContractError(f"the contract has no {method} {path}")
    told = f"{method} {operation.template} {status}"
    if str(status) not in operation.responses and status not in GATEWAY_STATUSES:
        raise ContractError(f"{told}: the contract declares no such status")
    problems = (
        _error_problems(contract, body)
        if status >= 400
        else _success_problems(contract, operation, status, content_type, body)
    )
    if problems:
        raise ContractError(f"{told}: " + "; ".join(problems))
    return method, operation.template


def _query_problems(operation: Operation, query: str) -> list[str]:
    problems: list[str] = []
    given = dict(parse_qsl(query, keep_blank_values=True))
    if "cursor" in given:
        # A page is continued by its link alone, which is not declared as a parameter.
        return []
    for name, value in given.items():
        parameter = operation.query.get(name)
        if parameter is None:
            problems.append(f"query parameter {name} is not declared")
        else:
            problems += _parameter_problems(name, value, parameter)
    for name, parameter in operation.query.items():
        if parameter.get("required") and name not in given:
            problems.append(f"query parameter {name} is required")
    return problems


def _parameter_problems(name: str, value: str, parameter: dict[str, Any]) -> list[str]:
    kind, allowed = parameter["type"], parameter.get("enum")
    if kind == "integer":
        least, most = parameter.get("minimum", 1), parameter.get("maximum", 500)
        # The schema says 1,000 lists a page where its text says 500.
        if not value.isdecimal() or not least <= int(value) <= min(most, 500):
            return [f"{name}={value} is not {least} to {min(most, 500)}"]
        return []
    if kind == "boolean":
        return [] if value in ("true", "false") else [f"{name}={value} is not true or false"]
    if parameter.get("format") == "date-time":
        return [] if FORMATS.conforms(value, "date-time") else [f"{name}={value} is no date-time"]
    parts = value.split(",")
    problems = []
    if allowed is not None and any(part not in allowed for part in parts):
        problems.append(f"{name}={value} is not of {allowed}")
    # `maximum` on a text parameter means: so many values separated by commas.
    if len(parts) > parameter.get("maximum", len(parts)):
        problems.append(f"{name} has {len(parts)} values")
    return problems


def _body_problems(contract: Contract, operation: Operation, request: Request) -> list[str]:
    if operation.body is None:
        if operation.form:
            return _form_problems(operation, request)
        return ["the operation takes no body"] if request.request_bytes else []
    if not request.content_type.startswith("application/json"):
        return [f"Content-Type is {request.content_type or 'missing'}"]
    if request.raw_body is None:
        return []
    body = request.body
    if body is None:
        return ["the body is no JSON"]
    shortened = body
    problems: list[str] = []
    if operation.template == IMPORT_PATH and isinstance(body, dict):
        problems = _import_problems(contract, request, body)
        shortened = body | {"import_data": body.get("import_data", [])[:VALIDATED_CONTACTS]}
    return problems + _schema_problems(contract, operation.body, shortened)


def _form_problems(operation: Operation, request: Request) -> list[str]:
    if not request.content_type.startswith("multipart/form-data; boundary="):
        return [f"Content-Type is {request.content_type or 'missing'}"]
    raw = request.raw_body or b""
    return [
        f"form field {name} is required"
        for name, parameter in operation.form.items()
        if parameter.get("required") and f'name="{name}"'.encode() not in raw
    ]


def _import_problems(contract: Contract, request: Request, body: dict[str, Any]) -> list[str]:
    """What the contract says of an import in prose, and the lengths of every contact."""
    problems = []
    contacts = body.get("import_data")
    if not isinstance(contacts, list):
        return ["import_data is no array"]
    if request.request_bytes > IMPORT_BYTES_MAX:
        problems.append(f"the body has {request.request_bytes} bytes: what is over 4 MB is lost")
    if len(contacts) > IMPORT_CONTACTS_MAX:
        problems.append(f"{len(contacts)} contacts: what is over 40,000 is lost")
    known = contract.definitions["JsonImportContact"]["properties"]
    longest = {name: schema.get("maxLength") for name, schema in known.items()}
    custom_longest = longest.pop("cf:custom_field_name", 255)
    for place, contact in enumerate(contacts):
        if len([key for key in contact if key.startswith("cf:")]) > CUSTOM_FIELDS_MAX:
            problems.append(f"import_data[{place}] has more than 25 custom fields")
        if not contact.get("email") and not contact.get("sms_number"):
            problems.append(f"import_data[{place}] has neither email nor sms_number")
        for key, value in contact.items():
            most = custom_longest if key.startswith("cf:") else longest.get(key)
            if most is not None and isinstance(value, str) and len(value) > most:
                problems.append(f"import_data[{place}].{key} is longer than {most}")
    return problems


def _success_problems(
    contract: Contract, operation: Operation, status: int, content_type: str, body: Any
) -> list[str]:
    schema = operation.responses[str(status)]
    if schema is None:
        return [] if body in (None, "", {}) else ["an answer without a schema has a body"]
    if contract.is_text(schema):
        return [] if content_type.startswith("text/csv") else [f"Content-Type is {content_type}"]
    if not content_type.startswith("application/json"):
        return [f"Content-Type is {content_type}"]
    return _schema_problems(contract, schema, body)


def _error_problems(contract: Contract, body: Any) -> list[str]:
    """An error is a list of APIErrorSchema's objects, or one AuthorizationErrorSchema."""
    errors = body if isinstance(body, list) else [body]
    if not errors:
        return ["an error without content"]
    schema = contract.definitions["AuthorizationErrorSchema"]
    needed = schema | {"required": ["error_key", "error_message"]}
    return [problem for error in errors for problem in _schema_problems(contract, needed, error)]


def _schema_problems(contract: Contract, schema: dict[str, Any], value: Any) -> list[str]:
    whole = schema | {"definitions": contract.definitions}
    found = Draft7Validator(whole, format_checker=FORMATS).iter_errors(value)
    return [
        f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:200]}"
        for error in found
    ]
