"""The validator finds what is wrong with a request, and lets a good one pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract import swagger
from tests.contract.validator import (
    ContractError,
    validate_answer,
    validate_request,
    validate_requests,
)

LIST = "04fe9a97-a579-43c5-bb1a-58ed29bf0a6a"


@dataclass(frozen=True)
class Recorded:
    """A recorded request, as small as the validator needs it."""

    method: str = "GET"
    path: str = "/v3/contacts"
    query: str = ""
    body: Any = None
    content_type: str = ""
    padding: int = 0

    @property
    def raw_body(self) -> bytes | None:
        return None if self.body is None else json.dumps(self.body).encode()

    @property
    def request_bytes(self) -> int:
        return len(self.raw_body or b"") + self.padding


def an_import(padding: int = 0, **changes: Any) -> Recorded:
    body = {"import_data": [{"email": "a@example.com", "cf:No": "7"}], "list_ids": [LIST]}
    return Recorded(
        "POST",
        "/v3/activities/contacts_json_import",
        body=body | changes,
        content_type="application/json",
        padding=padding,
    )


@pytest.mark.parametrize(
    "request_",
    [
        Recorded(),
        Recorded(query="status=all&email=a%2Bb%40example.com&limit=500&include_count=true"),
        Recorded(query="updated_after=2026-01-01T00%3A00%3A00%2B01%3A00&include=notes,taggings"),
        Recorded(query="cursor=abc"),
        Recorded(path="/v3/contact_lists", query="limit=500&include_membership_count=active"),
        Recorded("DELETE", f"/v3/contacts/{LIST}"),
        Recorded(path="/oauth2/default/v1/token", method="POST"),
        an_import(),
        an_import(import_data=[{"email": "a@example.com", "home country": "x", "birthday_day": 1}]),
    ],
)
def test_a_good_request_passes(request_: Recorded) -> None:
    validate_request(request_)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Recorded("PATCH"), "no such operation"),
        (Recorded(path="/v3/contact"), "no such operation"),
        (Recorded(query="offset=5"), "offset is not declared"),
        (Recorded(query="limit=501"), "limit=501"),
        (Recorded(path="/v3/contact_custom_fields", query="limit=500"), "1 to 100"),
        (Recorded(path="/v3/contact_lists", query="limit=1000"), "1 to 500"),
        (Recorded(query="status=explicit"), "status=explicit"),
        (Recorded(query="include_count=1"), "not true or false"),
        (Recorded(query="updated_after=2026-01-01"), "no date-time"),
        (Recorded(query="updated_after=2026-01-01T00:00:00+01:00"), "no date-time"),
        (Recorded(query="lists=" + ",".join([LIST] * 26)), "26 values"),
        (Recorded(body={}, content_type="application/json"), "takes no body"),
        (an_import(list_ids=[]), "list_ids"),
        (an_import(list_ids=["x"]), "uuid"),
        (an_import(list_ids=[LIST] * 51), "list_ids"),
        (an_import(list_id=LIST), "list_id"),
        (an_import(padding=4_000_000), "over 4 MB"),
        (an_import(import_data=[{"email": "a@example.com", "tags": []}]), "tags"),
        (an_import(import_data=[{"email": "a@example.com", "first_name": 7}]), "first_name"),
        (an_import(import_data=[{"email": "a@example.com", "first_name": None}]), "first_name"),
        (an_import(import_data=[{"first_name": "x"}]), "neither email"),
        (
            an_import(import_data=[{"email": "a@example.com"}] * 60 + [{"email": "x" * 51}]),
            r"import_data\[60\].email is longer than 50",
        ),
        (
            an_import(
                import_data=[{"email": "a@example.com"} | {f"cf:{n}": "x" for n in range(26)}]
            ),
            "more than 25 custom fields",
        ),
        (Recorded("POST", "/v3/contact_lists", body={"name": "x"}), "Content-Type is missing"),
    ],
)
def test_a_bad_request_is_told_apart(request_: Recorded, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        validate_request(request_)
    with pytest.raises(ContractError, match=says):
        validate_requests([Recorded(), request_])


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "application/json", {"contacts": [], "next": "x"}),
        (200, "text/html", {"contacts": []}),
        (200, "application/json", {"contacts": [{"contact_id": "17"}]}),
        (200, "application/json", {"contacts": [{"created_at": "yesterday"}]}),
        (201, "application/json", {"contacts": []}),
        (400, "application/json", {"error": "x"}),
        (400, "application/json", []),
        (418, "application/json", [{"error_key": "x", "error_message": "y"}]),
    ],
)
def test_a_bad_answer_is_told(status: int, content_type: str, body: Any) -> None:
    with pytest.raises(ContractError):
        validate_answer("GET", "/v3/contacts", status, content_type, body)


def test_a_missing_contract_is_an_error_only_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(swagger, "PATH", tmp_path / "nothing.yml")
    monkeypatch.delenv(swagger.REQUIRED, raising=False)
    swagger.load_contract.cache_clear()
    try:
        validate_request(Recorded("PATCH"))
        monkeypatch.setenv(swagger.REQUIRED, "1")
        swagger.load_contract.cache_clear()
        with pytest.raises(FileNotFoundError):
            validate_request(Recorded("PATCH"))
    finally:
        swagger.load_contract.cache_clear()
