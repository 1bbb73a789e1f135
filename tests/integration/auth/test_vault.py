"""The vault against the sandbox, over real HTTP, on each kind of database."""

from datetime import timedelta

import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import update
from structlog.testing import capture_logs

from sync.auth.outcomes import AnswerLost
from sync.auth.vault import AnotherAccount, CopyFound, Vault, open_vault
from sync.errors import AuthorizationLost, AuthorizationNeeded, ConfigurationError
from sync.sandbox import Fault, Sandbox, SandboxSettings
from sync.settings import Settings
from sync.state.schema import token_pair
from sync.state.store import Store
from tests.fake_clock import FakeClock
from tests.integration.auth.conftest import Calls, Consent

A_DAY = timedelta(hours=24)


def works(sandbox: Sandbox, token: str) -> bool:
    answer = requests.get(
        f"{sandbox.api_url}/contact_lists",
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    return answer.status_code == 200


def test_without_a_consent_a_person_is_asked_for_one(store: Store, settings: Settings) -> None:
    vault = open_vault(settings, store)
    with pytest.raises(AuthorizationNeeded, match="contact-sync authorize"):
        vault.access_token()
    assert not vault.status().exists
    assert vault.usable_access_token() is None


def test_the_first_pair_works_and_is_not_renewed(
    vault: Vault, sandbox: Sandbox, calls: Calls
) -> None:
    before = len(calls())
    assert works(sandbox, vault.access_token())
    assert vault.access_token() == vault.usable_access_token()
    assert len(calls()) == before


def test_a_token_too_old_for_the_work_ahead_is_renewed_once(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, calls: Calls
) -> None:
    first = vault.access_token()
    before = len(calls())
    clock.advance(timedelta(hours=21, minutes=59))
    assert vault.access_token() == first
    clock.advance(timedelta(minutes=2))
    second = vault.access_token()
    assert second != first
    assert works(sandbox, second)
    assert vault.access_token() == second
    assert len(calls()) == before + 1
    assert vault.status().generation == 2


@pytest.mark.parametrize("skew", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_service_whose_clock_differs_by_an_hour_is_no_different(
    settings: Settings,
    store: Store,
    clock: FakeClock,
    sandbox: Sandbox,
    consent: Consent,
    calls: Calls,
    skew: timedelta,
) -> None:
    sandbox.advance(skew)
    vault = open_vault(settings, store, create_key=True, clock=clock)
    vault.keep(consent(), encoded_account_id=None)
    before = len(calls())
    refreshes = []
    for _ in range(26):
        assert works(sandbox, vault.access_token())
        refreshes.append(len(calls()) - before)
        clock.advance(timedelta(hours=1))
        sandbox.advance(timedelta(hours=1))
    assert sorted(refreshes) == refreshes
    assert refreshes[21] == 0
    assert refreshes[-1] == 1


def test_the_work_ahead_may_ask_for_a_longer_life(vault: Vault, clock: FakeClock) -> None:
    first = vault.access_token()
    clock.advance(timedelta(hours=15))
    assert vault.access_token() == first
    assert vault.access_token(minimum_life=timedelta(hours=10)) != first


def test_a_short_lived_token_is_not_renewed_again_and_again(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, calls: Calls
) -> None:
    sandbox.settings = SandboxSettings(
        expires_in=timedelta(hours=1), token_calls_per_second=None, requests_per_second=None
    )
    clock.advance(A_DAY)
    vault.access_token()
    before = len(calls())
    clock.advance(timedelta(minutes=29))
    vault.access_token()
    assert len(calls()) == before
    clock.advance(timedelta(minutes=2))
    vault.access_token()
    assert len(calls()) == before + 1


def test_a_rejected_token_leads_to_one_refresh(
    vault: Vault, sandbox: Sandbox, calls: Calls
) -> None:
    rejected = vault.access_token()
    before = len(calls())
    fresh = vault.renew(rejected)
    assert fresh != rejected
    assert vault.renew(rejected) == fresh
    assert works(sandbox, fresh)
    assert len(calls()) == before + 1


def test_a_pair_that_another_process_renewed_is_used(
    vault: Vault, settings: Settings, store: Store, clock: FakeClock, calls: Calls
) -> None:
    other = open_vault(settings, store, clock=clock)
    clock.advance(A_DAY)
    before = len(calls())
    assert other.access_token() == vault.access_token()
    assert len(calls()) == before + 1


def test_a_long_lived_refresh_token_is_kept(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, consent: Consent
) -> None:
    sandbox.settings = SandboxSettings(
        refresh_token_kind="long-lived", token_calls_per_second=None, requests_per_second=None
    )
    vault.keep(consent(), encoded_account_id=None)
    for _ in range(3):
        clock.advance(A_DAY)
        assert works(sandbox, vault.access_token())


def test_a_withdrawn_consent_is_lost_and_said_once_and_for_all(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, calls: Calls, consent: Consent
) -> None:
    sandbox.withdraw_consent()
    clock.advance(A_DAY)
    with pytest.raises(AuthorizationLost, match="contact-sync authorize"):
        vault.access_token()
    before = len(calls())
    with pytest.raises(AuthorizationLost, match="withdrawn"):
        vault.access_token()
    assert len(calls()) == before
    status = vault.status()
    assert status.exists
    assert status.lost_at is not None
    assert "withdrawn" in str(status.problem)
    vault.keep(consent(), encoded_account_id=sandbox.account.encoded_account_id)
    assert works(sandbox, vault.access_token())
    assert vault.status().problem is None


def test_a_lost_authorization_still_uses_an_access_token_that_works(
    vault: Vault, clock: FakeClock, sandbox: Sandbox
) -> None:
    first = vault.access_token()
    sandbox.revoke_refresh_tokens()
    clock.advance(timedelta(hours=23))
    assert vault.access_token() == first
    assert vault.status().lost_at is not None
    with pytest.raises(AuthorizationLost):
        vault.renew(first)


def test_a_wrong_client_secret_never_counts_against_the_token(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, settings: Settings, store: Store
) -> None:
    secret = sandbox.renew_secret()
    clock.advance(A_DAY)
    with pytest.raises(Exception, match="client secret") as refused:
        vault.access_token()
    assert refused.value.exit_code == 78  # type: ignore[attr-defined]
    assert vault.status().lost_at is None
    assert vault.status().refresh_in_flight_since is None
    oauth = settings.oauth.model_copy(update={"client_secret": SecretStr(secret)})
    mended = open_vault(settings.model_copy(update={"oauth": oauth}), store, clock=clock)
    assert works(sandbox, mended.access_token())


def test_a_lost_answer_is_asked_for_again_at_once_and_uses_a_grace(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, calls: Calls
) -> None:
    sandbox.settings = SandboxSettings(
        rotation_grace=timedelta(seconds=30), token_calls_per_second=1, requests_per_second=None
    )
    sandbox.add_fault(Fault(kind="reset", path="*/token", after_work=True, count=1))
    clock.advance(A_DAY)
    assert works(sandbox, vault.access_token())
    assert vault.status().refresh_in_flight_since is None


def test_a_lost_answer_without_a_grace_is_the_cause_that_is_told(
    vault: Vault, clock: FakeClock, sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault(kind="reset", path="*/token", after_work=True, count=1))
    clock.advance(A_DAY)
    with pytest.raises(AuthorizationLost, match=r"answer to the refresh of .* was lost"):
        vault.access_token()


def test_another_account_is_noticed(vault: Vault, consent: Consent, sandbox: Sandbox) -> None:
    with pytest.raises(AnotherAccount, match="nothing was changed"):
        vault.keep(consent(), encoded_account_id="another")
    with pytest.raises(AnotherAccount):
        vault.pin("another")
    vault.pin(sandbox.account.encoded_account_id)
    vault.keep(consent(), encoded_account_id="another", another_account=True)
    vault.pin("another")


def test_a_copied_machine_refreshes_nothing_until_it_is_adopted(
    vault: Vault, clock: FakeClock, settings: Settings, store: Store, calls: Calls
) -> None:
    with store.write() as connection:
        connection.execute(update(token_pair).values(host="production/machine-0123456789abcdef"))
    clock.advance(A_DAY)
    before = len(calls())
    with pytest.raises(CopyFound, match="contact-sync adopt"):
        vault.access_token()
    with pytest.raises(CopyFound):
        vault.renew("anything")
    with pytest.raises(CopyFound):
        vault.keep_alive()
    assert "production" in str(vault.status().problem)
    assert len(calls()) == before
    vault.adopt()
    vault.access_token()
    assert len(calls()) == before + 1


def test_a_database_from_a_backup_sends_no_spent_token(
    vault: Vault, clock: FakeClock, store: Store, calls: Calls, consent: Consent
) -> None:
    with store.read() as connection:
        backup = connection.execute(token_pair.select()).one()._asdict()
    for _ in range(2):
        clock.advance(A_DAY)
        vault.access_token()
    with store.write() as connection:
        connection.execute(update(token_pair).values(backup))
    before = len(calls())
    with pytest.raises(CopyFound, match="restored from a backup"):
        vault.access_token()
    assert vault.usable_access_token() is None
    assert "restored" in str(vault.status().problem)
    assert len(calls()) == before
    vault.keep(consent(), encoded_account_id=None)
    assert vault.status().generation == 4
    assert vault.access_token()
    with store.write() as connection:
        connection.execute(update(token_pair).values(backup))
    vault.adopt()
    with pytest.raises(AuthorizationLost):
        vault.access_token()


def test_a_start_settles_what_was_left_unfinished_and_nothing_else(
    vault: Vault, settings: Settings, store: Store, clock: FakeClock, calls: Calls
) -> None:
    vault.settle()
    before = len(calls())
    with store.write() as connection:
        connection.execute(update(token_pair).values(refresh_begun_at=clock()))
    vault.settle()
    vault.settle()
    assert len(calls()) == before + 1
    assert vault.status().refresh_in_flight_since is None
    vault.forget()
    vault.settle()


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (149, None),
        (151, "Take care: the refresh token dies of disuse in 29 days"),
        (167, "Urgent: the refresh token dies of disuse in 13 days"),
        (178, "Very urgent: the refresh token dies of disuse in 2 days"),
    ],
)
def test_disuse_is_warned_of_in_the_log_and_the_status_each_time_that_renewing_is_tried(
    vault: Vault, clock: FakeClock, sandbox: Sandbox, days: int, said: str | None
) -> None:
    sandbox.add_fault(Fault(kind="status", path="*/token", status=503, count=None))
    clock.advance(timedelta(days=days, seconds=1))
    for _ in range(2):
        with capture_logs() as log, pytest.raises(AnswerLost):
            vault.keep_alive()
        warnings = [e["reason"] for e in log if e["event"] == "refresh token nears its end"]
        status = vault.status()
        assert status.problem is None
        if said is None:
            assert warnings == []
            assert status.warning is None
        else:
            assert said in warnings[0]
            assert said in str(status.warning)
    sandbox.clear_faults()
    assert vault.keep_alive()
    assert vault.status().warning is None


