"""The person's one visit: OAuth 2.0's authorization code, with PKCE.

`begin` makes the address to open. Then the code comes back to a loopback page
(`wait_for_redirect`), or, where there is no browser, the person pastes the address that the
browser ended on (`code_from_pasted`). RFC 6749, section 4.1; RFC 7636; RFC 8252, section 7.3.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

from sync.auth.redirect_listener import Page, listen
from sync.errors import AuthorizationNeeded, UsageError
from sync.settings import Settings

_LONGEST_DESCRIPTION = 300


class ConsentDenied(AuthorizationNeeded):
    """The person pressed Deny, or the service refused to ask."""


class StateMismatch(AuthorizationNeeded):
    """What came back belongs to another visit, or comes from somebody else."""


class CodeMissing(AuthorizationNeeded):
    """What came back holds neither a code nor an error."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One visit: the address to open, and what proves that the answer belongs to it."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    verifier: str | None = field(repr=False)


def begin(settings: Settings, *, pkce: bool = True) -> AuthorizationRequest:
    """The start of a visit; show the person its `url`.

    PKCE is sent along with the client secret, as Constant Contact accepts; `pkce=False` is for
    an application whose server refuses its parameters.
    """
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(64) if pkce else None
    query = {
        "client_id": settings.oauth.client_id,
        "redirect_uri": settings.oauth.redirect_uri,
        "response_type": "code",
        "scope": " ".join(settings.oauth.scopes),
        "state": state,
    }
    if verifier is not None:
        query |= {"code_challenge": _challenge(verifier), "code_challenge_method": "S256"}
    separator = "&" if urlsplit(settings.oauth.authorize_url).query else "?"
    url = f"{settings.oauth.authorize_url}{separator}{urlencode(query)}"
    return AuthorizationRequest(url, state, verifier)


def wait_for_redirect(
    settings: Settings,
    request: AuthorizationRequest,
    *,
    timeout: timedelta,
    on_ready: Callable[[], None],
) -> str:
    """The code that the browser brings to oauth.redirect_uri on this machine.

    `on_ready` is called once the page listens. Raises UsageError when it can't listen there, and
    AuthorizationNeeded when nobody comes within `timeout` or what comes is no consent.
    """

    def judge(query: str) -> tuple[Page, str | AuthorizationNeeded]:
        try:
            return Page.ALLOWED, _code(request, query)
        except ConsentDenied as denied:
            return Page.DENIED, denied
        except AuthorizationNeeded as wrong:
            return Page.WRONG, wrong

    outcome = listen(settings.oauth.redirect_uri, judge, timeout=timeout, on_ready=on_ready)
    if isinstance(outcome, AuthorizationNeeded):
        raise outcome
    return outcome


def code_from_pasted(request: AuthorizationRequest, pasted: str) -> str:
    """The code in the address that the browser ended on; line breaks and quotes don't matter."""
    address = "".join(pasted.split()).strip("'\"<>")
    query = urlsplit(address).query or (address if "code=" in address else "")
    if not query:
        raise UsageError(
            "That is not the address that the browser ended on: after Allow, copy everything in "
            "its address bar (it holds code=… and state=…; that the page can't be reached is "
            "expected) and paste it here."
        )
    return _code(request, query)


def _code(request: AuthorizationRequest, query: str) -> str:
    try:
        values = parse_qs(query, max_num_fields=20)
    except ValueError:
        values = {}
    state = _one(values, "state")
    if not hmac.compare_digest(state.encode(), request.state.encode()):
        raise StateMismatch(
            "The answer does not belong to this visit (its state differs): it comes from an older "
            "browser tab or from somebody else, and was not used. Run contact-sync authorize "
            "again and use the newest address."
        )
    if error := _one(values, "error"):
        raise _denied(error, _one(values, "error_description"))
    code = _one(values, "code")
    if not code:
        raise CodeMissing(
            "The answer holds no code: Constant Contact's page may have changed, or the address "
            "was cut when it was copied. Run contact-sync authorize again."
        )
    return code


def _denied(error: str, description: str) -> ConsentDenied:
    said = " ".join(filter(None, [_printable(error), _printable(description)]))
    if error == "access_denied":
        return ConsentDenied(
            f"The access was not allowed ({said}): nothing was stored. Run contact-sync authorize "
            "again, and press Allow as a user who may manage contacts."
        )
    if "code_challenge" in description or "pkce" in description.lower():
        return ConsentDenied(
            f"Constant Contact refused PKCE for this application ({said}): run contact-sync "
            "authorize --no-pkce."
        )
    return ConsentDenied(
        f"Constant Contact did not ask for consent ({said}): check oauth.client_id, oauth.scopes "
        "and oauth.redirect_uri against the application's details in the developer portal, then "
        "run contact-sync authorize again."
    )


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _one(values: Mapping[str, list[str]], name: str) -> str:
    """A parameter that occurs once; RFC 6749, section 3.1, forbids repeating one."""
    found = values.get(name, [])
    return found[0] if len(found) == 1 else ""


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:_LONGEST_DESCRIPTION]
