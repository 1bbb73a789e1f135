"""The units under a real systemd: all that the documents promise of them."""

import time
from collections.abc import Callable

from sync.errors import ExitCode
from sync.service_units import ONCE, TIMER, WORKER
from tests.integration.systemd.conftest import Installed


def eventually(what: Callable[[], object], installed: Installed) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, installed.log()
        time.sleep(0.05)


def audience(installed: Installed) -> list[str]:
    return list(installed.sandbox.people.audience())


def test_the_worker_lives_under_all_its_restrictions(installed: Installed) -> None:
    installed.systemctl("start", WORKER)
    assert "Next sync at" in installed.machine.show(WORKER, "StatusText")
    installed.systemctl("kill", "--signal=USR1", "--kill-whom=main", WORKER)
    eventually(lambda: audience(installed) == ["ada@example.com"], installed)
    assert installed.by_hand("status").returncode == 0
    installed.systemctl("reload", WORKER)
    eventually(lambda: "configuration taken in" in installed.log(), installed)
    installed.systemctl("stop", WORKER)
    assert installed.machine.show(WORKER, "Result") == "success"
    assert installed.machine.show(WORKER, "NRestarts") == "0"
    assert installed.posts.alerts == []
    assert installed.sandbox.client_secret not in installed.log()


def test_by_hand_it_has_the_same_secrets_and_state(installed: Installed) -> None:
    checked = installed.by_hand("check")
    assert "client_secret" not in checked.stderr
    done = installed.by_hand("--run-now")
    assert done.returncode == ExitCode.DONE, done.stderr
    assert audience(installed) == ["ada@example.com"]
    wrong = installed.by_hand("--no-such-option")
    assert wrong.returncode == ExitCode.USAGE
    assert "See contact-sync --help" in wrong.stderr


def test_what_needs_a_person_is_told_and_not_tried_again(installed: Installed) -> None:
    installed.configure("[schedule]\ntime = '25:00'")
    installed.systemctl("start", WORKER, fails=True)
    eventually(lambda: installed.posts.alerts, installed)
    ((kind, text),) = installed.posts.alerts
    assert kind == "first"
    assert "contact-sync.service has failed (exit code 78: the configuration is wrong)" in text
    assert installed.machine.show(WORKER, "NRestarts") == "0"
    assert installed.machine.show(WORKER, "ActiveState") == "failed"


def test_a_worker_that_hangs_is_started_again(installed: Installed) -> None:
    installed.machine.write(
        f"/etc/systemd/system/{WORKER}.d/quick.conf",
        "[Service]\nWatchdogSec=3\nRestartSec=100ms\nTimeoutAbortSec=1\n",
    )
    installed.systemctl("daemon-reload")
    installed.systemctl("start", WORKER)
    first = installed.machine.show(WORKER, "MainPID")
    installed.systemctl("kill", "--signal=STOP", WORKER)
    eventually(lambda: installed.machine.show(WORKER, "NRestarts") == "1", installed)
    eventually(lambda: installed.machine.show(WORKER, "ActiveState") == "active", installed)
    assert installed.machine.show(WORKER, "MainPID") != first
    installed.machine.run("rm", f"/etc/systemd/system/{WORKER}.d/quick.conf")


def test_the_timer_s_unit_syncs_once_and_excludes_the_worker(installed: Installed) -> None:
    installed.systemctl("start", WORKER)
    installed.install("--timer")
    installed.systemctl("start", TIMER)
    eventually(lambda: installed.machine.show(WORKER, "ActiveState") == "inactive", installed)
    installed.systemctl("start", ONCE)
    assert audience(installed) == ["ada@example.com"]
    assert installed.posts.alerts == []
    installed.source()
    installed.systemctl("start", ONCE, fails=True)
    # The sync itself has told that its source is empty, so the unit's failure is no news.
    eventually(lambda: "told already" in installed.log(), installed)
    assert [kind for kind, _ in installed.posts.alerts] == ["first"]
    installed.systemctl("start", WORKER)
    eventually(lambda: installed.machine.show(TIMER, "ActiveState") == "inactive", installed)


def test_a_secret_may_be_kept_encrypted(installed: Installed) -> None:
    stored = "/etc/credstore.encrypted/contact-sync.client_secret"
    installed.machine.run("mkdir", "-p", "/etc/credstore.encrypted")
    made = installed.machine.run(
        "systemd-creds",
        "encrypt",
        "--with-key=host",
        "--name=client_secret",
        "-",
        stored,
        stdin=installed.sandbox.client_secret,
    )
    assert made.returncode == 0, made.stderr
    installed.machine.run("rm", "/etc/credstore/contact-sync.client_secret")
    installed.machine.write(
        f"/etc/systemd/system/{WORKER}.d/encrypted.conf",
        "[Service]\nLoadCredentialEncrypted=client_secret:contact-sync.client_secret\n",
    )
    installed.systemctl("daemon-reload")
    installed.systemctl("start", WORKER)
    installed.systemctl("kill", "--signal=USR1", "--kill-whom=main", WORKER)
    eventually(lambda: audience(installed) == ["ada@example.com"], installed)
    installed.machine.run("rm", f"/etc/systemd/system/{WORKER}.d/encrypted.conf")
