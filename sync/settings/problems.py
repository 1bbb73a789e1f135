"""What is wrong with a configuration, in sentences that name the option."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

Location = tuple[int | str, ...]

_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_YES_OR_NO = "must be true or false"
_TIME = 'must be a time of day, such as "03:30"'
_DURATION = 'must be seconds, or an ISO 8601 duration such as "PT15M"'
_LIST = 'must be a list, such as ["One", "Two"]'
_CHOICE = "must be {expected}"
# What is said of a value, by pydantic's type of error, with what pydantic knows of it
# (https://docs.pydantic.dev/latest/errors/validation_errors/).
_SAID = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "string_type": "must be a text, in quotation marks",
    "path_type": "must be a path, in quotation marks",
    "time_type": _TIME,
    "time_parsing": _TIME,
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "model_type": "must be a table: [{name}] on a line of its own, then its options",
    "dict_type": "must be a table: [{name}] on a line of its own, then its options",
    "missing": "is missing",
}


def unknown_environment(
    options: type[BaseModel], prefix: str, others: Iterable[str], environment: Mapping[str, str]
) -> list[str]:
    """Variables with our prefix that set nothing: a typing error that would go unnoticed."""
    known = {*others, *(f"{prefix}{name.upper()}" for name in options.model_fields)}
    return [
        f"the environment variable {name} sets no option{_did_you_mean(whole, known)}"
        for name in environment
        for whole in [name.upper().partition("__")[0]]
        if whole.startswith(prefix) and whole not in known
    ]


def no_json(prefix: str, error: SettingsError, environment: Mapping[str, str]) -> str:
    """That the environment sets a list or a table in another form than JSON."""
    # The exception names only the section, so all that the environment sets of it is named.
    found = re.search(r'for field "(\w+)"', str(error))
    start = f"{prefix}{found[1] if found else ''}".upper()
    names = ", ".join(name for name in environment if name.upper().startswith(start))
    return (
        f"{names}: lists and tables are written as JSON in the environment, such as "
        f"""{prefix}LISTS__NAMES='["One", "Two"]'"""
    )


def sentence(options: type[BaseModel], prefix: str, detail: ErrorDetails) -> str:
    """What is wrong with a value, and with which."""
    path = [str(part) for part in detail["loc"]]
    name = ".".join(path)
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] in _SAID:
        message = _SAID[detail["type"]].format(name=name, **detail.get("ctx", {}))
    match detail["type"]:
        case "extra_forbidden":
            said = f"{name} is not an option" + _did_you_mean(
                path[-1], _options_of(options, path[:-1])
            )
        case _ if message.startswith(f"{name}."):
            said = message
        case _ if name and message.startswith(("must", "is ", "needs")):
            said = f"{name} {message}"
        case _:
            said = ": ".join(filter(None, [name, message]))
    variable = f"{prefix}{'__'.join(path)}".upper()
    given = any(variable == each.upper() for each in os.environ)
    return f"{said} (from the environment variable {variable})" if given else said


def _options_of(options: type[BaseModel], path: list[str]) -> Mapping[str, object]:
    """The options of a section, or of a table in one such as a field's mapping."""
    kind: Any = options
    for part in path:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        else:
            kind = kind.model_fields[part].annotation
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(names)}"
