"""How much memory and how long a start many accounts take in one worker: `… many_accounts.py 500`.

Each account has a SQLite state of its own with a token pair and a sync of an hour ago, so the
worker has nothing to do but to wait, as it does nearly always.
"""

import os
import socket
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.agency import Agency


def agency_of(count: int, folder: Path) -> Agency:
    """That many accounts that wait."""
    agency = Agency(folder)
    names = [f"account-{number:03}" for number in range(count)]
    for name in names:
        agency.has(name)
    agency.authorize(names[0])
    agency.synced(names[0])
    agency.copy_state(names[0], *names[1:])
    return agency


def measure(agency: Agency, folder: Path) -> tuple[str, int, int]:
    """Seconds until READY, and the kilobytes (VmRSS) then and once every account was looked at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        address = str(folder / "notify")
        notified.bind(address)
        notified.settimeout(120)
        agency.environment["NOTIFY_SOCKET"] = address
        began = time.monotonic()
        process = agency.start(log=folder / "log")
        try:
            while notified.recv(4096) != b"READY=1":
                pass
            took, then = time.monotonic() - began, resident(process.pid)
            ready = f"{took:.1f}, {processor_time(process.pid) / os.sysconf('SC_CLK_TCK'):.1f}"
            idle = 0
            # The first keep-alive and look of each account is done when nothing is used any more.
            while (used := processor_time(process.pid)) != idle:
                idle = used
                listen(notified, timedelta(seconds=3))
            return ready, then, resident(process.pid)
        finally:
            process.terminate()
            while process.poll() is None:
                listen(notified, timedelta(seconds=1))
            process.communicate()


def listen(notified: socket.socket, duration: timedelta) -> None:
    """Read what the worker tells, as systemd does, for so long."""
    until = time.monotonic() + duration.total_seconds()
    notified.settimeout(0.1)
    while time.monotonic() < until:
        with suppress(TimeoutError):
            notified.recv(4096)


def resident(pid: int) -> int:
    """VmRSS in kilobytes (proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def processor_time(pid: int) -> int:
    """User and system time in ticks (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    """Print a line for each number of accounts."""
    print("accounts  seconds to READY, of processor  MB then  MB once all were looked at")
    for count in map(int, sys.argv[1:] or ["1", "100", "500"]):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ready, then, later = measure(agency_of(count, folder / "config"), folder)
            print(f"{count:>8}  {ready:>30}  {then // 1024:>7}  {later // 1024:>26}", flush=True)


if __name__ == "__main__":
    main()
