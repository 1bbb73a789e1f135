"""The sandbox's memory: one SQLite database, in memory or in a file.

A contact is one row. What is asked for in searches has a column; the rest is one JSON document.
The lists that it is on are one number: each distinct set of lists is kept once in `list_set`, so
that an audience of millions needs no membership table.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE keyring (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE application (
    client_id TEXT PRIMARY KEY, client_secret TEXT NOT NULL, name TEXT NOT NULL,
    redirect_uris TEXT NOT NULL, refresh_kind TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);

CREATE TABLE account (
    account INTEGER PRIMARY KEY, encoded_account_id TEXT NOT NULL UNIQUE,
    user_name TEXT NOT NULL, role TEXT NOT NULL, details TEXT NOT NULL);

CREATE TABLE code (
    code TEXT PRIMARY KEY, client_id TEXT NOT NULL, account INTEGER NOT NULL,
    redirect_uri TEXT NOT NULL, scope TEXT NOT NULL, challenge TEXT, nonce TEXT,
    expires_at REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0, consent TEXT NOT NULL);

CREATE TABLE refresh_token (
    token TEXT PRIMARY KEY, client_id TEXT NOT NULL, account INTEGER NOT NULL,
    scope TEXT NOT NULL, consent TEXT NOT NULL, used_at REAL NOT NULL,
    replaced_at REAL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX refresh_by_consent ON refresh_token (consent);

CREATE TABLE access_token (
    jti TEXT PRIMARY KEY, client_id TEXT NOT NULL, account INTEGER NOT NULL,
    scope TEXT NOT NULL, consent TEXT NOT NULL, expires_at REAL NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0);
CREATE INDEX access_by_consent ON access_token (consent);

CREATE TABLE quota (
    client_id TEXT NOT NULL, day TEXT NOT NULL, calls INTEGER NOT NULL,
    PRIMARY KEY (client_id, day)) WITHOUT ROWID;

CREATE TABLE list (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, list_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, description TEXT NOT NULL, favorite INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, deleted_at INTEGER);

CREATE TABLE list_set (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, members TEXT NOT NULL,
    UNIQUE (account, members));

CREATE TABLE left_list (
    contact INTEGER NOT NULL, list INTEGER NOT NULL, PRIMARY KEY (contact, list)) WITHOUT ROWID;

CREATE TABLE field (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, custom_field_id TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, metadata TEXT NOT NULL,
    choices TEXT NOT NULL, version INTEGER,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (account, name));

CREATE TABLE tag (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, tag_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, source TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, UNIQUE (account, name));

CREATE TABLE tagging (
    tag INTEGER NOT NULL, contact INTEGER NOT NULL, PRIMARY KEY (tag, contact)) WITHOUT ROWID;
CREATE INDEX tagging_by_contact ON tagging (contact);

CREATE TABLE segment (
    segment_id INTEGER PRIMARY KEY, account INTEGER NOT NULL, name TEXT NOT NULL,
    search TEXT NOT NULL, evaluated INTEGER NOT NULL DEFAULT 0, UNIQUE (account, name));

CREATE TABLE contact (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL,
    email_key TEXT, email TEXT, sms TEXT,
    permission TEXT NOT NULL, list_set INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    create_source TEXT NOT NULL DEFAULT 'Account', update_source TEXT NOT NULL DEFAULT 'Account',
    opt_in_source TEXT, opt_in_at INTEGER,
    opt_out_source TEXT, opt_out_at INTEGER, opt_out_reason TEXT,
    confirm_status TEXT NOT NULL DEFAULT 'off',
    deleted_at INTEGER, resubscribe_sent INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX contact_by_email ON contact (account, email_key);
CREATE UNIQUE INDEX contact_by_sms ON contact (account, sms) WHERE sms IS NOT NULL;
CREATE INDEX contact_by_update ON contact (account, updated_at);
CREATE INDEX contact_by_opt_out ON contact (account, opt_out_at) WHERE opt_out_at IS NOT NULL;
CREATE INDEX contact_deleted ON contact (account) WHERE deleted_at IS NOT NULL;
CREATE INDEX contact_explicit ON contact (account) WHERE permission = 'explicit';
CREATE INDEX contact_inactive ON contact (account)
    WHERE permission NOT IN ('explicit', 'implicit');

CREATE TABLE activity (
    activity_id TEXT PRIMARY KEY, account INTEGER NOT NULL, kind TEXT NOT NULL,
    state TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    started_at INTEGER, completed_at INTEGER, starts_at INTEGER NOT NULL,
    ends_at INTEGER, outcome TEXT NOT NULL, outcome_share REAL NOT NULL DEFAULT 1,
    file_name TEXT, percent_done INTEGER NOT NULL DEFAULT 0,
    errors TEXT NOT NULL DEFAULT '[]', status TEXT NOT NULL DEFAULT '{}',
    payload BLOB, result BLOB);
CREATE INDEX activity_by_account ON activity (account, created_at);
CREATE INDEX activity_open ON activity (ends_at) WHERE completed_at IS NULL;

CREATE TABLE aside (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, lists TEXT NOT NULL,
    at INTEGER NOT NULL, body BLOB NOT NULL);

CREATE TABLE mail (
    seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, contact INTEGER NOT NULL,
    kind TEXT NOT NULL, sent_at INTEGER NOT NULL);
"""


class Database:
    """One connection that every thread shares, under one lock."""

    def __init__(self, path: Path | None) -> None:
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path, check_same_thread=False, isolation_level=None
        )
        self._connection.row_factory = sqlite3.Row
        self._depth = 0
        self._create()
        for pragma in ("journal_mode = WAL", "synchronous = OFF", "cache_size = -262144"):
            self._connection.execute(f"PRAGMA {pragma}")

    def _create(self) -> None:
        """Make the tables in an empty file; anything but a sandbox's file is left as it is."""
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and not tables:
            self._connection.executescript(SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            self._connection.close()
            raise ValueError("it is no sandbox of this version")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction joins the outer one."""
        with self.lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute; return the new row's number for an INSERT, else how many rows changed."""
        with self.lock:
            cursor = self._connection.execute(sql, values)
            inserted = sql.lstrip()[:6].upper() == "INSERT"
            return int(cursor.lastrowid or 0) if inserted else cursor.rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self.lock:
            self._connection.executemany(sql, rows)

    def one(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        with self.lock:
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self.lock:
            return self._connection.execute(sql, values).fetchall()

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        row = self.one(sql, values)
        return None if row is None else row[0]

    def close(self) -> None:
        with self.lock:
            self._connection.close()
