"""The authorisation server: the page, the checks, and what ends a token."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from sync.sandbox import PageError, Sandbox
from sync.sandbox.oauth.tokens import AUDIENCE
from tests.sandbox.client import Client

CALLBACK = "http://localhost:8085/callback"
SCOPE = "contact_data account_read offline_access"


def ask(sandbox: Sandbox, **changes: str | None) -> requests.Response:
    """GET the authorise page as a browser would, without following a redirect."""
    query: dict[str, str | None] = {
        "client_id": sandbox.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "s1",
    }
    given = {key: value for key, value in (query | changes).items() if value is not None}
    return requests.get(sandbox.authorize_url, params=given, allow_redirects=False, timeout=10)


def press(sandbox: Sandbox, decision: str) -> dict[str, str]:
    """Press a button of the page; the query that the browser then takes to the application."""
    form = {
        "client_id": sandbox.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "s1",
        "decision": decision,
    }
    answer = requests.post(sandbox.authorize_url, data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 303
    return landed(answer.headers["Location"])


def landed(address: str) -> dict[str, str]:
    assert address.startswith(CALLBACK + "?")
    return {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}


def call_token(sandbox: Sandbox, **form: str) -> requests.Response:
    basic = (sandbox.client_id, sandbox.client_secret)
    return requests.post(sandbox.token_url, data=form, auth=basic, timeout=10)


def redeem(sandbox: Sandbox, code: str, **more: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK} | more
    return call_token(sandbox, **form)


def refresh(sandbox: Sandbox, token: str) -> requests.Response:
    return call_token(sandbox, grant_type="refresh_token", refresh_token=token)


def refused(answer: requests.Response) -> str:
    assert set(answer.json()) == {"error", "error_description"}
    return str(answer.json()["error"])


def alive(sandbox: Sandbox, access_token: str) -> int:
    header = {"Authorization": f"Bearer {access_token}"}
    address = f"{sandbox.api_url}/account/user/privileges"
    return requests.get(address, headers=header, timeout=10).status_code


def test_the_page_says_who_asks_for_what_and_that_it_is_a_sandbox(sandbox: Sandbox) -> None:
    page = ask(sandbox)
    assert page.status_code == 200
    for text in ("This is a sandbox", "contact-sync", "Allow", "Deny", "contacts, lists, tags"):
        assert text in page.text
    assert "no refresh token" not in page.text
    assert "no refresh token" in ask(sandbox, scope="contact_data").text


def test_allow_gives_a_code_that_works_once(sandbox: Sandbox) -> None:
    back = press(sandbox, "allow")
    assert back["state"] == "s1"
    first = redeem(sandbox, back["code"])
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-store"
    tokens = first.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 86400)
    assert alive(sandbox, tokens["access_token"]) == 200
    again = redeem(sandbox, back["code"])
    assert (again.status_code, refused(again)) == (400, "invalid_grant")
    assert alive(sandbox, tokens["access_token"]) == 401


def test_deny_is_told_to_the_application(sandbox: Sandbox) -> None:
    back = press(sandbox, "deny")
    assert (back["error"], back["state"]) == ("access_denied", "s1")
    assert "code" not in back


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "http://localhost:8085/callback/"},
        {"redirect_uri": "http://localhost:8086/callback"},
        {"redirect_uri": None},
    ],
)
def test_no_redirect_to_an_address_that_is_not_registered(
    sandbox: Sandbox, changes: dict[str, str | None]
) -> None:
    page = ask(sandbox, **changes)
    assert page.status_code == 400
    assert "text/html" in page.headers["Content-Type"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "contact_data everything"}, "invalid_scope"),
        ({"scope": "contact_data+offline_access"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
    ],
)
def test_other_problems_are_told_by_redirect(
    sandbox: Sandbox, changes: dict[str, str | None], error: str
) -> None:
    answer = ask(sandbox, **changes)
    assert answer.status_code == 302
    assert landed(answer.headers["Location"])["error"] == error


def test_any_loopback_address_is_an_option(sandbox: Sandbox) -> None:
    other = "http://127.0.0.1:45678/back"
    with pytest.raises(PageError):
        sandbox.authorize_without_browser(redirect_uri=other)
    sandbox.settings = replace(sandbox.settings, any_loopback_redirect=True)
    assert sandbox.authorize_without_browser(redirect_uri=other).startswith(other + "?code=")
    with pytest.raises(PageError):
        sandbox.authorize_without_browser(redirect_uri="http://example.com/back")


def test_a_code_ends_after_five_minutes(sandbox: Sandbox) -> None:
    code = sandbox.issue_code()
    sandbox.advance(timedelta(minutes=5, seconds=1))
    assert refused(redeem(sandbox, code)) == "invalid_grant"


def test_a_code_is_bound_to_its_redirect_address(sandbox: Sandbox) -> None:
    code = sandbox.issue_code()
    wrong = redeem(sandbox, code, redirect_uri="http://127.0.0.1:8085/callback")
    assert refused(wrong) == "invalid_grant"


def test_pkce_takes_the_right_verifier_only(sandbox: Sandbox) -> None:
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    for sent, status in (({}, 400), ({"code_verifier": "w" * 43}, 400)):
        code = sandbox.issue_code(challenge=challenge)
        assert redeem(sandbox, code, **sent).status_code == status
    code = sandbox.issue_code(challenge=challenge)
    assert redeem(sandbox, code, code_verifier=verifier).status_code == 200
    public = {
        "grant_type": "authorization_code",
        "code": sandbox.issue_code(challenge=challenge),
        "redirect_uri": CALLBACK,
        "client_id": sandbox.client_id,
        "code_verifier": verifier,
    }
    assert requests.post(sandbox.token_url, data=public, timeout=10).status_code == 200


def test_a_client_authenticates_by_basic_or_in_the_body(sandbox: Sandbox) -> None:
    form = {
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
    }
    in_body = form | {"code": sandbox.issue_code()}
    assert requests.post(sandbox.token_url, data=in_body, timeout=10).status_code == 200
    in_query = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    answer = requests.post(
        sandbox.token_url,
        params=in_query | {"code": sandbox.issue_code()},
        auth=(sandbox.client_id, sandbox.client_secret),
        timeout=10,
    )
    assert answer.status_code == 200
    for wrong in ({"client_secret": "wrong"}, {"client_id": "nobody"}):
        code = sandbox.issue_code()
        answer = requests.post(sandbox.token_url, data=form | {"code": code} | wrong, timeout=10)
        assert (answer.status_code, refused(answer)) == (401, "invalid_client")
        assert redeem(sandbox, code).status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "redirect_uri": CALLBACK}, "invalid_request"),
    ],
)
def test_malformed_token_requests(sandbox: Sandbox, form: dict[str, str], error: str) -> None:
    answer = call_token(sandbox, **form)
    assert (answer.status_code, refused(answer)) == (400, error)


def test_without_offline_access_there_is_no_refresh_token_and_no_error(sandbox: Sandbox) -> None:
    tokens = redeem(sandbox, sandbox.issue_code(scope="contact_data")).json()
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "contact_data"


def test_the_access_token_is_a_signed_jwt_for_the_api(sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, expires_in=timedelta(hours=2))
    tokens = sandbox.issue_tokens("openid contact_data")
    keys = requests.get(sandbox.url + "/oauth2/default/v1/keys", timeout=10).json()["keys"]
    key = jwt.PyJWK(keys[0])
    claims = jwt.decode(tokens["access_token"], key, algorithms=["RS256"], audience=AUDIENCE)
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 7200
    assert claims["scp"] == ["openid", "contact_data"]
    about = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=sandbox.client_id)
    assert about["sub"] == "owner@sandbox.example"
    assert 1_000 <= len(tokens["access_token"]) <= 1_200


def test_an_access_token_ends_when_it_says(sandbox: Sandbox) -> None:
    token = sandbox.issue_tokens()["access_token"]
    assert alive(sandbox, token) == 200
    sandbox.advance(timedelta(days=1, seconds=1))
    assert alive(sandbox, token) == 401


def test_a_rotating_refresh_token_works_once(sandbox: Sandbox) -> None:
    first = sandbox.issue_tokens()
    assert len(first["refresh_token"]) == 42
    second = refresh(sandbox, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    again = refresh(sandbox, first["refresh_token"])
    assert (again.status_code, refused(again)) == (400, "invalid_grant")
    assert again.json()["error_description"] == "The refresh token is invalid or expired."
    assert refresh(sandbox, second["refresh_token"]).status_code == 200


@pytest.mark.parametrize(("kills", "status"), [(True, 401), (False, 200)])
def test_whether_a_new_pair_ends_the_older_access_token(
    sandbox: Sandbox, kills: bool, status: int
) -> None:
    sandbox.settings = replace(sandbox.settings, new_pair_kills_access_token=kills)
    first = sandbox.issue_tokens()
    second = refresh(sandbox, first["refresh_token"]).json()
    assert alive(sandbox, first["access_token"]) == status
    assert alive(sandbox, second["access_token"]) == 200


def test_a_grace_period_lets_a_replaced_token_work_for_a_while(sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, rotation_grace=timedelta(seconds=30))
    first = sandbox.issue_tokens()
    second = refresh(sandbox, first["refresh_token"]).json()
    again = refresh(sandbox, first["refresh_token"]).json()
    assert again["refresh_token"] == second["refresh_token"]
    sandbox.advance(timedelta(seconds=31))
    assert refresh(sandbox, first["refresh_token"]).status_code == 400
    assert refresh(sandbox, second["refresh_token"]).status_code == 200


def test_a_reused_token_may_end_the_whole_grant(sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, refresh_reuse_revokes=True)
    first = sandbox.issue_tokens()
    second = refresh(sandbox, first["refresh_token"]).json()
    assert refresh(sandbox, first["refresh_token"]).status_code == 400
    assert refresh(sandbox, second["refresh_token"]).status_code == 400


def test_a_long_lived_refresh_token_is_reused(sandbox: Sandbox) -> None:
    kind: Any = "long-lived"
    sandbox.settings = replace(sandbox.settings, refresh_token_kind=kind)
    first = sandbox.issue_tokens()
    for _ in range(3):
        sandbox.advance(timedelta(days=170))
        answer = refresh(sandbox, first["refresh_token"]).json()
        assert answer["refresh_token"] == first["refresh_token"]
    sandbox.advance(timedelta(days=181))
    assert refused(refresh(sandbox, first["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(("kind", "told"), [("omitted", None), ("empty", "")])
def test_a_long_lived_refresh_token_need_not_be_told_again(
    sandbox: Sandbox, kind: str, told: str | None
) -> None:
    chosen: Any = f"long-lived, {kind}"
    sandbox.settings = replace(sandbox.settings, refresh_token_kind=chosen)
    first = sandbox.issue_tokens()
    for _ in range(2):
        answer = refresh(sandbox, first["refresh_token"])
        assert (answer.status_code, answer.json().get("refresh_token")) == (200, told)


def test_a_rotating_refresh_token_dies_of_180_days_without_use(sandbox: Sandbox) -> None:
    tokens = sandbox.issue_tokens()
    sandbox.advance(timedelta(days=181))
    assert refused(refresh(sandbox, tokens["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(("kills", "status"), [(True, 400), (False, 200)])
def test_whether_a_second_consent_ends_the_first(
    sandbox: Sandbox, kills: bool, status: int
) -> None:
    sandbox.settings = replace(sandbox.settings, second_consent_kills_earlier=kills)
    first = sandbox.issue_tokens()
    sandbox.issue_tokens()
    assert refresh(sandbox, first["refresh_token"]).status_code == status


def test_withdrawn_consent_ends_everything(sandbox: Sandbox) -> None:
    tokens = sandbox.issue_tokens()
    sandbox.withdraw_consent()
    assert alive(sandbox, tokens["access_token"]) == 401
    assert refused(refresh(sandbox, tokens["refresh_token"])) == "invalid_grant"


def test_a_renewed_secret_ends_the_old_one_and_not_the_token(sandbox: Sandbox) -> None:
    tokens, old = sandbox.issue_tokens(), sandbox.client_secret
    new = sandbox.renew_secret()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = requests.post(sandbox.token_url, data=form, auth=(sandbox.client_id, old), timeout=10)
    assert (answer.status_code, refused(answer)) == (401, "invalid_client")
    assert sandbox.client_secret == new
    assert refresh(sandbox, tokens["refresh_token"]).status_code == 200


def test_a_deactivated_application_is_forbidden(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    sandbox.deactivate_application()
    answer = client.get("/account/user/privileges")
    assert answer.status_code == 403
    assert answer.json()["error_message"] == "The application is deactivated."
    token = client.tokens["refresh_token"]
    assert refused(refresh(sandbox, token)) == "invalid_client"
    sandbox.deactivate_application(active=True)
    assert refresh(sandbox, token).status_code == 200


def test_the_token_endpoint_takes_one_call_a_second(sandbox: Sandbox) -> None:
    sandbox.settings = replace(sandbox.settings, token_calls_per_second=1)
    first = sandbox.issue_tokens()
    second = refresh(sandbox, first["refresh_token"])
    assert second.status_code == 200
    assert refresh(sandbox, second.json()["refresh_token"]).status_code == 429
    assert sandbox.requests(path="/oauth2")[-1].form["grant_type"] == "refresh_token"


def test_several_accounts_share_one_application(sandbox: Sandbox) -> None:
    other, people = sandbox.add_account("Second Company", "two@sandbox.example")
    one, two = Client(sandbox), Client(sandbox, account=other.number)
    two.import_contacts({"email": "two@example.com"})
    assert list(people.audience()) == ["two@example.com"]
    assert one.get("/contacts").json()["contacts"] == []
    assert two.get("/account/summary").json()["organization_name"] == "Second Company"
    sandbox.use_quota(10_000)
    assert one.get("/contacts").status_code == two.get("/contacts").status_code == 429


def test_tokens_outlive_a_restart_when_there_is_a_database_file(tmp_path: Any) -> None:
    path = tmp_path / "sandbox.sqlite"
    with Sandbox(database=path) as first:
        tokens, client_id, secret = first.issue_tokens(), first.client_id, first.client_secret
    with Sandbox(database=path) as second:
        assert (second.client_id, second.client_secret) == (client_id, secret)
        assert alive(second, tokens["access_token"]) == 200
        assert refresh(second, tokens["refresh_token"]).status_code == 200
