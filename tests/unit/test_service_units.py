"""The units of systemd: one text, valid, and with few rights."""

import os
import re
import shutil
import subprocess
from datetime import time, timedelta
from pathlib import Path

import pytest

from sync.service_units import (
    ALERT,
    CLUSTER,
    ONCE,
    TIMER,
    WORKER,
    Installation,
    by_hand,
    units,
)
from sync.settings import Accounts, load_accounts
from tests.conftest import SettingsFor

SHIPPED = Path(__file__).parents[2] / "systemd"
USUAL = Installation(
    program=Path("/opt/contact-sync/.venv/bin/contact-sync"),
    configuration=Path("/etc/contact-sync/contact-sync.toml"),
    user="contact-sync",
    state=Path("/var/lib/contact-sync"),
)


def all_units(at: Installation) -> dict[str, str]:
    return {**units(at), **units(at, timer=True), **units(at, cluster=True)}


ALL = all_units(USUAL)
# What `systemd-analyze security` may find at most, of 10.
EXPOSURE = 1.5


def analyze(*arguments: str) -> str:
    """What systemd-analyze says, both of its streams; skips where it is not."""
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1":
            pytest.fail("systemd-analyze is missing: apt install systemd")
        pytest.skip("systemd-analyze is not on this machine")
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def lines(text: str, name: str) -> list[str]:
    return re.findall(rf"(?m)^{name}=(.*)$", text)


def test_the_shipped_units_are_the_written_ones() -> None:
    shipped = {path.name: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.[st]*")}
    assert shipped == ALL


@pytest.mark.parametrize("name", ALL)
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    program = tmp_path / "contact-sync"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    here = Installation(program, tmp_path / "x.toml", "root", Path("/var/lib/contact-sync"))
    write(tmp_path, all_units(here))
    said = analyze("verify", "--man=no", str(tmp_path / name.replace("@.", "@x.")))
    assert said == "" or "contact-sync" not in said, said


@pytest.mark.parametrize("name", [WORKER, CLUSTER, ONCE, ALERT])
def test_the_units_have_few_rights(name: str, tmp_path: Path) -> None:
    write(tmp_path, ALL)
    said = analyze("security", "--offline=yes", "--no-pager", str(tmp_path / name))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found is not None, said
    assert float(found[1]) <= EXPOSURE


def test_each_unit_has_each_secret_and_tells_when_it_fails() -> None:
    for name in (WORKER, CLUSTER, ONCE, ALERT):
        assert "client_secret:contact-sync.client_secret" in lines(ALL[name], "LoadCredential")
        assert bool(lines(ALL[name], "OnFailure")) == (name != ALERT)
    assert lines(ALL[TIMER], "Conflicts") == [WORKER]


def test_the_watchdog_waits_longer_than_a_query_may_take() -> None:
    long = Installation(
        USUAL.program, USUAL.configuration, "x", USUAL.state, query_timeout=timedelta(hours=5)
    )
    assert int(lines(units(long, timer=False)[WORKER], "WatchdogSec")[0]) > 5 * 3600


def test_a_timer_rings_when_the_worker_would_sync() -> None:
    berlin = Installation(
        USUAL.program,
        USUAL.configuration,
        "x",
        USUAL.state,
        time=time(4, 5),
        time_zone="Europe/Berlin",
        jitter=timedelta(minutes=10),
    )
    text = units(berlin, timer=True)[TIMER]
    assert lines(text, "OnCalendar") == ["*-*-* 04:05:00 Europe/Berlin"]
    assert lines(text, "RandomizedDelaySec") == ["600"]
    assert "Next elapse" in analyze("calendar", "*-*-* 04:05:00 Europe/Berlin")


def test_what_lies_elsewhere_can_be_written(settings_for: SettingsFor) -> None:
    settings = settings_for(
        state={"directory": "/srv/state of it"},
        report={"directory": "/srv/reports"},
        source={"path": "/home/ada/100%/contacts.csv"},
        feedback={"file": "/srv/feedback/out.csv"},
    )
    at = Installation.of(
        Accounts(Path("/srv/c.toml"), {settings.account.name: settings}),
        program=Path("/srv/$x/contact-sync"),
        python=Path("/usr/bin/python3"),
        configuration=Path("/srv/c.toml"),
        user="x",
    )
    text = units(at, timer=False)[WORKER]
    assert lines(text, "StateDirectory") == []
    assert lines(text, "ReadWritePaths") == [
        '"/srv/state of it"',
        "/srv/reports",
        "/srv/feedback",
    ]
    assert lines(text, "ProtectHome") == ["read-only"]
    assert lines(text, "ExecStart") == ["/srv/$$x/contact-sync --config /srv/c.toml"]
    assert lines(ALL[WORKER], "StateDirectory") == ["contact-sync"]


def test_many_accounts_may_write_to_a_folder_each(tmp_path: Path) -> None:
    (tmp_path / "defaults.toml").write_text(
        '[oauth]\nclient_id = "x"\n[lists]\nnames = ["A"]\n[source]\npath = "/srv/all.csv"\n'
        '[state]\ndirectory = "/var/lib/contact-sync"\n[report]\ndirectory = "/srv/reports"\n'
    )
    (tmp_path / "ada.toml").touch()
    (tmp_path / "bob.toml").write_text('[source]\npath = "/home/bob/contacts.csv"\n')
    at = Installation.of(
        load_accounts(tmp_path),
        program=USUAL.program,
        python=Path("/usr/bin/python3"),
        configuration=tmp_path,
        user="x",
    )
    text = units(at)[WORKER]
    assert lines(text, "StateDirectory") == ["contact-sync"]
    assert lines(text, "ReadWritePaths") == ["/srv/reports"]
    assert lines(text, "ProtectHome") == ["read-only"]


def test_the_script_runs_what_it_is_given_with_the_secrets(tmp_path: Path) -> None:
    (tmp_path / "systemd-run").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "systemd-run").chmod(0o755)
    said = subprocess.run(
        ["/bin/sh", "-c", by_hand(USUAL), "contact-sync", "plan", "show", "a b"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    program = said.index("--")
    assert said[program + 1 :] == [
        str(USUAL.program),
        "--config",
        str(USUAL.configuration),
        "plan",
        "show",
        "a b",
    ]
    assert "--uid=contact-sync" in said[:program]
    assert "--property=LoadCredential=client_secret:contact-sync.client_secret" in said[:program]
