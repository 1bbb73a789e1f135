"""Reading what the API answers: its several error envelopes, and what each status means.

Sources: the vendor's contract (definitions of the error schemas) and the guide's page on
response codes (https://developer.constantcontact.com/api_guide/glossary_responses.html).
"""

from dataclasses import dataclass
from typing import Any

import requests

from sync.errors import AccessForbidden, ContactSyncError, RequestRefused


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, whatever its shape was."""

    status: int
    error_key: str
    message: str

    def __str__(self) -> str:
        detail = " ".join(filter(None, [self.error_key, self.message]))
        return f"HTTP {self.status}" + (f", {detail}" if detail else "")


def read_refusal(response: requests.Response) -> Refusal:
    """Take the error key and message out of any of the envelopes that occur.

    A list of objects, one object, `{"message"}` of the gateway, `{"error", "error_description"}`
    of an authorisation server, HTML, or nothing at all.
    """
    try:
        body: Any = response.json()
    except requests.JSONDecodeError:
        return Refusal(response.status_code, "", "")
    errors = [
        error for error in (body if isinstance(body, list) else [body]) if isinstance(error, dict)
    ]
    keys = [_text(error, "error_key", "error") for error in errors]
    messages = [_text(error, "error_message", "message", "error_description") for error in errors]
    return Refusal(
        response.status_code,
        next(filter(None, keys), ""),
        "; ".join(filter(None, dict.fromkeys(messages)))[:500],
    )


def _text(error: dict[str, Any], *names: str) -> str:
    """The first of these members that says anything, on one line."""
    return next((" ".join(str(error[name]).split()) for name in names if error.get(name)), "")


def explain(refusal: Refusal, request: str) -> ContactSyncError:
    """The error of a refusal that repeating can't help; `request` is such as "GET /contacts"."""
    if refusal.status == 403:
        return AccessForbidden(
            f"Constant Contact forbids {request} ({refusal}): the application is deactivated, or "
            "the user who authorized it lacks a privilege or a scope; see contact-sync check, "
            "then contact-sync authorize."
        )
    return RequestRefused(
        f"Constant Contact refused {request} ({refusal}). If it lasts, report it with the log of "
        "this run.",
        status=refusal.status,
        error_key=refusal.error_key,
    )
