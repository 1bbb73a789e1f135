"""The vault's key: where it comes from, and what is said when it can't be used."""

import pytest
from cryptography.fernet import Fernet

from sync.auth.cipher import open_cipher
from sync.errors import ConfigurationError
from sync.settings.cluster import Cluster
from tests.conftest import SettingsFor


def test_authorize_makes_a_private_key_file_once(settings_for: SettingsFor) -> None:
    settings = settings_for()
    sealed = open_cipher(settings, create=True).encrypt("token")
    assert settings.vault_key_file.stat().st_mode & 0o777 == 0o600
    assert open_cipher(settings, create=True).decrypt(sealed) == "token"
    assert "token" not in sealed


def test_an_empty_key_file_that_a_power_loss_left_is_filled(settings_for: SettingsFor) -> None:
    settings = settings_for()
    settings.vault_key_file.parent.mkdir()
    settings.vault_key_file.touch(mode=0o600)
    open_cipher(settings, create=True).encrypt("token")


def test_nobody_but_authorize_makes_a_key(settings_for: SettingsFor) -> None:
    settings = settings_for()
    with pytest.raises(ConfigurationError) as missing:
        open_cipher(settings).encrypt("token")
    assert f"key file {settings.vault_key_file} is missing" in str(missing.value)
    assert "run contact-sync authorize" in str(missing.value)
    assert not settings.vault_key_file.exists()


def test_a_host_of_a_cluster_gets_the_key_from_another(settings_for: SettingsFor) -> None:
    settings = settings_for().model_copy(update={"cluster": Cluster(enabled=True)})
    with pytest.raises(ConfigurationError, match="back from another host of the cluster"):
        open_cipher(settings).encrypt("token")


def test_a_key_file_that_others_can_read_is_refused(settings_for: SettingsFor) -> None:
    settings = settings_for()
    open_cipher(settings, create=True)
    settings.vault_key_file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_cipher(settings).encrypt("token")


def test_a_key_from_the_environment_goes_first(
    settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("CONTACT_SYNC_VAULT__KEY", key)
    settings = settings_for()
    sealed = open_cipher(settings, create=True).encrypt("token")
    assert Fernet(key).decrypt(sealed) == b"token"
    assert not settings.vault_key_file.exists()


def test_several_keys_are_read_and_the_first_one_writes(settings_for: SettingsFor) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    by_old = open_cipher(settings_for(vault={"key": old})).encrypt("token")
    both = open_cipher(settings_for(vault={"key": f"{new}\n{old}\n"}))
    assert both.decrypt(by_old) == "token"
    assert Fernet(new).decrypt(both.encrypt("token")) == b"token"


@pytest.mark.parametrize("key", ["short", "ä" * 44, "x" * 44, " "])
def test_what_is_no_key_is_said(settings_for: SettingsFor, key: str) -> None:
    with pytest.raises(ConfigurationError, match="Fernet key"):
        open_cipher(settings_for(vault={"key": key})).encrypt("token")


def test_a_key_that_does_not_fit_is_said(settings_for: SettingsFor) -> None:
    sealed = Fernet(Fernet.generate_key()).encrypt(b"token").decode()
    with pytest.raises(ConfigurationError, match="doesn't fit") as error:
        open_cipher(settings_for(), create=True).decrypt(sealed)
    assert sealed not in str(error.value)
