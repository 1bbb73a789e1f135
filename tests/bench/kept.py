"""The last run's tables in the README, and the machine that they were made on."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

README = Path(__file__).with_name("README.md")
_PACKAGES = ("pandas", "pyarrow", "sqlalchemy", "duckdb", "drt-core", "dlt")


def keep(name: str, text: str, readme: Path = README) -> None:
    """Put the text between the README's marks of that name; raises SystemExit without them."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before = readme.read_text(encoding="utf-8")
    head, found, rest = before.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{readme} has no place for this: the lines {begin} and {end}.")
    readme.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def conditions(state: str, rounds: int) -> str:
    """Under which it is measured: the machine, what is installed, and how busy it is before."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"State on {state}, rounds: {rounds}. {datetime.now(UTC):%Y-%m-%d}, {_processor()}, "
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {', '.join(_versions())}; "
        f"load before the start {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    """As Linux calls it (proc(5)); elsewhere the kind."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    return found[1] if found else platform.machine()


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
