"""`install-service` writes and explains, and never goes over what a person has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sync.cli import main
from sync.errors import ExitCode
from sync.service_units import ALERT, CLUSTER, ONCE, TIMER, WORKER

Install = Callable[..., tuple[int, str, str]]
_CLUSTER = """\
[state]
url = "postgresql+psycopg://x@db.example.com/x"
[cluster]
enabled = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "units"
    made.mkdir()
    return made


@pytest.fixture
def install(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Install:
    """Call it for a configuration that, as far as it can tell, does not lie in /tmp."""
    monkeypatch.setattr("sync.service_units.installation._TEMPORARY", (Path("/var/tmp"),))

    def run(*options: str, more: str = "", accounts: Path | None = None) -> tuple[int, str, str]:
        config = tmp_path / "contact-sync.toml"
        config.write_text(
            '[oauth]\nclient_id = "x"\n[source]\npath = "contacts.csv"\n[lists]\nnames = ["A"]\n'
            f'[state]\ndirectory = "/var/lib/contact-sync"\n{more}'
        )
        places = ["--folder", str(folder), "--script", str(tmp_path / "by-hand")]
        place = str(accounts or config)
        words = ["contact-sync", "--config", place, "install-service", *places, *options]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_writes_the_units_and_tells_what_to_run_next_and_how_to_undo_it(
    install: Install, folder: Path, tmp_path: Path
) -> None:
    code, out, _ = install("--user", "ada")
    assert code == ExitCode.DONE
    assert names(folder) == [ALERT, WORKER]
    unit = (folder / WORKER).read_text()
    assert f"contact-sync --config {tmp_path}/contact-sync.toml\n" in unit
    assert "\nUser=ada\n" in unit
    assert (tmp_path / "by-hand").stat().st_mode & 0o777 == 0o755
    for told in ("useradd", f"systemctl enable --now {WORKER}", "To undo it:", str(folder / ALERT)):
        assert told in out


def test_the_timer_comes_instead_of_the_worker(install: Install, folder: Path) -> None:
    code, out, _ = install("--timer", more='[schedule]\ntime = "05:10"\n')
    assert code == ExitCode.DONE
    assert names(folder) == sorted([ALERT, ONCE, TIMER])
    assert "OnCalendar=*-*-* 05:10:00 UTC" in (folder / TIMER).read_text()
    assert f"systemctl enable --now {TIMER}" in out


def test_what_is_only_shown_is_not_written(install: Install, folder: Path, tmp_path: Path) -> None:
    code, out, _ = install("--print")
    assert code == ExitCode.DONE
    assert "Type=notify" in out
    assert "systemd-run" in out
    assert names(folder) == []
    assert not (tmp_path / "by-hand").exists()


def test_a_changed_unit_is_shown_and_kept_until_it_is_to_be_replaced(
    install: Install, folder: Path
) -> None:
    install()
    assert install()[0] == ExitCode.DONE  # nothing has changed
    changed = (folder / WORKER).read_text().replace("RestartSec=2min", "RestartSec=7min")
    (folder / WORKER).write_text(changed)
    code, _, err = install("--user", "ada")
    assert code == ExitCode.USAGE
    assert "-RestartSec=7min" in err
    assert "use --replace" in err
    assert (folder / WORKER).read_text() == changed
    assert "User=contact-sync" in (folder / ALERT).read_text()  # all or nothing
    assert install("--user", "ada", "--replace")[0] == ExitCode.DONE
    assert "RestartSec=2min" in (folder / WORKER).read_text()


def test_what_cannot_run_as_a_service_is_told(
    install: Install, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = install("--timer", more='[schedule]\ncron = "0 3 * * *"\n')
    assert (code, "a timer knows no cron expression" in err) == (ExitCode.CONFIGURATION, True)
    monkeypatch.setattr("sync.service_units.installation._TEMPORARY", (folder.parent,))
    code, _, err = install()
    assert (code, "temporary folder" in err) == (ExitCode.CONFIGURATION, True)
    assert names(folder) == []


def test_a_folder_that_cannot_be_written_is_told(install: Install) -> None:
    code, _, err = install("--folder", "/nowhere")
    assert code == ExitCode.CONFIGURATION
    assert "run install-service as root" in err


def test_of_a_folder_each_account_is_to_be_authorized(install: Install, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.mkdir()
    (accounts / "defaults.toml").write_text('[oauth]\nclient_id = "x"\n[lists]\nnames = ["A"]\n')
    (accounts / "north.toml").write_text('[source]\npath = "north.csv"\n')
    _, out, _ = install(accounts=accounts)
    assert "authorize --account NAME --paste  # each account\n" in out
    with (accounts / "defaults.toml").open("a") as defaults:
        defaults.write(
            '[state]\nurl = "postgresql+psycopg://x@db.example.com/x"\n[cluster]\nenabled = true\n'
        )
    _, out, _ = install(accounts=accounts)
    assert "authorize --account NAME --paste  # each account, on one host\n" in out


def test_a_cluster_gets_a_unit_of_which_a_host_starts_several(
    install: Install, folder: Path
) -> None:
    more = _CLUSTER.removeprefix("[state]\n")
    code, out, _ = install(more=more)
    assert code == ExitCode.DONE
    assert names(folder) == [ALERT, CLUSTER]
    assert "systemctl enable --now contact-sync@1.service" in out
    assert (
        "/etc/credstore/contact-sync.vault_key\n      # on one host; copy it to the others" in out
    )
    assert "authorize --paste  # on one host" in out
    _, out, _ = install(more=f'{more}[vault]\nkey_file = "/etc/vault.key"\n')
    assert "vault_key" not in out
    code, _, said = install("--timer", more=more)
    assert code == ExitCode.CONFIGURATION
    assert "leave out --timer" in said
