"""Runs of the real program that start in milliseconds, for tests that need hundreds of them.

A zygote has imported the program once and forks for each run, as Android does for its
applications. What runs is `main.main()` with real arguments, in a process and a session of its
own; only the interpreter's start and the imports (a second or more) are saved.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = timedelta(minutes=4)
# What the program imports only when it is used.
_LATER = ("sync.cli.app", "psycopg", "pymysql")


@dataclass(frozen=True, slots=True)
class _Order:
    """A run: the program's arguments, its surroundings, and what is called before it."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    stdout: str
    stderr: str
    first: str
    given: list[Any]


@dataclass
class Running:
    """A process of the program; its output goes to files, so that no pipe can block it."""

    pid: int
    stdout: Path
    stderr: Path
    started: float
    """time.monotonic() of the order."""
    _reap: Callable[[int], int]
    _ended: int = field(init=False)
    _code: int | None = None

    def __post_init__(self) -> None:
        self._ended = os.pidfd_open(self.pid)

    def has_ended(self, *, within: float = 0) -> bool:
        """Whether it ends within so many seconds."""
        if self._code is not None:
            return True
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        return bool(poll.poll(within * 1000))

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; one that has ended and was not waited for takes it in vain."""
        if self._code is None:
            os.kill(self.pid, number)

    def wait(self, *, within: timedelta = _PATIENCE) -> int:
        """Its exit code, or the negative number of the signal that killed it."""
        if self._code is None:
            if not self.has_ended(within=within.total_seconds()):
                self.kill()
                raise TimeoutError(f"process {self.pid} did not end within {within}")
            os.close(self._ended)
            self._code = self._reap(self.pid)
        return self._code

    def output(self) -> str:
        """What it wrote to both streams so far."""
        return self.stdout.read_text("utf-8") + self.stderr.read_text("utf-8")


class Zygote:
    """Starts runs; leaving it kills those that still run."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        kept = {name: text for name, text in os.environ.items() if "CONTACT_SYNC" not in name}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.zygote", str(theirs.fileno())],
                cwd=ROOT,
                # Threads of a library would not live on in the children.
                env={**kept, "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._answers = self._ours.makefile("r")
        self._runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._ours.close()
        self._process.wait(60)

    def start(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        first: Callable[..., None] | None = None,
        given: tuple[Any, ...] = (),
    ) -> Running:
        """Start the program with these arguments, in this working folder.

        `environment` is the whole environment; by default the test's own without the program's
        variables. `first`, a function of a module, is called in the new process before the
        program, with `given`, which JSON must be able to carry: so a test can have it killed at a
        named step.
        """
        self._runs += 1
        stdout, stderr = (folder / f"run-{self._runs}.{name}" for name in ("out", "err"))
        ours = {name: text for name, text in os.environ.items() if "CONTACT_SYNC" not in name}
        order = _Order(
            arguments=list(arguments),
            environment=dict(ours if environment is None else environment),
            folder=str(folder),
            stdout=str(stdout),
            stderr=str(stderr),
            first=f"{first.__module__}:{first.__name__}" if first else "",
            given=list(given),
        )
        started = time.monotonic()
        pid = self._ask({"start": asdict(order)})
        return Running(pid, stdout, stderr, started, lambda ended: self._ask({"reap": ended}))

    def run(self, *arguments: str, folder: Path, **more: Any) -> tuple[int, str]:
        """Run the program to its end: its exit code and what it wrote."""
        running = self.start(*arguments, folder=folder, **more)
        return running.wait(), running.output()

    def _ask(self, what: dict[str, Any]) -> int:
        self._ours.sendall(json.dumps(what).encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError("the zygote has ended: see what it wrote to standard error")
        return int(answer)


def _serve(channel: socket.socket) -> None:
    """Fork when asked, tell how a child ended when asked, kill what is left at the end."""
    program = importlib.import_module("main")  # here, so that only the zygote pays for it

    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # What is there for good need not be looked through, and copied, in each child.
    gc.freeze()
    children: set[int] = set()
    with channel, channel.makefile("r") as questions:
        for line in questions:
            question = json.loads(line)
            if "reap" in question:
                _, status = os.waitpid(question["reap"], 0)
                children.discard(question["reap"])
                answer = os.waitstatus_to_exitcode(status)
            else:
                answer = os.fork()
                if answer == 0:
                    channel.detach()
                    _become(_Order(**question["start"]))
                    program.main()
                    return
                children.add(answer)
            channel.sendall(f"{answer}\n".encode())
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _become(order: _Order) -> None:
    """Make a forked child what a shell would have started."""
    os.setsid()
    for number, file in ((1, order.stdout), (2, order.stderr)):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    # What a shell has started in the background ignores some, and so would all of its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(one, signal.SIG_DFL)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = ["main.py", *order.arguments]
    if order.first:
        module, _, name = order.first.partition(":")
        getattr(importlib.import_module(module), name)(*order.given)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
