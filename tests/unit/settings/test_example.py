"""The annotated example is complete, valid, and what `init` writes."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from sync.settings import Settings, load_settings
from sync.settings.example import example

SHIPPED = Path(__file__).parents[3] / "config" / "contact-sync.example.toml"


def options() -> list[tuple[str, str]]:
    return [
        (name, option)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        for option in field.annotation.model_fields
    ]


def test_the_shipped_example_is_the_written_one() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == example()


def test_every_option_is_there_with_its_meaning() -> None:
    sections = dict(re.findall(r"(?ms)^\[(\w+)\]\n(.*?)(?=^\[|\Z)", example()))
    for section, option in options():
        described = re.search(rf"(?m)^# .+\n(?:# )?{option} = .+$", sections[section])
        assert described, f"{section}.{option}"


def test_every_line_is_valid_when_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (\w+ = .*)$", r"\1", example())
    values = tomllib.loads(text)
    assert {name: set(section) for name, section in values.items()} == {
        name: {option for section, option in options() if section == name} for name in values
    }


def test_the_example_is_valid_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "contact-sync.toml"
    file.write_text(example(), encoding="utf-8")
    settings = load_settings(file)
    assert settings.source.path == tmp_path / "contacts.csv"


@pytest.mark.parametrize(("section", "option"), options())
def test_each_commented_option_is_valid_alone(tmp_path: Path, section: str, option: str) -> None:
    line = re.search(rf"(?ms)^\[{section}\]\n.*?^(?:# )?({option} = [^\n]*)$", example())
    assert line is not None
    needed = {
        "oauth": {"client_id": 'client_id = "x"'},
        "source": {"path": 'path = "contacts.csv"'},
        "lists": {"names": 'names = ["A"]'},
        "consent": {"all_rows_have_consent": "all_rows_have_consent = true"},
    }
    chosen = {name: dict(lines) for name, lines in needed.items()}
    chosen.setdefault(section, {})[option] = line[1]
    _settle_rivals(chosen, section, option)
    text = "\n".join(f"[{name}]\n" + "\n".join(lines.values()) for name, lines in chosen.items())
    file = tmp_path / "contact-sync.toml"
    file.write_text(text, encoding="utf-8")
    load_settings(file)


COMPANY = {
    ("alerts", "email_to"): {
        "alerts": {"email_from": 'email_from = "a@b.example"', "smtp_host": 'smtp_host = "x"'}
    },
    ("consent", "column"): {"consent": {"values": 'values = ["yes"]'}},
    ("consent", "values"): {"consent": {"column": 'column = "Consent"'}},
    ("feedback", "url"): {"feedback": {"table": 'table = "t"'}},
    ("feedback", "table"): {"feedback": {"url": 'url = "sqlite:///x.db"'}},
    **{
        ("feedback", password): {
            "feedback": {"url": 'url = "sqlite:///x.db"', "table": 'table = "t"'}
        }
        for password in ("password", "password_file")
    },
    ("duplicates", "column"): {"duplicates": {"keep": 'keep = "newest"'}},
    ("source", "changed_column"): {
        "duplicates": {"keep": 'keep = "newest"', "column": 'column = "updated_at"'}
    },
}
DATABASE = {"url", "password", "password_file", "query", "table", "changed_column"}


def _settle_rivals(chosen: dict[str, dict[str, str]], section: str, option: str) -> None:
    """Options that only go with others, or not with others, get their company."""
    for name, lines in COMPANY.get((section, option), {}).items():
        chosen.setdefault(name, {}).update(lines)
    if section == "consent":
        chosen["consent"].pop("all_rows_have_consent", None)
        if option == "all_rows_have_consent":
            chosen["consent"][option] = "all_rows_have_consent = true"
    if (section == "source" and option in DATABASE) or (section, option) == (
        "suppression",
        "query",
    ):
        del chosen["source"]["path"]
        chosen["source"]["url"] = 'url = "sqlite:///x.db"'
        if option != "table":
            chosen["source"]["query"] = 'query = "SELECT 1"'
