"""Peak memory of a first sync, by the number of rows: `python -m tests.bench.memory [ROWS …]`.

Each size runs in a process of its own against a sandbox in fast mode in another.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sync.sandbox import Sandbox, SandboxSettings
from tests.integration.main_road.office import Office

SIZES = (10_000, 100_000, 1_000_000)
COLUMNS = (
    "email,first_name,last_name,company_name,job_title,phone,street,city,state,zip,country,"
    "birthday,anniversary,work_phone"
)
# Runs the program's own entry and tells its peak: VmHWM of proc(5), since getrusage's ru_maxrss
# would count what the parent held when it started the process.
_MEASURED = """
import json, re
from pathlib import Path
from sync.cli import main
try:
    main()
except SystemExit as ended:
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
    print(json.dumps({"code": ended.code, "peak_kib": int(peak)}))
"""


def main(sizes: tuple[int, ...]) -> None:
    """Measure and print a line a size."""
    print(f"{'rows':>10} {'peak MB':>8} {'seconds':>8}")
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder, Sandbox(settings=_fast()) as sandbox:
            office = Office(Path(folder), sandbox)
            office.authorize()
            _write(office.contacts, rows)
            peak, seconds = _measure(office)
            assert sandbox.people.count() == rows
        print(f"{rows:>10,} {peak:>8.0f} {seconds:>8.1f}", flush=True)


def _measure(office: Office) -> tuple[float, float]:
    started = time.perf_counter()
    command = [sys.executable, "-c", _MEASURED, "--config", str(office.config), "--run-now"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    if told["code"] != 0:
        raise SystemExit(f"the sync ended with {told['code']}: {done.stderr}")
    return told["peak_kib"] * 1024 / 1e6, time.perf_counter() - started


def _fast() -> SandboxSettings:
    return SandboxSettings(
        fast=True, requests_per_second=None, requests_per_day=None, token_calls_per_second=None
    )


def _write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        print(COLUMNS, file=file)
        for n in range(rows):
            print(
                f'person.{n}@mail{n % 9}.example.com,Zoë,O\'Brien {n},"Smith, Jones & Co.",Buyer,'
                f"212-555-{n % 10000:04},{n} Main St,Boston,MA,{n % 100000:05},United States,"
                f"1970-01-{n % 28 + 1:02},2015-06-30,718-555-{n % 10000:04}",
                file=file,
            )


if __name__ == "__main__":
    main(tuple(int(size) for size in sys.argv[1:]) or SIZES)
