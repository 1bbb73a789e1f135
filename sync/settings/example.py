"""The annotated example of every option, written from the options themselves."""

import datetime as dt
import json
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sync.settings.load import Settings

_WIDTH = 96
# What a newcomer must give, or something instead of it, stands uncommented.
_NEEDED = ("source.path", "lists.names")
_INTRODUCTION = """\
The configuration of contact-sync: every option, its meaning, and its default.

What is commented out shows the default, or an example where there is none. Relative paths
start at this file's folder. Durations are seconds, or ISO 8601 such as "PT2H".

Every option can also come from the environment, which goes first: [oauth] client_id from
CONTACT_SYNC_OAUTH__CLIENT_ID, [lists] names from CONTACT_SYNC_LISTS__NAMES='["One"]'.
Secrets belong into files of mode 0600, into systemd credentials, or into the environment."""


def example() -> str:
    """A whole configuration file in TOML; valid as it stands, but for the values of yours."""
    sections = [
        _section(name, field.annotation)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]
    return "\n\n".join([_comment(_INTRODUCTION), *sections]) + "\n"


def _section(name: str, section: type[BaseModel]) -> str:
    options = [_option(name, *item) for item in section.model_fields.items()]
    return "\n".join([_comment(section.__doc__ or ""), f"[{name}]", *options])


def _option(section: str, name: str, field: FieldInfo) -> str:
    value = field.examples[0] if field.examples else field.get_default()
    needed = field.is_required() or f"{section}.{name}" in _NEEDED
    line = f"{name} = {_toml(value)}"
    return "\n".join(["", _comment(field.description or ""), line if needed else f"# {line}"])


def _comment(text: str) -> str:
    paragraphs = text.split("\n\n")
    lines = [
        line
        for paragraph in paragraphs
        for line in ["", *textwrap.wrap(" ".join(paragraph.split()), _WIDTH)]
    ][1:]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dt.timedelta():
            return f"{value.total_seconds():g}"
        case dt.time():
            return f'"{value:%H:%M}"'
        case int() | float():
            return f"{value:_}" if isinstance(value, int) else f"{value:g}"
        case Mapping():
            items = [f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()]
            return f"{{ {', '.join(items)} }}" if items else "{}"
        case tuple() | list():
            return f"[{', '.join(_toml(each) for each in value)}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)
