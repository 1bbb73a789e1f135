"""Backups of the state while it is used, and bringing one back.

A SQLite file is copied by SQLite's own backup API (https://sqlite.org/backup.html), which sees one
instant of it however many processes write meanwhile. It is put back by the same API, into the file
that is there: a worker that has it open goes on with what was brought back. Database servers have
programs of their own for both; `server_command` says which.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from sync.errors import Busy, StateError, UsageError
from sync.settings import Settings
from sync.state.locks import Locks
from sync.state.migrate import migrate, revisions
from sync.state.runs import RunRecord, Runs, highest_number
from sync.state.store import PRIVATE_FILE, Store, make_private_folder, open_sqlite
from sync.state.tokens import read_pairs, replace_pair

_PATIENCE_SECONDS = 30
_NO_WAIT = timedelta(0)
# A file that a run has left, of whose record nothing else may be left.
_NUMBERED = re.compile(r"-run-(\d+)")


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of what was there: `kept` is its copy, None when there was nothing.

    `last` is the backup's newest run.
    `newer_pairs` are the accounts whose token pair was newer than the backup's and stays, and
    `left_pairs` those whose newer one is of another Constant Contact account than the backup.
    """

    kept: Path | None
    last: RunRecord | None = None
    newer_pairs: tuple[str, ...] = ()
    left_pairs: tuple[str, ...] = ()


def back_up(settings: Settings, file: Path) -> int:
    """Copy the state into a new private file, while it is used; returns its size in bytes.

    Raises UsageError for a file that exists or a database that is none of SQLite's, and StateError
    when the copy can't be made; then there is no file.
    """
    present = _sqlite_file(settings, "backup", file)
    if file.exists():
        raise UsageError(f"{file} exists already and was not touched: name a new file.")
    _copy(present, file)
    return file.stat().st_size


def restore(settings: Settings, file: Path, now: datetime) -> Restored:
    """Put a backup in the place of the state; what was there is kept beside it.

    A newer token pair stays: the backup's refresh token was spent when that one came. Runs to come
    get other numbers than those that the backup knows nothing of. Raises
    UsageError when the file is no backup, Busy while a run or a refresh is under way, and
    StateError; the state is then as it was.
    """
    present = _sqlite_file(settings, "restore", file)
    for folder in (settings.state.directory, present.parent):
        make_private_folder(folder)
    fresh = present.with_name(f"{present.name}.restoring")
    fresh.unlink(missing_ok=True)
    _refuse_foreign(file)
    _copy(file, fresh)
    try:
        with _opened(fresh, settings) as store, _alone(settings, present):
            migrate(store.engine, store.locks)
            kept = _keep(present, now)
            newer, left = _carry_pairs(store, kept, settings)
            last = _note(store, kept, settings, file, now)
            store.close()
            _fill(present, fresh)
    finally:
        for suffix in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    return Restored(kept, last, newer, left)


def server_command(url: URL, what: str, file: Path) -> str:
    """What does the same for a database server; it asks for the password."""
    where = "".join(
        f" --{option}={value}"
        for option, value in (("host", url.host), ("port", url.port), ("user", url.username))
        if value
    )
    if url.get_backend_name() == "postgresql":
        where = where.replace(" --user=", " --username=")
        if what == "backup":
            return f"pg_dump{where} --format=custom --file={file} {url.database}"
        return f"pg_restore{where} --clean --if-exists --dbname={url.database} {file}"
    if what == "backup":
        how = f"--password --single-transaction --result-file={file}"
        return f"mariadb-dump{where} {how} {url.database}"
    return f"mariadb{where} --password {url.database} < {file}"


def _sqlite_file(settings: Settings, what: str, file: Path) -> Path:
    url = make_url(settings.state_url)
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "")
    first = "" if what == "backup" else "stop every worker, then "
    raise UsageError(
        f"The state is in a database server, which has a program of its own for this: {first}run "
        f"{server_command(url, what, file)}"
    )


def _refuse_foreign(file: Path) -> None:
    """Raise UsageError unless the file is a state of this version or an older one."""
    if not file.is_file():
        raise UsageError(f"There is no file {file}: name one that contact-sync state backup made.")
    try:
        with closing(_connect(file)) as backup:
            (revision,) = backup.execute("SELECT version_num FROM alembic_version").fetchone()
    except (OSError, sqlite3.Error, TypeError):
        revision = None
    if revision not in revisions():
        raise UsageError(
            f"{file} is no backup of this version's state or an older one's: name one that "
            "contact-sync state backup made."
        )


