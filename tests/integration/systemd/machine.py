"""A machine of its own for systemd: a real one as process 1 of its own namespaces.

Its root is an overlay, so nothing outside is changed; the network is that of the test, so that the
sandbox can be reached. Only the units that the test writes are there.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
_UNITS = "/etc/systemd/system"
_PATIENCE_SECONDS = 60
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_BUS = """\
[Unit]
DefaultDependencies=no
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation
"""
_BUS_SOCKET = """\
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
"""
_BOOT = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
root="$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
rm -rf "$root"/etc/systemd/system/* "$root"/etc/machine-id
for target in sysinit basic shutdown multi-user timers network-online default; do
    printf '[Unit]\nDefaultDependencies=no\n' > "$root/etc/systemd/system/$target.target"
done
mkdir -p "$root/old"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=test PATH=/usr/bin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \
    /lib/systemd/systemd --system --log-target=console --log-level=warning
"""


class NoMachine(Exception):
    """systemd can't be had here; the text says why."""


class Machine:
    """What runs, as seen from outside."""

    def __init__(self, init: int) -> None:
        self._init = init

    def path(self, path: str | Path) -> Path:
        """Where a file of the machine lies for the test."""
        return Path(f"/proc/{self._init}/root{path}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, and the folders above it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as root of the machine."""
        return subprocess.Popen(
            ["nsenter", f"--target={self._init}", "--all", "env", "-i", f"PATH={_PATH}", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as root of the machine to its end."""
        with self.start(*command) as process:
            out, err = process.communicate(stdin, timeout=_PATIENCE_SECONDS)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Boot, and end all of it at exit; raises NoMachine."""
    group = _own_group()
    boot = ["unshare", "-pmf", "--uts", "--ipc", "--cgroup", "--kill-child", "bash", "-c", _BOOT]
    log = (folder / "console").open("wb")
    process = subprocess.Popen(
        ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", *boot, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        yield _booted(process, folder)
    finally:
        process.kill()
        process.wait()
        log.close()
        _remove(group)


def _own_group() -> Path:
    """A control group for it, beside that of this process."""
    if os.geteuid() != 0:
        raise NoMachine("only root can boot one")
    if not SYSTEMD.exists() or shutil.which("dbus-daemon") is None:
        raise NoMachine("systemd or dbus is missing")
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    for root in roots:
        group = root / f"contact-sync-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        return group
    raise NoMachine("no control group can be made")


def _booted(process: subprocess.Popen[bytes], folder: Path) -> Machine:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
            made = Machine(int(children[0]))
            if made.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                return _furnished(made)
        time.sleep(0.05)
    raise NoMachine(
        f"systemd does not boot ({process.poll()}): {(folder / 'console').read_text()[-500:]}"
    )


def _furnished(made: Machine) -> Machine:
    made.write(f"{_UNITS}/dbus.service", _BUS)
    made.write(f"{_UNITS}/dbus.socket", _BUS_SOCKET)
    for command in (["daemon-reload"], ["start", "dbus.socket", "dbus.service"]):
        done = made.run("systemctl", *command)
        if done.returncode:
            raise NoMachine(f"dbus does not start: {done.stderr}")
    return made


def _remove(group: Path) -> None:
    """Its processes are gone, but the groups below it go one by one."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while group.exists() and time.monotonic() < deadline:
        for each in sorted(group.rglob("*/"), reverse=True):
            if each.is_dir():
                _try_remove(each)
        _try_remove(group)
        time.sleep(0.02)


def _try_remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        return
