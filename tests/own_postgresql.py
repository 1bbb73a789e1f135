"""A PostgreSQL server of a test's own, which may be restarted in the middle of everything."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# The server refuses to run as root.
_USER = "postgres"


def own_postgresql() -> "OwnPostgresql":
    """One that is not started yet; skips where there is none to be had."""
    found = shutil.which("pg_config")
    why = "no PostgreSQL server is installed (pg_config)"
    if found is not None:
        told = subprocess.run([found, "--bindir"], capture_output=True, text=True, check=True)
        programs = Path(told.stdout.strip())
        if (programs / "initdb").exists():
            return OwnPostgresql(programs)
        why = f"no PostgreSQL server is installed ({programs}/initdb)"
    if os.environ.get("CONTACT_SYNC_REQUIRE_ALL") == "1":
        raise FileNotFoundError(why)
    pytest.skip(why)


class OwnPostgresql:
    """Its data lie in a temporary folder; started and removed by `with`."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="contact-sync-postgresql-"))
        self._data = self._folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER)

    @property
    def url(self) -> str:
        """SQLAlchemy's address of an empty database."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """The server's first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def __enter__(self) -> Self:
        self._run("initdb", "-U", _USER, "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8")
        with (self._data / "postgresql.conf").open("a") as options:
            options.write(
                f"port = {self._port}\nlisten_addresses = '127.0.0.1'\n"
                f"unix_socket_directories = '{self._folder}'\nmax_connections = 200\n"
            )
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"))
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """As after a loss of power: every connection ends at once, and it recovers."""
        self._run("pg_ctl", "restart", "-w", "-m", "immediate", "-l", str(self._folder / "log"))

    def _run(self, program: str, *options: str) -> None:
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"]
        subprocess.run(
            [
                *(as_user if os.geteuid() == 0 else []),
                str(self._programs / program),
                "-D",
                str(self._data),
                *options,
            ],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
