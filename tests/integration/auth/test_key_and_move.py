"""Exchanging the key, moving a pair to another machine, and what lies on the disk."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sync.auth import rotation
from sync.auth.cipher import read_keys, write_key_file
from sync.auth.moving import export_pair, import_pair
from sync.auth.rotation import rotate_key
from sync.auth.vault import AnotherAccount, Vault, open_vault
from sync.errors import AuthorizationNeeded, ConfigurationError, StateError, UsageError
from sync.sandbox import Sandbox
from sync.settings import Settings
from sync.state.store import Store, open_store
from sync.state.tokens import read_pair
from tests.conftest import SettingsFor
from tests.fake_clock import FakeClock
from tests.integration.auth.conftest import Calls, authorize, visit


def exported(settings: Settings, store: Store, file: Path) -> str:
    """Export the pair; return its transfer key."""
    keys: list[str] = []
    export_pair(settings, store, file, keys.append)
    (key,) = keys
    return key


def test_the_tokens_are_under_the_new_key_alone(
    vault: Vault, settings: Settings, store: Store
) -> None:
    token = vault.access_token()
    former = read_keys(settings).split()[0]
    rotation = rotate_key(settings, store)
    assert rotation.accounts == ("default",)
    assert rotation.key_made
    first, second = read_keys(settings).split()
    assert second == former
    assert settings.vault_key_file.stat().st_mode & 0o777 == 0o600
    row = read_pair(store, "default")
    assert row is not None
    assert Fernet(first).decrypt(row.access_token).decode() == token


def test_states_that_share_a_key_file_may_each_exchange_it(
    settings_for: SettingsFor, sandbox: Sandbox, tmp_path: Path
) -> None:
    states = [
        settings_for(
            sandbox,
            state={"directory": tmp_path / name},
            vault={"key_file": tmp_path / "shared.key"},
        )
        for name in ("one", "two", "three")
    ]
    for settings in states:
        with open_store(settings) as store:
            authorize(open_vault(settings, store, create_key=True), settings, sandbox)
    for settings in states:
        with open_store(settings) as store:
            rotate_key(settings, store)
    for settings in states:
        with open_store(settings) as store:
            assert open_vault(settings, store).access_token()


@pytest.mark.parametrize("state_url", ["sqlite"], indirect=True)
def test_two_who_exchange_the_key_at_once_lose_none(
    vault: Vault, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = ThreadPoolExecutor(1)
    others: list[Future[object]] = []

    def write_a_little_later(settings: Settings, keys: list[str]) -> None:
        if not others:
            with open_store(settings) as store:
                others.append(pool.submit(rotate_key, settings, store))
                wait(others, timeout=1)
                write_key_file(settings, keys)
                return
        write_key_file(settings, keys)

    monkeypatch.setattr(rotation, "write_key_file", write_a_little_later)
    rotate_key(settings, store)
    others[0].result()
    assert vault.access_token()
    assert len(read_keys(settings).split()) == 3


def test_a_process_that_runs_on_takes_the_new_key(
    vault: Vault, settings: Settings, store: Store, clock: FakeClock
) -> None:
    running = open_vault(settings, store, clock=clock)
    running.access_token()
    rotate_key(settings, store)
    rotate_key(settings, store)
    clock.advance(timedelta(days=1))
    token = running.access_token()
    assert open_vault(settings, store, clock=clock).access_token() == token


def test_a_key_that_is_not_ours_to_write_is_exchanged_by_hand(
    settings_for: SettingsFor, sandbox: Sandbox, state_url: str
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    before = settings_for(sandbox, state_url, vault={"key": old})
    with open_store(before) as store:
        authorize(open_vault(before, store), before, sandbox)
        both = settings_for(sandbox, state_url, vault={"key": f"{new} {old}"})
        assert not rotate_key(both, store).key_made
        after = settings_for(sandbox, state_url, vault={"key": new})
        assert open_vault(after, store).access_token()
        with pytest.raises(ConfigurationError, match="doesn't fit"):
            open_vault(before, store).access_token()


def test_another_accounts_pair_under_a_key_of_its_own_is_left_alone(
    vault: Vault, settings: Settings, store: Store, sandbox: Sandbox, settings_for: SettingsFor
) -> None:
    key = Fernet.generate_key().decode()
    other = settings.model_copy(
        update={
            "account": settings.account.model_copy(update={"name": "other"}),
            "vault": settings_for(vault={"key": key}).vault,
        }
    )
    authorize(open_vault(other, store), other, sandbox)
    assert rotate_key(settings, store).accounts == ("default",)
    assert open_vault(other, store).access_token()


def test_a_lost_key_is_said_and_authorize_recovers(
    vault: Vault, settings: Settings, store: Store, sandbox: Sandbox
) -> None:
    settings.vault_key_file.unlink()
    with pytest.raises(ConfigurationError, match=r"vault\.key"):
        open_vault(settings, store).access_token()
    assert open_vault(settings, store).status().exists
    authorize(open_vault(settings, store, create_key=True), settings, sandbox)
    assert open_vault(settings, store).access_token()


def test_a_rescued_pair_of_a_lost_key_ends_with_the_next_consent(
    vault: Vault, settings: Settings, store: Store, sandbox: Sandbox
) -> None:
    vault._rescue.prepare()
    vault._rescue.write(vault._custody.pair().row)
    settings.vault_key_file.unlink()
    again = open_vault(settings, store, create_key=True)
    with pytest.raises(ConfigurationError, match="doesn't fit"):
        again.access_token()
    assert again.status().rescued_pair_waits
    authorize(again, settings, sandbox)
    assert not again.status().rescued_pair_waits
    assert again.access_token()


def test_a_moved_pair_works_there_and_not_here(
    vault: Vault,
    settings: Settings,
    store: Store,
    sandbox: Sandbox,
    settings_for: SettingsFor,
    tmp_path: Path,
    calls: Calls,
) -> None:
    token = vault.access_token()
    before = len(calls())
    file = tmp_path / "moving"
    key = exported(settings, store, file)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AuthorizationNeeded):
        vault.access_token()
    there = settings_for(sandbox, state={"directory": tmp_path / "there"})
    with open_store(there) as new_store:
        with pytest.raises(UsageError, match="does not open"):
            import_pair(there, new_store, file, Fernet.generate_key().decode())
        import_pair(there, new_store, file, f" {key}\n")
        assert not file.exists()
        moved = open_vault(there, new_store)
        assert moved.access_token() == token
        assert moved.status().encoded_account_id == sandbox.account.encoded_account_id
        assert moved.keep_alive(unused_for=timedelta(0))
    assert len(calls()) == before + 1


def test_a_file_that_can_not_be_made_leaves_the_pair(
    vault: Vault, settings: Settings, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "moving"
    file.write_text("somebody's")
    with pytest.raises(StateError, match="stays here"):
        exported(settings, store, file)
    assert file.read_text() == "somebody's"
    with pytest.raises(StateError, match="in a folder that does"):
        exported(settings, store, tmp_path / "unmounted" / "moving")
    assert not (tmp_path / "unmounted").exists()
    assert vault.access_token()


def test_a_pair_whose_key_nobody_has_seen_stays(
    vault: Vault, settings: Settings, store: Store, tmp_path: Path
) -> None:
    def nobody(_: str) -> None:
        raise StateError("nobody could read it")

    with pytest.raises(StateError, match="nobody"):
        export_pair(settings, store, tmp_path / "moving", nobody)
    assert vault.access_token()
    assert not (tmp_path / "moving").exists()


def test_a_pair_of_another_account_or_application_is_not_taken_in(
    vault: Vault, settings: Settings, store: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "moving"
    key = exported(settings, store, file)
    oauth = settings.oauth.model_copy(update={"client_id": "another"})
    with pytest.raises(ConfigurationError, match="another application"):
        import_pair(settings.model_copy(update={"oauth": oauth}), store, file, key)
    authorize(vault, settings, sandbox)
    other = settings.account.model_copy(update={"name": "other"})
    elsewhere = settings.model_copy(update={"account": other})
    import_pair(elsewhere, store, file, key)
    file.unlink(missing_ok=True)
    key = exported(elsewhere, store, file)
    vault.forget()
    vault.keep(visit(settings, sandbox), encoded_account_id="another", another_account=True)
    with pytest.raises(AnotherAccount):
        import_pair(settings, store, file, key)
    assert file.exists()


def test_no_token_lies_readable_on_the_disk(
    vault: Vault, settings: Settings, store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    secrets = []
    for _ in range(3):
        pair = vault._custody.pair()
        secrets += [pair.access_token, pair.refresh_token]
        vault._rescue.prepare()
        vault._rescue.write(pair.row)
        clock.advance(timedelta(days=1))
        vault.access_token()
        vault._rescue.write(pair.row)
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        content = file.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), file
