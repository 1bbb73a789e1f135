"""The visit: what is asked for, and what may come back."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from sync.auth.authorize import (
    AuthorizationRequest,
    CodeMissing,
    ConsentDenied,
    StateMismatch,
    begin,
    code_from_pasted,
)
from sync.errors import UsageError
from tests.conftest import SettingsFor

REQUEST = AuthorizationRequest(
    url="https://authz.example/authorize", state="the-state", verifier="the-verifier"
)


def address(**query: str) -> str:
    return f"http://localhost:8085/callback?{urlencode(query)}"


def test_the_address_holds_all_that_rfc_6749_and_7636_want(settings_for: SettingsFor) -> None:
    settings = settings_for()
    request = begin(settings)
    query = parse_qs(urlsplit(request.url).query)
    assert request.verifier is not None
    challenge = base64.urlsafe_b64encode(hashlib.sha256(request.verifier.encode()).digest())
    assert query == {
        "client_id": ["an-application"],
        "redirect_uri": [settings.oauth.redirect_uri],
        "response_type": ["code"],
        "scope": ["contact_data account_read offline_access"],
        "state": [request.state],
        "code_challenge": [challenge.rstrip(b"=").decode()],
        "code_challenge_method": ["S256"],
    }
    assert 43 <= len(request.verifier) <= 128
    assert "%2B" not in request.url


def test_every_visit_has_a_state_of_its_own(settings_for: SettingsFor) -> None:
    settings = settings_for()
    states = {begin(settings).state for _ in range(20)}
    assert len(states) == 20
    assert all(len(state) >= 22 for state in states)  # 128 random bits at least


def test_pkce_can_be_left_out(settings_for: SettingsFor) -> None:
    request = begin(settings_for(), pkce=False)
    assert request.verifier is None
    assert "code_challenge" not in request.url


def test_nothing_secret_is_shown_by_accident() -> None:
    assert "the-state" not in repr(REQUEST)
    assert "the-verifier" not in repr(REQUEST)


@pytest.mark.parametrize(
    "pasted",
    [
        address(code="a-code", state="the-state"),
        f"  '{address(code='a-code', state='the-state')}' \n",
        address(code="a-code", state="the-state").replace("state=", "st\nate="),
        address(code="a-code", state="the-state") + "#fragment",
        "code=a-code&state=the-state",
    ],
)
def test_the_pasted_address_gives_the_code(pasted: str) -> None:
    assert code_from_pasted(REQUEST, pasted) == "a-code"


@pytest.mark.parametrize("pasted", ["", "yes", "a-code", "http://localhost:8085/callback"])
def test_what_is_no_address_is_said(pasted: str) -> None:
    with pytest.raises(UsageError, match="address bar"):
        code_from_pasted(REQUEST, pasted)


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        ({"code": "a", "state": "other"}, StateMismatch, "older browser tab"),
        ({"code": "a"}, StateMismatch, "older browser tab"),
        ({"error": "access_denied"}, StateMismatch, "older browser tab"),
        ({"error": "access_denied", "state": "the-state"}, ConsentDenied, "not allowed"),
        ({"error": "invalid_scope", "state": "the-state"}, ConsentDenied, "oauth.scopes"),
        (
            {
                "error": "invalid_request",
                "error_description": "code_challenge not supported",
                "state": "the-state",
            },
            ConsentDenied,
            "--no-pkce",
        ),
        ({"state": "the-state"}, CodeMissing, "no code"),
        ({"state": "the-state", "code": ""}, CodeMissing, "no code"),
    ],
)
def test_each_wrong_answer_has_its_sentence(
    query: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        code_from_pasted(REQUEST, address(**query))
    assert raised.value.exit_code == 77  # type: ignore[attr-defined]


def test_a_repeated_parameter_is_not_believed() -> None:
    with pytest.raises(StateMismatch):
        code_from_pasted(REQUEST, address(code="a", state="x") + "&state=the-state")


def test_a_state_beyond_ascii_is_only_wrong() -> None:
    with pytest.raises(StateMismatch):
        code_from_pasted(REQUEST, address(code="a", state="ä€"))
