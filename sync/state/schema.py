"""The tables of the state database, the same on SQLite, PostgreSQL and MariaDB.

Every table is keyed by `account` (our short name of a Constant Contact account) or by the run,
so that many accounts can share one database. Tables change through `sync.state.migrations` only;
a test compares the two.
"""

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC instant, stored as whole microseconds since 1970.

    The databases' own date types differ in precision, in range and in what they do to a time
    zone; an integer is the same everywhere and is compared by the database itself.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + value * _MICROSECOND


# Addresses must be compared byte by byte everywhere; MariaDB's default collation would not.
_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
_SERIAL = BigInteger().with_variant(Integer, "sqlite")
_ACCOUNT = String(64)
_EMAIL = String(100)
_UUID = String(36)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

# The token pair of an account: one row, its tokens encrypted. `generation` counts the pairs.
# `refresh_begun_at` is set while a refresh of this generation is in flight, and `refresh_attempts`
# counts its tries; `lost_at` is set when the refresh token was refused. `host`, `client_id` and
# `token_url` say where, to whom and by whom the pair was issued. After a logout the tokens are
# empty, and the row stays for its generation and its `encoded_account_id`.
token_pair = Table(
    "token_pair",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("access_token", Text, nullable=False),
    Column("refresh_token", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("encoded_account_id", String(100)),
    Column("host", String(255), nullable=False),
    Column("client_id", Text, nullable=False),
    Column("token_url", Text, nullable=False),
    Column("refresh_begun_at", Instant),
    Column("refresh_attempts", Integer, nullable=False, default=0),
    Column("lost_at", Instant),
    Column("lost_cause", Text),
    **_OPTIONS,
)

# `partial` runs have read only what changed in the source; they can't tell who is gone.
run = Table(
    "run",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("account", _ACCOUNT, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("exit_code", Integer),
    Column("message", Text, nullable=False, default=""),
    Column("rows_read", Integer, nullable=False, default=0),
    Column("new", Integer, nullable=False, default=0),
    Column("changed", Integer, nullable=False, default=0),
    Column("unchanged", Integer, nullable=False, default=0),
    Column("rejected", Integer, nullable=False, default=0),
    Column("opted_out", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("warnings", Integer, nullable=False, default=0),
    Column("withheld", Integer, nullable=False, default=0, server_default=text("0")),
    Column("gone", Integer, nullable=False, default=0),
    Column("confirmed", Integer, nullable=False, default=0),
    Column("refused", Integer, nullable=False, default=0),
    Column("requests", Integer, nullable=False, default=0),
    Column("report", Text),
    Column("rejects", Text),
    Column("partial", Boolean, nullable=False, default=False, server_default=false()),
    Index(None, "account", "id"),
    **_OPTIONS,
)

# A set of list ids that batches and contacts share; `key` is a digest of the sorted ids.
list_set = Table(
    "list_set",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("account", _ACCOUNT, nullable=False),
    Column("key", String(32), nullable=False),
    Column("list_ids", Text, nullable=False),
    Index(None, "account", "key", unique=True),
    **_OPTIONS,
)

# The account's lists by name, as last read; a dry run without a valid token plans with them.
known_list = Table(
    "known_list",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("list_id", _UUID, primary_key=True),
    Column("name", String(255), nullable=False),
    **_OPTIONS,
)

# What Constant Contact is known to hold, as last confirmed.
contact = Table(
    "contact",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("email", _EMAIL, primary_key=True),
    Column("fingerprint", LargeBinary(16), nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("first_synced_at", Instant, nullable=False),
    Column("last_synced_at", Instant, nullable=False),
    **_OPTIONS,
)

# The source's contacts of one run. They stay until the run's batches are settled, since the
# batches' payloads are made of them. `row` is the row's number in the source; of the rows of one
# address the one with the greatest `precedence` is the newest.
staged = Table(
    "staged",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("email", _EMAIL, nullable=False),
    Column("fingerprint", LargeBinary(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("action", String(10)),
    Column("precedence", String(40)),
    Index(None, "run_id", "email"),
    **_OPTIONS,
)

# The outbox: the imports of a run. A batch holds the run's staged contacts of its list set with
# the action new or changed, from first_row to last_row.
batch = Table(
    "batch",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("account", _ACCOUNT, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("first_row", BigInteger, nullable=False),
    Column("last_row", BigInteger, nullable=False),
    Column("contacts", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("recorded_at", Instant, nullable=False),
    Column("posting_at", Instant),
    Column("activity_id", _UUID),
    Column("activity_found", Boolean, nullable=False, default=False),
    Column("settled_at", Instant),
    Column("result", Text),
    Index(None, "account", "state"),
    **_OPTIONS,
)

# What people did on the other side: kind is unsubscribed, deleted or left_list.
observation = Table(
    "observation",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("email", _EMAIL, primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("list_id", _UUID, primary_key=True, default=""),
    Column("observed_at", Instant, nullable=False),
    **_OPTIONS,
)

# Until when the last successful observation of changed contacts reaches.
observed = Table(
    "observed",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("until", Instant, nullable=False),
    **_OPTIONS,
)

# How far an incremental read of the source has come.
source_mark = Table(
    "source_mark",
    metadata,
    Column("account", _ACCOUNT, primary_key=True),
    Column("configuration", String(32), nullable=False),
    Column("newest", Text, nullable=False),
    Column("full_at", Instant, nullable=False),
    **_OPTIONS,
)

# The pace limit of an application: one row a request that may be under way or have just ended.
api_slot = Table(
    "api_slot",
    metadata,
    Column("application", String(100), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("free_at", Instant, nullable=False),
    **_OPTIONS,
)

# The daily quota of an application: the requests of each UTC day.
api_day = Table(
    "api_day",
    metadata,
    Column("application", String(100), primary_key=True),
    Column("utc_day", String(10), primary_key=True),
    Column("used", Integer, nullable=False),
    **_OPTIONS,
)
