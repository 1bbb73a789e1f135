"""The tables of the state database, the same on SQLite, PostgreSQL and MariaDB.

Every table is keyed by `account` (our short name of a Constant Contact account) or by the run,
so that many accounts can share one database. Tables change through `sync.state.migrations` only;
a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from sync.state.column_types import ACCOUNT, EMAIL, IN_ORDER, OPTIONS, SERIAL, UUID, Instant

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)


def _details_of_an_observation() -> list[Column[Any]]:
    return [
        Column("first_seen_at", Instant),
        Column("happened_at", Instant),
        Column("reason", Text),
        Column("source", String(20)),
        Column("list_name", String(255)),
        Column("source_key", Text),
    ]


# The token pair of an account: one row, its tokens encrypted. `generation` counts the pairs.
# `refresh_begun_at` is set while a refresh of this generation is in flight, and `refresh_attempts`
# counts its tries; `lost_at` is set when the refresh token was refused. `host`, `client_id` and
# `token_url` say where, to whom and by whom the pair was issued. After a logout the tokens are
# empty, and the row stays for its generation and its `encoded_account_id`.
token_pair = Table(
    "token_pair",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
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
    **OPTIONS,
)

# `partial` runs have read only what changed in the source; they can't tell who is gone. `kind` is
# sync or verify; `drift` is null where the audience was not read back. The counts `seen_…` are of
# what people did on the other side since the run before; `notes` are sentences, one a line.
# `resume_at` is when a run that stopped for want of requests can go on; `audience` is how many
# contacts were known to be there in the end.
run = Table(
    "run",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
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
    Column("resume_at", Instant),
    Column("audience", Integer),
    Column("moved", Integer, nullable=False, default=0, server_default=text("0")),
    Column("tagged", Integer, nullable=False, default=0, server_default=text("0")),
    Column("removed", Integer, nullable=False, default=0, server_default=text("0")),
    Column("deleted", Integer, nullable=False, default=0, server_default=text("0")),
    Column("kind", String(10), nullable=False, default="sync", server_default="sync"),
    Column("drift", Integer),
    Column("seen_unsubscribed", Integer, nullable=False, default=0, server_default=text("0")),
    Column("seen_deleted", Integer, nullable=False, default=0, server_default=text("0")),
    Column("seen_left", Integer, nullable=False, default=0, server_default=text("0")),
    Column("seen_returned", Integer, nullable=False, default=0, server_default=text("0")),
    Column("notes", Text),
    Column("cleared", Integer, nullable=False, default=0, server_default=text("0")),
    Column("readdressed", Integer, nullable=False, default=0, server_default=text("0")),
    Index(None, "account", "id"),
    **OPTIONS,
)

# A set of list ids that batches and contacts share; `key` is a digest of the sorted ids.
list_set = Table(
    "list_set",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("key", String(32), nullable=False),
    Column("list_ids", Text, nullable=False),
    Index(None, "account", "key", unique=True),
    **OPTIONS,
)

# The account's lists by name, as last read; a dry run without a valid token plans with them.
known_list = Table(
    "known_list",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("list_id", UUID, primary_key=True),
    Column("name", String(255), nullable=False),
    **OPTIONS,
)

# The same for tags, which contacts get after the import; no number means no tags.
tag_set = Table(
    "tag_set",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("key", String(32), nullable=False),
    Column("tag_ids", Text, nullable=False),
    Index(None, "account", "key", unique=True),
    **OPTIONS,
)

known_tag = Table(
    "known_tag",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("tag_id", UUID, primary_key=True),
    Column("name", String(255), nullable=False),
    **OPTIONS,
)

# What Constant Contact is known to hold, as last confirmed. `contact_id` is its own name of the
# contact, once it was needed, and `made_here` tells then whether it was not there before we sent
# it, the first time at `first_sent_at`. `missing_runs` counts the whole runs in a row whose source
# did not have the contact; `removed_at` is set when this program deleted it for that. `seen_at` is
# when it was last seen there. `uncleared` names (as JSON) the fields that it may hold though the
# source has them no more; `source_key` is what the company calls the person.
contact = Table(
    "contact",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("fingerprint", LargeBinary(16), nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("body_id", BigInteger, nullable=False),
    Column("first_sent_at", Instant, nullable=False),
    Column("last_synced_at", Instant, nullable=False),
    Column("tag_set_id", BigInteger),
    Column("contact_id", UUID),
    Column("missing_runs", Integer, nullable=False, default=0, server_default=text("0")),
    Column("removed_at", Instant),
    Column("made_here", Boolean),
    Column("seen_at", Instant),
    Column("uncleared", Text),
    Column("source_key", String(100)),
    Index(
        None,
        "account",
        "source_key",
        sqlite_where=text("source_key IS NOT NULL"),
        postgresql_where=text("source_key IS NOT NULL"),
    ),
    **OPTIONS,
    **IN_ORDER,
)

# The source's contacts of one run. They stay until the run's batches are settled, since the
# batches' payloads are made of them. `row` is the row's number in the source; of the rows of one
# address the one with the greatest `precedence` is the newest. `held_set_id` are the lists that the
# contact is on after the import when that is more than is wanted: an import takes nobody off.
# `owned` is the start of the JSON object of a new contact: the fields that Constant Contact owns
# once they are there, `owned_size` the bytes that it adds. `uncleared` and `source_key` are what
# the contact gets of them. `former` is the address under which the contact is there still.
staged = Table(
    "staged",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("email", EMAIL, nullable=False),
    Column("fingerprint", LargeBinary(16), nullable=False),
    Column("body_id", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("action", String(10)),
    Column("precedence", String(40)),
    Column("tag_set_id", BigInteger),
    Column("held_set_id", BigInteger),
    Column("owned", Text),
    Column("owned_size", Integer),
    Column("uncleared", Text),
    Column("source_key", String(100)),
    Column("former", EMAIL),
    Index(None, "run_id", "email"),
    **OPTIONS,
    **IN_ORDER,
)

# The canonical JSON of the contacts, staged and confirmed: many in a block, `size` bytes when it is
# not compressed (`sync.state.bodies`).
body_block = Table(
    "body_block",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary(16_777_215), nullable=False),
    **OPTIONS,
)

# What rows of the source came to at its last reading (`sync.state.checked_rows`), in stretches
# that each begin at `place`, the number of a row there. They need the bodies of `body_blocks`.
checked_rows = Table(
    "checked_rows",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("basis", String(32), nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("body_blocks", LargeBinary(16_777_215), nullable=False),
    Column("data", LargeBinary(16_777_215), nullable=False),
    **OPTIONS,
)

# Plans that wait for a person: their staged contacts stay, under the number `staged_as`, until
# they are approved or another run has planned (`settled_by`). `header` and `source` are the
# source's, the missing lists and tags those that the plan would make; as JSON but for the source.
kept_plan = Table(
    "kept_plan",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", ACCOUNT, nullable=False),
    Column("staged_as", BigInteger, nullable=False),
    Column("configuration", String(32), nullable=False),
    Column("source", Text, nullable=False),
    Column("header", Text, nullable=False),
    Column("missing_lists", Text, nullable=False),
    Column("missing_tags", Text, nullable=False),
    Column("approved", Boolean, nullable=False, default=False),
    Column("settled_by", BigInteger),
    Index(None, "account", "settled_by"),
    **OPTIONS,
)

# The outbox: the imports of a run. A batch holds the run's staged contacts of its list set with
# the action new or changed, from first_row to last_row.
batch = Table(
    "batch",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
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
    Column("activity_id", UUID),
    Column("activity_found", Boolean, nullable=False, default=False),
    Column("settled_at", Instant),
    Column("result", Text),
    Index(None, "account", "state"),
    **OPTIONS,
)

# Changes of many contacts at once that are not imports, from before they are posted until their
# end is known: `target` is the list or the tag. Settled ones stay for a while, so that their
# activities are not taken for others'.
bulk_change = Table(
    "bulk_change",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("account", ACCOUNT, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("target", UUID, nullable=False),
    Column("posting_at", Instant, nullable=False),
    Column("activity_id", UUID),
    Column("activity_found", Boolean, nullable=False, default=False, server_default=false()),
    Column("settled", Boolean, nullable=False, default=False, server_default=false()),
    Index(None, "account"),
    **OPTIONS,
)

bulk_change_member = Table(
    "bulk_change_member",
    metadata,
    Column("bulk_change_id", BigInteger, primary_key=True, autoincrement=False),
    Column("email", EMAIL, primary_key=True),
    **OPTIONS,
)

# What people did on the other side, and holds still (`sync.state.observations`). `happened_at` is
# the service's own date of it, where it gives one; `observed_at` is when it was last seen there.
observation = Table(
    "observation",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("list_id", UUID, primary_key=True, default=""),
    Column("observed_at", Instant, nullable=False),
    *_details_of_an_observation(),
    **OPTIONS,
)

# The same once it has ended, since the person came back.
past_observation = Table(
    "past_observation",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("list_id", UUID, primary_key=True, default=""),
    Column("observed_at", Instant, nullable=False),
    *_details_of_an_observation(),
    Column("ended_at", Instant, nullable=False),
    **OPTIONS,
)

# Contacts that Constant Contact has refused for what is in them, as they were sent then.
refusal = Table(
    "refusal",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("email", EMAIL, primary_key=True),
    Column("fingerprint", LargeBinary(16), nullable=False),
    Column("list_set_id", BigInteger, nullable=False),
    Column("refused_at", Instant, nullable=False),
    Column("code", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    **OPTIONS,
)

# Until when the last observation reaches, and the last one of everything. Between `own_from` and
# `own_until`, by the service's clock, a large import of ours was worked on.
observed = Table(
    "observed",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("until", Instant, nullable=False),
    Column("full_at", Instant),
    Column("runs_since_full", Integer, nullable=False, default=0, server_default=text("0")),
    Column("own_from", Instant),
    Column("own_until", Instant),
    **OPTIONS,
)

# Until when the company's own table knows what was observed.
fed_back = Table(
    "fed_back",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("configuration", String(32), nullable=False),
    Column("until", Instant, nullable=False),
    **OPTIONS,
)

# How far an incremental read of the source has come.
source_mark = Table(
    "source_mark",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("configuration", String(32), nullable=False),
    Column("newest", Text, nullable=False),
    Column("full_at", Instant, nullable=False),
    **OPTIONS,
)

# What people were told is wrong with an account, of each topic the trouble that goes on.
trouble = Table(
    "trouble",
    metadata,
    Column("account", ACCOUNT, primary_key=True),
    Column("topic", String(12), primary_key=True),
    Column("cause", String(40), nullable=False),
    Column("since", Instant, nullable=False),
    Column("last_told_at", Instant, nullable=False),
    **OPTIONS,
)

# The pace limit of an application: one row a request that may be under way or have just ended.
api_slot = Table(
    "api_slot",
    metadata,
    Column("application", String(100), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("free_at", Instant, nullable=False),
    **OPTIONS,
)

# The daily quota of an application: the requests of each UTC day.
api_day = Table(
    "api_day",
    metadata,
    Column("application", String(100), primary_key=True),
    Column("utc_day", String(10), primary_key=True),
    Column("used", Integer, nullable=False),
    **OPTIONS,
)

# What an account wants of its application's requests. `wants_at` is when its next sync begins, or
# when the present one began; null when it wants none. It has `used` so many in `utc_day`. It has
# waited for its turn at `asked_at`, and had one at `served_at`.
api_claim = Table(
    "api_claim",
    metadata,
    Column("application", String(100), primary_key=True),
    Column("account", ACCOUNT, primary_key=True),
    Column("wants_at", Instant),
    Column("utc_day", String(10), nullable=False),
    Column("used", Integer, nullable=False),
    Column("asked_at", Instant),
    Column("served_at", Instant),
    **OPTIONS,
)

# The workers of a cluster, each a process on one of its hosts; see `sync.state.hosts`.
host = Table(
    "host",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String(40), nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("doing", Text, nullable=False),
    **OPTIONS,
)
