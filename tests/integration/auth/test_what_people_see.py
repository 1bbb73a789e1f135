"""What `status` and `check` tell of the pair's life, by the real commands."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from sync.auth.vault import open_vault
from sync.clock import utc_now
from sync.errors import ExitCode, StateError
from sync.sandbox import Sandbox
from sync.settings import load_settings
from sync.state.schema import token_pair
from sync.state.store import open_store
from sync.state.tokens import StoredPair
from tests.integration.main_road.office import Office
from tests.zygote import Zygote


class Person:
    """Somebody at the terminal of an authorized office."""

    def __init__(self, office: Office, zygote: Zygote) -> None:
        self.office = office
        self.zygote = zygote
        self.settings = load_settings(office.config)

    def sees(self, command: str) -> tuple[int, str]:
        return self.zygote.run(
            "--config",
            str(self.office.config),
            command,
            folder=self.office.folder,
            environment=self.office.variables(),
        )


@pytest.fixture
def person(tmp_path: Path, sandbox: Sandbox, zygote: Zygote) -> Person:
    office = Office(tmp_path / "office", sandbox)
    office.authorize()
    return Person(office, zygote)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (149, None),
        (151, "Take care: the refresh token dies of disuse in 29 days"),
        (167, "Urgent: the refresh token dies of disuse in 13 days"),
        (178, "Very urgent: the refresh token dies of disuse in 2 days"),
        (181, "is dead by Constant Contact's rules: run contact-sync authorize"),
    ],
)
def test_both_lives_and_each_warning_are_shown(person: Person, days: int, said: str | None) -> None:
    issued = utc_now() - timedelta(days=days, seconds=60)
    with open_store(person.settings) as store, store.write() as connection:
        connection.execute(update(token_pair).values(issued_at=issued))
    dies = f"{issued + timedelta(days=180):%Y-%m-%d}"
    for command in ("status", "check"):
        code, shown = person.sees(command)
        assert code == ExitCode.DONE, shown
        assert "expires in 23 h" in shown
        assert f"refresh token good until {dies}" in shown
        assert (said in shown) if said else ("disuse" not in shown)


def test_a_rescued_pair_is_shown_and_the_check_adopts_it(person: Person) -> None:
    def refuse(row: StoredPair) -> None:
        raise StateError("The database takes nothing now.")

    with open_store(person.settings) as store:
        vault = open_vault(person.settings, store)
        vault._custody.safekeeping._patience = timedelta(0)
        vault._custody.safekeeping._store_once = refuse  # type: ignore[method-assign]
        with pytest.raises(StateError, match="safe in the rescue file"):
            vault.keep_alive(unused_for=timedelta(0))
    code, shown = person.sees("status")
    assert code == ExitCode.DONE
    assert "a renewed pair waits in the rescue file" in shown
    assert "generation 1" in shown
    code, shown = person.sees("check")
    assert code == ExitCode.DONE, shown
    code, shown = person.sees("status")
    assert "rescue file" not in shown
    assert "generation 2" in shown


def test_a_missing_key_is_told_with_what_to_do(person: Person) -> None:
    person.settings.vault_key_file.unlink()
    code, shown = person.sees("check")
    assert code == ExitCode.CONFIGURATION
    assert "vault.key is missing" in shown
    assert "run contact-sync authorize" in shown
    assert person.sees("status")[0] == ExitCode.DONE
