"""Before the program: a clock that the test moves, and no pauses.

All that the process reads of the time is moved, that of libraries too; only what measures
durations stays as it is.
"""

import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import time_machine
from apscheduler.schedulers.background import BackgroundScheduler

from sync.stop import Stop

_NO_PAUSE = timedelta(milliseconds=5)
_process_jobs = BackgroundScheduler._process_jobs


def follow(file: str) -> None:
    """Have the time that a file holds, from the instant at which it is written there."""
    shown = _read(file)
    travelling = time_machine.travel(shown, tick=True)
    clock = travelling.start()

    def watch() -> None:
        nonlocal shown
        while True:
            time.sleep(_NO_PAUSE.total_seconds())
            if (now := _read(file)) != shown:
                shown = now
                clock.move_to(now)

    threading.Thread(target=watch, daemon=True).start()
    patch.object(BackgroundScheduler, "_process_jobs", _restlessly).start()
    patch.object(Stop, "sleep", _hardly_sleep).start()


def move(file: Path, instant: datetime) -> None:
    """Let the processes that follow the file have this time."""
    new = file.with_suffix(".new")
    new.write_text(instant.isoformat())
    new.replace(file)


def _restlessly(scheduler: BackgroundScheduler) -> float:
    """Look at the clock all the time, since it can jump."""
    _process_jobs(scheduler)
    return _NO_PAUSE.total_seconds()


def _hardly_sleep(stop: Stop, pause: timedelta) -> None:
    stop.check()
    time.sleep(max(timedelta(0), min(pause, _NO_PAUSE)).total_seconds())
    stop.check()


def _read(file: str) -> datetime:
    return datetime.fromisoformat(Path(file).read_text())
