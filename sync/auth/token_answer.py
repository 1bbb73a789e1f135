"""Reading what the token endpoint answered: tokens, a refusal, or something nobody can rely on.

Pure: status and bytes come in, a TokenAnswer goes out or one of `sync.auth.outcomes` is raised.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sync.auth.lifetimes import life_of
from sync.auth.outcomes import (
    AnswerLost,
    ClientRefused,
    GrantRefused,
    Refused,
    TooManyRequests,
)

_LONGEST_DESCRIPTION = 300


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What the endpoint gave. `refresh_token` is None when none came (a long-lived one stays
    valid); `access_token` is empty only when a cut answer held nothing but the refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scope: str
    expires_in: timedelta
    requested_at: datetime
    received_at: datetime


def read_answer(
    status: int, body: bytes, *, requested_at: datetime, received_at: datetime
) -> TokenAnswer:
    """The tokens of an answer; raises AnswerLost, TooManyRequests or Refused.

    When a success is cut off or garbled, what can be read of it is kept: its refresh token is
    the only one that still works, and the old one must not be sent again.
    """
    content = _object(body)
    if not 200 <= status < 300:
        _refuse(status, content or {})
    tokens = content if content is not None else _remains(body)
    access_token = _text(tokens, "access_token")
    refresh_token = _text(tokens, "refresh_token") or None
    if not access_token and refresh_token is None:
        what = "holds no token" if content is not None else "is not whole JSON"
        raise AnswerLost(
            f"The token endpoint answered HTTP {status}, but the answer {what}; whether the pair "
            "was renewed is not known. Check oauth.token_url and a proxy on the way."
        )
    return TokenAnswer(
        access_token=access_token,
        refresh_token=refresh_token,
        scope=_text(tokens, "scope"),
        expires_in=life_of(tokens.get("expires_in"), access_token),
        requested_at=requested_at,
        received_at=received_at,
    )


def _refuse(status: int, content: Mapping[str, Any]) -> NoReturn:
    error = _printable(_text(content, "error"))
    description = _printable(_text(content, "error_description"))
    said = " ".join(filter(None, [f"HTTP {status}", error, description]))
    if status == 429:
        raise TooManyRequests(
            "Constant Contact's token endpoint says too many requests (HTTP 429); nothing was "
            "done. Try again in a minute."
        )
    if status >= 500 or status == 408:
        raise AnswerLost(
            f"Constant Contact's token endpoint is not well ({said}); whether the pair was renewed "
            "is not known."
        )
    if 300 <= status < 400:
        raise Refused(
            f"The token endpoint redirects elsewhere (HTTP {status}), and secrets are not sent "
            "after a redirect: check oauth.token_url and a proxy on the way.",
            status=status,
        )
    if error == "invalid_grant":
        raise GrantRefused(
            f"Constant Contact refused the grant ({said}): run contact-sync authorize.",
            status=status,
            error=error,
            description=description,
        )
    if error in ("invalid_client", "unauthorized_client") or status == 401:
        raise ClientRefused(
            f"Constant Contact refused the application itself ({said}): check oauth.client_id and "
            "the client secret (a newly generated secret ends the old one at once), and that the "
            "application is active. The stored tokens are kept.",
            status=status,
            error=error,
            description=description,
        )
    raise Refused(
        f"The token endpoint refused the request ({said}); the stored tokens are kept. Check "
        "oauth.token_url, oauth.scopes and the application's settings in the developer portal.",
        status=status,
        error=error,
        description=description,
    )


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


_WHOLE_TEXT = rb'"%s"\s*:\s*("(?:[^"\\\x00-\x1f]|\\.)*")'
_WHOLE_NUMBER = rb'"%s"\s*:\s*(\d+)\s*[,}]'


def _remains(body: bytes) -> dict[str, Any]:
    """The values that are whole in a cut JSON object."""
    found: dict[str, Any] = {}
    if not body.lstrip().startswith(b"{"):
        return found
    for name, pattern in (
        ("access_token", _WHOLE_TEXT),
        ("refresh_token", _WHOLE_TEXT),
        ("scope", _WHOLE_TEXT),
        ("expires_in", _WHOLE_NUMBER),
    ):
        if match := re.search(pattern % name.encode(), body):
            try:
                found[name] = json.loads(match[1])
            except ValueError:
                continue
    return found


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) and value.strip() else ""


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:_LONGEST_DESCRIPTION]