def _copy(source: Path, file: Path) -> None:
    """One instant of a database as a new file, whole and on the disk, or not at all."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        with closing(_connect(source)) as origin, closing(sqlite3.connect(unfinished)) as copy:
            origin.backup(copy)
            # Else the file could not be read where nothing may be written beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged ({found})")
        _to_the_disk(unfinished)
        unfinished.rename(file)
        _to_the_disk(file.parent)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StateError(f"{source} can't be copied to {file}: {reason}.") from None


def _connect(file: Path) -> sqlite3.Connection:
    """An existing database, only to be read."""
    if not file.is_file():
        raise FileNotFoundError(2, "there is no such file", str(file))
    return sqlite3.connect(
        f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_SECONDS
    )


@contextmanager
def _opened(file: Path, settings: Settings) -> Iterator[Store]:
    engine = open_sqlite(make_url(f"sqlite:///{file}"))
    store = Store(engine, Locks(engine, settings.state.directory))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _alone(settings: Settings, present: Path) -> Iterator[None]:
    """No run and no refresh of any account is under way, nor begins."""
    engine = open_sqlite(make_url(f"sqlite:///{present}"))
    locks = Locks(engine, settings.state.directory)
    account = settings.account.name
    # Whatever other accounts share the file, their locks have been taken before.
    known = {file.stem for file in present.resolve().parent.glob("*.lock")} - {"migration"}
    with ExitStack() as held:
        held.callback(engine.dispose)
        for name in sorted(known | {f"{account}.run", f"vault-{account}"}):
            try:
                held.enter_context(locks.hold(name, wait=_NO_WAIT))
            except Busy:
                raise Busy(
                    f"Nothing was restored, since a run or a refresh is under way (the lock "
                    f"{name} is held): wait for its end or stop the worker, then try again."
                ) from None
        yield


def _keep(present: Path, now: datetime) -> Path | None:
    """A copy of what is there; a database that can't be read is moved there instead."""
    if not present.stat().st_size:
        return None
    kept = present.with_name(f"{present.name}.replaced-{now:%Y%m%dT%H%M%SZ}")
    try:
        _copy(present, kept)
    except StateError:
        for suffix in ("", "-wal", "-shm"):
            part = present.with_name(present.name + suffix)
            if part.exists():
                part.rename(kept.with_name(kept.name + suffix))
    return kept


def _carry_pairs(
    store: Store, kept: Path | None, settings: Settings
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take over the pairs that are newer than the backup's."""
    newer, left = [], []
    with ExitStack() as opened:
        try:
            present = opened.enter_context(_opened(kept, settings)) if kept else None
            rows = read_pairs(present) if present else ()
        except StateError:
            rows = ()
    there = {row.account: row for row in read_pairs(store)}
    for row in rows:
        old = there.get(row.account)
        if old is not None and old.generation >= row.generation:
            continue
        if old is not None and old.encoded_account_id != row.encoded_account_id:
            left.append(row.account)
        elif replace_pair(store, row):
            newer.append(row.account)
    return tuple(newer), tuple(left)


def _note(
    store: Store, kept: Path | None, settings: Settings, file: Path, now: datetime
) -> RunRecord | None:
    """Record the bringing back, numbered above every run that was; returns the newest before it.

    Else runs to come would have the numbers, and overwrite the reports, of those since the backup.
    """
    account = settings.account.name
    runs = Runs(store, account)
    last = next(iter(runs.last(1)), None)
    until = f"after run {last.id}" if last else "before any run"
    there = f" What was there is in {kept.name}." if kept else ""
    message = f"Brought back from {file.name}, as it was {until}.{there}"
    reports = settings.report.directory.glob(f"{account}-run-*")
    numbers = [int(found[1]) for each in reports if (found := _NUMBERED.search(each.name))]
    with suppress(StateError), ExitStack() as opened:
        if kept:
            numbers.append(highest_number(opened.enter_context(_opened(kept, settings))))
    runs.note(now, message, above=max(numbers, default=0))
    return last


def _fill(present: Path, fresh: Path) -> None:
    """Put what is in the fresh database into the present one, in one transaction."""
    try:
        present.touch(mode=PRIVATE_FILE)
        with (
            closing(_connect(fresh)) as origin,
            closing(sqlite3.connect(present, timeout=_PATIENCE_SECONDS)) as there,
        ):
            there.execute("PRAGMA synchronous=FULL")
            origin.backup(there)
            there.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _to_the_disk(present)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"The state database {present} can't be written: {error}.") from None


def _to_the_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
