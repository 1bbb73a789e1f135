"""The whole OAuth2 flow by Authlib, a client that knows nothing of this sandbox."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.parameters import parse_authorization_code_response

from sync.sandbox import Sandbox

CALLBACK = "http://localhost:8085/callback"
SCOPE = "contact_data account_read offline_access"


class Form(HTMLParser):
    """The fields of a page's form, and the values of its buttons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str]] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input":
            self.fields[given["name"]] = given["value"]
        elif tag == "button":
            self.buttons.append((given["name"], given["value"]))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option":
            self.fields.setdefault(self._select, given["value"])


def click(address: str, button: int) -> str:
    """Open the authorise page and press its first or second button; the address one lands on."""
    page = requests.get(address, timeout=10)
    form = Form(page.text)
    sent = form.fields | dict([form.buttons[button]])
    answer = requests.post(page.url, data=sent, allow_redirects=False, timeout=10)
    return answer.headers["Location"]


def session(sandbox: Sandbox, method: str, **more: Any) -> Any:
    return OAuth2Session(
        sandbox.client_id,
        sandbox.client_secret,
        scope=SCOPE,
        redirect_uri=CALLBACK,
        token_endpoint_auth_method=method,
        token_endpoint=sandbox.token_url,
        **more,
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_goes_the_whole_way(sandbox: Sandbox, method: str) -> None:
    renewed: list[dict[str, Any]] = []
    client = session(
        sandbox,
        method,
        code_challenge_method="S256",
        update_token=lambda token, **_: renewed.append(token),
    )
    verifier = generate_token(48)
    address, state = client.create_authorization_url(sandbox.authorize_url, code_verifier=verifier)
    landed = click(address, 0)
    token = client.fetch_token(
        sandbox.token_url, authorization_response=landed, state=state, code_verifier=verifier
    )
    assert token["token_type"] == "Bearer"
    assert client.get(f"{sandbox.api_url}/account/summary").status_code == 200

    first_refresh = token["refresh_token"]
    client.token["expires_at"] = 1
    assert client.get(f"{sandbox.api_url}/contact_lists").status_code == 200
    assert len(renewed) == 1
    assert client.token["refresh_token"] != first_refresh
    with pytest.raises(OAuthError, match="invalid or expired"):
        client.refresh_token(sandbox.token_url, refresh_token=first_refresh)


def test_authlib_finds_no_code_after_a_denial(sandbox: Sandbox) -> None:
    client = session(sandbox, "client_secret_basic")
    address, state = client.create_authorization_url(sandbox.authorize_url)
    landed = click(address, 1)
    with pytest.raises(OAuth2Error, match="missing_code"):
        parse_authorization_code_response(landed, state=state)
    told = parse_qs(urlsplit(landed).query)
    assert (told["error"], told["state"]) == (["access_denied"], [state])


def test_authlib_with_a_wrong_verifier_or_secret(sandbox: Sandbox) -> None:
    client = session(sandbox, "client_secret_basic", code_challenge_method="S256")
    address, _ = client.create_authorization_url(
        sandbox.authorize_url, code_verifier=generate_token(48)
    )
    landed = click(address, 0)
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.fetch_token(
            sandbox.token_url, authorization_response=landed, code_verifier=generate_token(48)
        )
    client.client_secret = "wrong"
    with pytest.raises(OAuthError, match="invalid_client"):
        client.refresh_token(sandbox.token_url, refresh_token="x")