def test_a_refresh_token_goes_to_its_issuer_only(
    vault: Vault, clock: FakeClock, settings: Settings, store: Store, calls: Calls
) -> None:
    clock.advance(A_DAY)
    before = len(calls())
    for change in ({"client_id": "another"}, {"token_url": "http://127.0.0.1:9/token"}):
        oauth = settings.oauth.model_copy(update=change)
        elsewhere = open_vault(settings.model_copy(update={"oauth": oauth}), store, clock=clock)
        with pytest.raises(ConfigurationError, match="stored authorization"):
            elsewhere.access_token()
    assert len(calls()) == before


def test_logging_out_forgets_the_tokens_and_knows_the_account(
    vault: Vault, consent: Consent, sandbox: Sandbox
) -> None:
    assert vault.forget()
    assert not vault.forget()
    with pytest.raises(AuthorizationNeeded):
        vault.access_token()
    assert vault.status().encoded_account_id == sandbox.account.encoded_account_id
    with pytest.raises(AnotherAccount):
        vault.keep(consent(), encoded_account_id="another")
    vault.keep(consent(), encoded_account_id=sandbox.account.encoded_account_id)
    assert vault.status().generation == 3


def test_keep_alive_renews_what_nobody_used(vault: Vault, clock: FakeClock, calls: Calls) -> None:
    before = len(calls())
    clock.advance(timedelta(days=6))
    assert not vault.keep_alive()
    clock.advance(timedelta(days=1))
    assert vault.keep_alive()
    assert not vault.keep_alive()
    assert len(calls()) == before + 1
