"""Everything that a token endpoint, or what stands before it, may answer to a refresh."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from sync.auth.outcomes import AnswerLost, ClientRefused, NotSent, Refused, TooManyRequests
from sync.auth.token_endpoint import TokenAnswer
from sync.auth.vault import Vault, open_vault
from sync.clock import utc_now
from sync.errors import AuthorizationLost, ContactSyncError
from sync.state.store import open_store
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock
from tests.faults.raw_endpoint import (
    Behaviour,
    RawEndpoint,
    answer,
    close_after_reading,
    cut,
    late,
    reset_after_reading,
    reset_unread,
    tokens,
)

A_DAY = timedelta(hours=24)
OLD = "old-refresh"


@dataclass
class Case:
    """A vault whose pair is a day old, and the endpoint that it will ask."""

    vault: Vault
    endpoint: RawEndpoint
    clock: FakeClock

    def sent(self) -> list[str]:
        return [form["refresh_token"] for form in self.endpoint.forms]

    def stored(self) -> str:
        return self.vault._custody.pair().refresh_token


Make = Callable[..., Case]


@pytest.fixture
def against(settings_for: SettingsFor, tmp_path: Path) -> Iterator[Make]:
    opened = []

    def make(*behaviours: Behaviour, timeout: float = 5) -> Case:
        endpoint = RawEndpoint(*behaviours)
        endpoint.__enter__()
        settings = settings_for(
            oauth={
                "client_id": "an-application",
                "client_secret": "its-secret-of-some-length",
                "token_url": endpoint.url,
            },
            api={"timeout": timeout},
        )
        context = open_store(settings)
        store = context.__enter__()
        opened.append((context, endpoint))
        clock = FakeClock()
        vault = open_vault(settings, store, create_key=True, clock=clock)
        now = utc_now()
        first = TokenAnswer("old-access", OLD, "contact_data", A_DAY, now, now)
        vault.keep(first, encoded_account_id=None)
        clock.advance(A_DAY)
        return Case(vault, endpoint, clock)

    yield make
    for context, endpoint in opened:
        context.__exit__(None, None, None)
        endpoint.__exit__(None, None, None)


def test_a_good_answer_is_taken(against: Make) -> None:
    case = against(answer())
    assert case.vault.access_token() == "new-access"
    assert case.stored() == "new-refresh"
    assert case.endpoint.forms == [{"grant_type": "refresh_token", "refresh_token": OLD}]


@pytest.mark.parametrize("value", [None, "", "  ", 0, ["x"], {"a": 1}])
def test_a_refresh_token_that_is_none_leaves_the_old_one(against: Make, value: object) -> None:
    case = against(answer(content={**tokens(refresh_token=None), "refresh_token": value}))
    assert case.vault.access_token() == "new-access"
    assert case.stored() == OLD


def test_a_missing_refresh_token_leaves_the_old_one(against: Make) -> None:
    case = against(answer(content=tokens(refresh_token=None)))
    assert case.vault.access_token() == "new-access"
    assert case.stored() == OLD


@pytest.mark.parametrize(
    "expires_in",
    [None, "", "soon", -1, 0, 1, 10**9, 10**400, True, [], "NaN", 1e308],
)
def test_an_absurd_lifetime_is_passed_over(against: Make, expires_in: object) -> None:
    case = against(answer(content=tokens(expires_in=expires_in)))
    assert case.vault.access_token() == "new-access"
    assert case.vault.access_token() == "new-access"
    assert len(case.sent()) == 1
    status = case.vault.status()
    assert status.expires_at is not None
    assert status.issued_at is not None
    assert status.expires_at - status.issued_at == A_DAY


@pytest.mark.parametrize(
    ("behaviour", "error", "said"),
    [
        (answer(429, {}), TooManyRequests, "too many requests"),
        (answer(401, {"error": "invalid_client"}), ClientRefused, "client secret"),
        (answer(401, raw=b""), ClientRefused, "client secret"),
        (answer(400, {"error": "unauthorized_client"}), ClientRefused, "application"),
        (answer(400, {"error": "invalid_scope"}), Refused, "oauth.scopes"),
        (answer(400, {"error": "invalid_request"}), Refused, "oauth.token_url"),
        (answer(400, raw=b"<html>Bad request"), Refused, "HTTP 400"),
        (answer(403, raw=b"<html>Forbidden"), Refused, "HTTP 403"),
        (answer(404, raw=b""), Refused, "HTTP 404"),
        (answer(302, raw=b"", headers="Location: /elsewhere\r\n"), Refused, "redirects"),
        (answer(307, raw=b"", headers="Location: /elsewhere\r\n"), Refused, "redirects"),
    ],
)
def test_a_refusal_of_something_else_spends_nothing(
    against: Make, behaviour: Behaviour, error: type[ContactSyncError], said: str
) -> None:
    case = against(behaviour, *[behaviour] * 3, answer())
    with pytest.raises(error, match=said):
        case.vault.access_token()
    tries = 4 if error is TooManyRequests else 1
    assert case.sent() == [OLD] * tries
    assert case.endpoint.connections == tries
    status = case.vault.status()
    assert status.lost_at is None
    assert status.refresh_in_flight_since is None
    if error is TooManyRequests:
        assert case.vault.access_token() == "new-access"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answer(408, raw=b""), r"is not well \(HTTP 408\)"),
        (answer(500, raw=b""), r"is not well \(HTTP 500\)"),
        (answer(502, raw=b"<html>Bad gateway"), r"is not well \(HTTP 502\)"),
        (answer(503, {"error": "temporarily_unavailable"}), "HTTP 503 temporarily_unavailable"),
        (answer(200, raw=b"<html>Welcome to the hotel's network"), "a proxy on the way"),
        (answer(200, raw=b""), "is not whole JSON"),
        (answer(200, {"error": "invalid_grant"}), "holds no token"),
        (answer(200, tokens(access_token=" ", refresh_token="\n")), "holds no token"),
        (answer(200, ["a", "list"]), "is not whole JSON"),
        (answer(200, raw=b"\xff\xfe\x00"), "is not whole JSON"),
        (cut(tokens(), '"access_token": "new-'), "is not whole JSON"),
        (close_after_reading, r"was lost \(ProtocolError\)"),
        (reset_after_reading, r"was lost \(ProtocolError\)"),
    ],
)
def test_an_unknown_outcome_sends_the_same_token_once_more_and_keeps_it(
    against: Make, behaviour: Behaviour, said: str
) -> None:
    case = against(behaviour)
    with pytest.raises(AnswerLost, match=said):
        case.vault.access_token()
    assert case.endpoint.connections == 2
    assert set(case.sent()) <= {OLD}
    status = case.vault.status()
    assert status.lost_at is None
    assert status.refresh_in_flight_since is not None
    assert case.stored() == OLD


@pytest.mark.parametrize("behaviour", [reset_after_reading, answer(503, raw=b"")])
def test_the_second_try_of_an_unknown_outcome_may_succeed(
    against: Make, behaviour: Behaviour
) -> None:
    case = against(behaviour, answer())
    assert case.vault.access_token() == "new-access"
    assert case.stored() == "new-refresh"


def test_a_reset_before_the_request_was_read_costs_nothing(against: Make) -> None:
    # Whether the reset comes while connecting or while sending is up to the network.
    case = against(reset_unread, reset_unread, answer())
    with contextlib.suppress(AnswerLost, NotSent):
        case.vault.access_token()
    assert case.vault.status().lost_at is None
    while case.endpoint.connections < 2:
        with contextlib.suppress(AnswerLost, NotSent):
            case.vault.access_token()
    assert case.vault.access_token() == "new-access"


def test_an_answer_after_the_time_out_is_asked_for_again(against: Make) -> None:
    case = against(late(3), answer(), timeout=1)
    assert case.vault.access_token() == "new-access"
    assert case.sent() == [OLD, OLD]


def test_an_unfinished_refresh_is_settled_by_the_next_start(against: Make) -> None:
    case = against(reset_after_reading, reset_after_reading, answer())
    with pytest.raises(AnswerLost):
        case.vault.access_token()
    assert case.vault.access_token() == "new-access"
    assert case.vault.status().refresh_in_flight_since is None


def test_a_refused_refresh_token_is_not_sent_again_and_kept_aside(against: Make) -> None:
    refusal = {"error": "invalid_grant", "error_description": "The refresh token is expired."}
    case = against(answer(400, refusal))
    for _ in range(2):
        with pytest.raises(
            AuthorizationLost, match=r"token is expired\.\).*contact-sync authorize"
        ):
            case.vault.access_token()
    assert case.sent() == [OLD]
    assert case.vault.status().lost_at is not None
    assert case.stored() == OLD


def test_an_endpoint_that_answers_no_more_in_time_is_said(against: Make) -> None:
    case = against(late(3), timeout=1)
    with pytest.raises(AnswerLost, match=r"was lost \(ReadTimeoutError\)"):
        case.vault.access_token()
    assert case.endpoint.connections == 2


def test_a_refusal_after_an_unknown_outcome_is_a_lost_answer(against: Make) -> None:
    case = against(reset_after_reading, answer(400, {"error": "invalid_grant"}))
    with pytest.raises(AuthorizationLost, match=r"answer to the refresh of .* was lost"):
        case.vault.access_token()
    assert case.vault.status().lost_at is not None
    assert case.stored() == OLD


def test_a_busy_endpoint_after_an_unknown_outcome_leaves_the_doubt(against: Make) -> None:
    case = against(reset_after_reading, answer(429, {}))
    with pytest.raises(TooManyRequests):
        case.vault.access_token()
    assert case.vault.status().refresh_in_flight_since is not None


@pytest.mark.parametrize("chunked", [False, True])
def test_a_cut_answer_is_read_as_far_as_it_came(against: Make, chunked: bool) -> None:
    case = against(cut(tokens(), '"new-refresh"', chunked=chunked))
    assert case.vault.access_token() == "new-access"
    assert case.stored() == "new-refresh"
    assert case.sent() == [OLD]


def test_a_cut_answer_with_the_refresh_token_alone_is_completed(against: Make) -> None:
    first = {"refresh_token": "half-refresh", "access_token": "half-access"}
    case = against(cut(first, "half-acc"), answer())
    assert case.vault.access_token() == "new-access"
    assert case.stored() == "new-refresh"
    assert case.sent() == [OLD, "half-refresh"]


def test_a_cut_answer_is_kept_even_when_it_can_not_be_completed(against: Make) -> None:
    first = {"refresh_token": "half-refresh", "access_token": "half-access"}
    case = against(cut(first, "half-acc"), answer(503, raw=b""))
    with pytest.raises(AnswerLost):
        case.vault.access_token()
    assert case.stored() == "half-refresh"


def test_a_network_that_is_down_leaves_no_doubt(against: Make) -> None:
    case = against(answer())
    case.endpoint.close()
    with pytest.raises(NotSent, match="can't be reached"):
        case.vault.access_token()
    assert case.vault.status().refresh_in_flight_since is None


def test_a_token_that_still_works_is_used_while_the_endpoint_is_ill(against: Make) -> None:
    case = against(answer(503, raw=b""))
    case.clock.advance(-timedelta(hours=1))
    assert case.vault.access_token() == "old-access"
    assert case.vault.access_token() == "old-access"
    assert case.endpoint.connections == 2
    case.clock.advance(timedelta(minutes=2))
    assert case.vault.access_token() == "old-access"
    assert case.endpoint.connections == 4


def test_what_was_sent_is_not_repeated_in_an_error(against: Make) -> None:
    echo = {"error": "invalid_request", "error_description": f"bad {OLD} its-secret-of-some-length"}
    case = against(answer(400, echo))
    with pytest.raises(Refused) as refused:
        case.vault.access_token()
    assert OLD not in str(refused.value)
    assert "its-secret" not in str(refused.value)


@pytest.mark.parametrize("skew", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_clock_that_is_an_hour_wrong_harms_nothing(against: Make, skew: timedelta) -> None:
    case = against(answer())
    case.vault.access_token()
    case.clock.advance(skew)
    for _ in range(21):
        assert case.vault.access_token() == "new-access"
        case.clock.advance(timedelta(hours=1))
    case.clock.advance(timedelta(hours=3))
    case.vault.access_token()
    assert case.sent() == [OLD, "new-refresh"]
