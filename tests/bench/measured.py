"""What a command costs: its seconds, its CPU seconds and its peak of memory.

The command is started by this file as a small process of its own: what wait4(2) tells as the peak
would else be at least what the parent held when it started the command.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_SHOWN_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process and those that it has waited for; `peak_mb` is the largest one's."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run the command in the folder; raises SystemExit with what it said when it fails.

    Options of the program that are set in this environment don't reach it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONTACT_SYNC_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    done = subprocess.run(
        [sys.executable, "-I", __file__, *command],
        cwd=folder,
        env={**kept, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-_SHOWN_BYTES:]}")
    return Cost(**json.loads(done.stdout))


def _launch(command: Sequence[str]) -> int:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    cost = Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)
    print(json.dumps(asdict(cost)))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_launch(sys.argv[1:]))
