"""The two calls of OAuth 2.0's token endpoint: a code or a refresh token for a pair.

RFC 6749, sections 4.1.3 and 6: a form in the body, HTTP Basic for the application. Every call
has a connection of its own, is sent once, and follows no redirect. What came of a failed one is
told apart by what urllib3 knows, since requests.ConnectionError alone does not say whether the
service read the request.
"""

import base64
import ipaddress
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    HTTPError,
)

from sync.auth.outcomes import AnswerLost, GrantRefused, NotSent, Refused
from sync.auth.token_answer import TokenAnswer, read_answer
from sync.clock import Clock, utc_now
from sync.errors import ConfigurationError
from sync.network import reason_of, surely_not_sent
from sync.settings import Settings

__all__ = ["TokenAnswer", "TokenEndpoint"]

_CONNECT_PATIENCE = timedelta(seconds=10)
_LARGEST_ANSWER = 1_000_000


class TokenEndpoint:
    """The token endpoint of the configuration; each call raises one of `sync.auth.outcomes`."""

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._url = settings.oauth.token_url
        self._clock = clock

    def exchange_code(self, code: str, verifier: str | None) -> TokenAnswer:
        """The first pair for the code that the person's browser brought (RFC 7636 for PKCE)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.oauth.redirect_uri,
        }
        if verifier is not None:
            form["code_verifier"] = verifier
        try:
            answer = self._ask(form)
        except GrantRefused as refused:
            raise GrantRefused(
                f"Constant Contact refused the code ({_said(refused)}): a code works once and for "
                "five minutes, and oauth.redirect_uri must be the very one that was registered. "
                "Run contact-sync authorize again.",
                status=refused.status,
                error=refused.error,
                description=refused.description,
            ) from None
        except AnswerLost as lost:
            raise AnswerLost(f"{lost} Run contact-sync authorize again.") from None
        except Refused as refused:
            if verifier is not None and _is_about_pkce(refused):
                raise _pkce_refused(refused) from None
            raise
        if not answer.access_token:
            raise AnswerLost(
                "The token endpoint's answer was cut off; run contact-sync authorize again."
            )
        return answer

    def refresh(self, refresh_token: str) -> TokenAnswer:
        """A new pair for a refresh token, which is spent by this."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def _ask(self, form: Mapping[str, str]) -> TokenAnswer:
        secret = self._settings.client_secret
        _refuse_plain_http(self._url)
        requested_at = self._clock()
        status, body = self._send(form, secret)
        received_at = self._clock()
        body = _without(body, [*form.values(), secret]) if status >= 300 else body
        return read_answer(status, body, requested_at=requested_at, received_at=received_at)

    def _send(self, form: Mapping[str, str], secret: str) -> tuple[int, bytes]:
        patience = self._settings.api.timeout
        with requests.Session() as session:
            # What is meant for this very machine must not go out through a proxy.
            session.trust_env = not is_loopback(urlsplit(self._url).hostname or "")
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=0))
            try:
                response = session.post(
                    self._url,
                    data=form,
                    auth=_basic(self._settings.oauth.client_id, secret),
                    headers={"Accept": "application/json", "Connection": "close"},
                    timeout=(
                        min(patience, _CONNECT_PATIENCE).total_seconds(),
                        patience.total_seconds(),
                    ),
                    allow_redirects=False,
                    stream=True,
                )
            except requests.RequestException as error:
                raise self._failure(error) from None
            with response:
                return response.status_code, self._read(response)

    def _read(self, response: requests.Response) -> bytes:
        """The body, or as much of it as came: a cut one may still hold the new refresh token."""
        body = bytearray()
        end = time.monotonic() + 3 * self._settings.api.timeout.total_seconds()
        try:
            while piece := response.raw.read1(65_536, decode_content=True):
                body += piece
                if len(body) > _LARGEST_ANSWER or time.monotonic() > end:
                    break
        except (HTTPError, OSError):
            pass
        return bytes(body)

    def _failure(self, error: requests.RequestException) -> NotSent | AnswerLost:
        host = urlsplit(self._url).netloc
        if surely_not_sent(error):
            return NotSent(
                f"Constant Contact's token endpoint {host} can't be reached "
                f"({reason_of(error)}): check the network and oauth.token_url, or wait; nothing "
                "was spent."
            )
        return AnswerLost(
            f"The answer of Constant Contact's token endpoint {host} was lost "
            f"({reason_of(error)}); whether the pair was renewed is not known."
        )


def _basic(
    name: str, secret: str
) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """HTTP Basic in UTF-8; given as `auth`, it also keeps a .netrc file out of this."""
    value = base64.b64encode(f"{name}:{secret}".encode()).decode()

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {value}"
        return request

    return sign


def _refuse_plain_http(address: str) -> None:
    url = urlsplit(address)
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")):
        return
    raise ConfigurationError(
        f"oauth.token_url is {address}, but secrets are sent over https only (or to this very "
        "machine): put https:// there."
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine (RFC 8252, section 7.3)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without(body: bytes, secrets: list[str]) -> bytes:
    """An error text may repeat what was sent; it is shown and logged, so no secret stays in it."""
    for secret in secrets:
        if len(secret) >= 8 and secret not in ("refresh_token", "authorization_code"):
            body = body.replace(secret.encode(), "…".encode())
    return body


def _said(refused: Refused) -> str:
    return " ".join(filter(None, [f"HTTP {refused.status}", refused.error, refused.description]))


def _is_about_pkce(refused: Refused) -> bool:
    text = f"{refused.error} {refused.description}".lower()
    return any(word in text for word in ("pkce", "code_verifier", "code_challenge"))


def _pkce_refused(refused: Refused) -> Refused:
    return Refused(
        f"Constant Contact refused PKCE for this application ({_said(refused)}): run contact-sync "
        "authorize --no-pkce.",
        status=refused.status,
        error=refused.error,
        description=refused.description,
    )
